"""The samples' readme files show what works."""

import json
import re
import shutil
from pathlib import Path

import httpx
import pytest

from local.function_process import ROOT
from local.functions_host import DEFAULT_KEY
from samples.storefront.place_order import place_order
from tests.end_to_end.chain import KEY_HEADER
from tests.infra import compiler
from tests.samples.callers import AUDIENCE, TEMPLATE, WORKFLOW, deployed
from tests.samples.logic_apps import check
from tests.samples.shop import Shop

SAMPLES = ROOT / "samples"
READMES = [SAMPLES / "readme.md", SAMPLES / "logic-app" / "readme.md"]


def test_the_order_is_taken_by_both(shop: Shop) -> None:
    order = json.loads(_block(READMES[0], "json"))

    check(order, WORKFLOW["definition"]["triggers"]["Storefront_order"]["inputs"]["schema"])
    with httpx.Client(base_url=shop.url, headers=KEY_HEADER, trust_env=False) as function:
        assert place_order(function, order)["status"] == "completed"
    skus = [[item.rpartition(":")[0] for item in items] for items in shop.bought]
    assert skus == [[f"{line['productId']}:{line['skuId']}" for line in order["lines"]]]


needs_compiler = pytest.mark.skipif(
    compiler.COMPILER is None,
    reason="There is no Bicep compiler: set BICEP, or run `az bicep install`.",
)


@needs_compiler
def test_the_commands_name_parameters_and_outputs_of_the_template(tmp_path: Path) -> None:
    done = compiler.run("build", TEMPLATE, "--stdout", home=tmp_path)
    compiled = json.loads(done.stdout)
    given = compiled["parameters"]
    assert given.keys() == {*WORKFLOW["parameters"], "audience", "location"}
    assert given["functionKey"]["type"].lower() == "securestring"
    (workflow,) = compiled["resources"]
    assert workflow["identity"] == {"type": "SystemAssigned"}
    assert workflow["properties"]["parameters"] == {
        name: {"value": f"[parameters('{name}')]"} for name in WORKFLOW["parameters"]
    }
    commands = READMES[1].read_text("utf-8")
    for parameters in re.findall(r"--parameters (.+)", commands):
        assert set(re.findall(r"(\w+)=", parameters)) <= given.keys()
    outputs = set(re.findall(r"properties\.outputs\.(\w+)", commands))
    assert outputs <= compiled["outputs"].keys()


@needs_compiler
def test_bicep_deploys_the_definition_that_the_tests_run(tmp_path: Path) -> None:
    folder = shutil.copytree(TEMPLATE.parent, tmp_path / "logic-app")
    for command in ("lint", "build"):
        done = compiler.run(command, folder / TEMPLATE.name, home=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    formatted = compiler.run("format", folder / TEMPLATE.name, "--stdout", home=tmp_path)
    assert formatted.stdout == TEMPLATE.read_text("utf-8")
    for given, signs_in in ({"functionKey": "k"}, False), ({"audience": AUDIENCE}, True):
        values = {"functionUrl": "https://app.example", "location": "westeurope", **given}
        lines = [f"param {name} = '{value}'" for name, value in values.items()]
        parameters = folder / "main.bicepparam"
        parameters.write_text("\n".join(["using 'main.bicep'", *lines, ""]), "utf-8")
        done = compiler.run(
            *("snapshot", "--mode", "overwrite", *compiler.SCOPE, "--resource-group", "group"),
            parameters,
            home=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        [made] = json.loads((folder / "main.snapshot.json").read_text())["predictedResources"]
        assert made["properties"]["definition"] == deployed(signs_in=signs_in)


def test_every_status_and_code_of_the_workflow_is_documented() -> None:
    table = READMES[1].read_text("utf-8")

    for case in re.findall(r'"case": "?(\w+)"?', json.dumps(WORKFLOW)):
        assert case == "0" or re.search(rf"^\| (\d+ )?`?{case}`?( `\w+`)? \|", table, re.M), case


def test_the_command_is_for_what_make_run_starts() -> None:
    assert f"FUNCTION_KEY={DEFAULT_KEY} " in READMES[0].read_text("utf-8")


def _block(readme: Path, language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    return str(block)
