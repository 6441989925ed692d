"""The samples' readme files show what works."""

import json
import re
from pathlib import Path

import httpx

from local.function_process import ROOT
from local.functions_host import DEFAULT_KEY
from samples.storefront.place_order import place_order
from tests.end_to_end.chain import KEY_HEADER
from tests.infra import bicep
from tests.samples.callers import WORKFLOW
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


def test_the_template_deploys_this_workflow(tmp_path: Path) -> None:
    template = tmp_path / "main.bicep"
    template.write_text(_block(READMES[1], "bicep"), "utf-8")

    assert not bicep.syntax(template).has_error
    given = {each.name: each for each in bicep.read(template) if each.kind == "param"}
    assert given.keys() == WORKFLOW["parameters"].keys()
    assert given["functionKey"].decorators == {"secure": True}
    properties = bicep.one(template, "workflow").value["properties"]
    assert properties["parameters"] == {
        name: {"value": bicep.Expression(name)} for name in WORKFLOW["parameters"]
    }
    assert properties["definition"] == bicep.Expression("sample.definition")
    assert bicep.one(template, "sample").value == bicep.Expression(
        "loadJsonContent('workflow.json')"
    )


def test_every_status_and_code_of_the_workflow_is_documented() -> None:
    table = READMES[1].read_text("utf-8")

    for case in re.findall(r'"case": "?(\w+)"?', json.dumps(WORKFLOW)):
        assert case == "0" or re.search(rf"^\| (\d+ )?`?{case}`?( `\w+`)? \|", table, re.M), case


def test_the_command_is_for_what_make_run_starts() -> None:
    assert f"FUNCTION_KEY={DEFAULT_KEY} " in READMES[0].read_text("utf-8")


def _block(readme: Path, language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    return str(block)
