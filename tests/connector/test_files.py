"""What surrounds the definition fits it: properties, settings and the readme."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.swagger import BASE_PATH, HOST, KEY_EXPRESSION, SECURITY
from description.__main__ import ROOT
from tests.connector import rules

FOLDER = ROOT / "connector"
DEFINITION: dict[str, Any] = json.loads((FOLDER / "apiDefinition.swagger.json").read_text("utf-8"))
PROPERTIES: dict[str, Any] = json.loads((FOLDER / "apiProperties.json").read_text("utf-8"))[
    "properties"
]
README = (FOLDER / "readme.md").read_text("utf-8")


def test_the_function_key_is_a_secret_that_the_definition_asks_for() -> None:
    parameters = PROPERTIES["connectionParameters"]

    assert parameters.keys() == {SECURITY, "hostName"}
    assert list(DEFINITION["securityDefinitions"]) == [SECURITY]
    assert parameters[SECURITY]["type"] == "securestring"
    assert parameters[SECURITY]["uiDefinition"]["constraints"]["clearText"] is False
    for parameter in parameters.values():
        assert parameter["uiDefinition"]["constraints"]["required"] == "true"
        assert {"displayName", "description", "tooltip"} < parameter["uiDefinition"].keys()


def test_each_connection_names_its_host() -> None:
    (policy,) = PROPERTIES["policyTemplateInstances"]

    # The policy replaces scheme, host and base path, so it has to name all three.
    assert policy["templateId"] == "dynamichosturl"
    assert policy["parameters"] == {
        "x-ms-apimTemplateParameter.urlTemplate": (
            f"https://@connectionParameters('hostName'){BASE_PATH}"
        )
    }
    assert PROPERTIES["connectionParameters"]["hostName"]["type"] == "string"
    assert HOST in README


def test_the_properties_have_nothing_that_paconn_refuses() -> None:
    # `stackOwner` keeps paconn from updating the connector.
    assert PROPERTIES.keys() == {
        "connectionParameters",
        "iconBrandColor",
        "capabilities",
        "policyTemplateInstances",
    }
    assert PROPERTIES["capabilities"] == []
    assert re.fullmatch(r"#[0-9a-f]{6}", PROPERTIES["iconBrandColor"])
    assert PROPERTIES["iconBrandColor"] not in {"#ffffff", "#007ee5"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: str(path.name))
def test_paconn_reads_each_file_in_any_encoding(path: Path) -> None:
    assert path.read_bytes().isascii()


def test_the_settings_name_the_files() -> None:
    settings = json.loads((FOLDER / "settings.json").read_text("utf-8"))

    assert (FOLDER / settings["apiProperties"]).is_file()
    assert (FOLDER / settings["apiDefinition"]).is_file()
    assert settings.keys() == {
        "apiProperties",
        "apiDefinition",
        "powerAppsUrl",
        "powerAppsApiVersion",
    }


def test_the_readme_lists_the_operations() -> None:
    rows = re.findall(r"^\| ([^|]+) \| `(\w+)` \| ", README, re.MULTILINE)

    assert {identifier: name for name, identifier in rows} == {
        operation["operationId"]: operation["summary"]
        for _, operation in rules.operations(DEFINITION)
    }


def test_the_readme_shows_the_expression_of_the_definition() -> None:
    assert f"```\n{KEY_EXPRESSION}\n```" in README


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\*([A-Z][\w ]+)\*", README))))
def test_what_the_readme_calls_by_name_exists(name: str) -> None:
    platform = {"App keys", "Enter custom value"}
    summaries = {operation["summary"] for _, operation in rules.operations(DEFINITION)}
    fields = {parameter["x-ms-summary"] for _, parameter in rules.parameters(DEFINITION)}
    fields |= {member["x-ms-summary"] for _, _, member, _ in rules.members(DEFINITION)}

    assert name in platform | summaries | fields


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\((\.\.[^)#]+)", README):
        assert (FOLDER / target).is_file(), target
