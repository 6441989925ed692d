"""The properties, the settings and the readme of the connector fit its definition."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.swagger import BASE_PATH, HOST, SECURITY
from connector.texts import KEY_EXPRESSION
from description.__main__ import ROOT
from tests.connector.definition import DEFINITION, MEMBERS, OPERATIONS, PARAMETERS

FOLDER = ROOT / "connector"
PROPERTIES: dict[str, Any] = json.loads((FOLDER / "apiProperties.json").read_text("utf-8"))[
    "properties"
]
_FILES = ("apiProperties", "apiDefinition")
README = (FOLDER / "readme.md").read_text("utf-8")


def test_a_connection_asks_for_the_function_key_as_a_secret_and_for_the_host() -> None:
    parameters = PROPERTIES["connectionParameters"]

    assert parameters.keys() == {SECURITY, "hostName"}
    assert list(DEFINITION["securityDefinitions"]) == [SECURITY]
    assert parameters[SECURITY]["type"] == "securestring"
    assert parameters[SECURITY]["uiDefinition"]["constraints"]["clearText"] is False
    for parameter in parameters.values():
        assert parameter["uiDefinition"]["constraints"]["required"] == "true"
        assert {"displayName", "description", "tooltip"} < parameter["uiDefinition"].keys()


def test_every_call_goes_to_the_host_of_the_connection() -> None:
    policy, _ = PROPERTIES["policyTemplateInstances"]

    # The policy replaces the scheme, the host and the base path together.
    assert policy["templateId"] == "dynamichosturl"
    assert policy["parameters"] == {
        "x-ms-apimTemplateParameter.urlTemplate": (
            f"https://@connectionParameters('hostName'){BASE_PATH}"
        )
    }
    assert PROPERTIES["connectionParameters"]["hostName"]["type"] == "string"
    assert DEFINITION["host"] == HOST
    assert HOST in README


def test_every_call_prefers_answers_without_nulls_beside_what_the_platform_prefers() -> None:
    _, policy = PROPERTIES["policyTemplateInstances"]

    assert policy["templateId"] == "setheader"
    assert policy["parameters"] == {
        "x-ms-apimTemplateParameter.name": "Prefer",
        "x-ms-apimTemplateParameter.value": "omit-values=nulls",
        "x-ms-apimTemplateParameter.existsAction": "append",
        "x-ms-apimTemplate-policySection": "Request",
    }
    assert not any(where.endswith(" Prefer") for where in PARAMETERS)
    # What may be absent is not required.
    answers = DEFINITION["definitions"].keys() - {"Cart"}
    assert all('"required":' not in json.dumps(DEFINITION["definitions"][name]) for name in answers)


def test_the_properties_have_nothing_that_paconn_refuses() -> None:
    # With a `stackOwner`, `paconn update` refuses the connector.
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
def test_a_file_is_ascii_because_paconn_reads_it_in_the_encoding_of_the_machine(path: Path) -> None:
    assert path.read_bytes().isascii()


def test_the_settings_of_paconn_name_the_files() -> None:
    settings = json.loads((FOLDER / "settings.json").read_text("utf-8"))

    assert settings.keys() == {*_FILES, "powerAppsUrl", "powerAppsApiVersion"}
    assert all((FOLDER / settings[name]).is_file() for name in _FILES)


def test_the_readme_lists_the_operations() -> None:
    rows = re.findall(r"^\| ([^|]+) \| `(\w+)` \| ", README, re.MULTILINE)

    assert {identifier: name for name, identifier in rows} == {
        operation["operationId"]: operation["summary"] for operation in OPERATIONS.values()
    }


def test_the_readme_shows_the_expression_of_the_definition() -> None:
    assert f"```\n{KEY_EXPRESSION}\n```" in README


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\*([A-Z][\w ]+)\*", README))))
def test_every_field_that_the_readme_names_exists(name: str) -> None:
    platform = {"App keys", "Delay", "Do until", "Enter custom value"}
    summaries = {operation["summary"] for operation in OPERATIONS.values()}
    fields = {each["x-ms-summary"] for each in (*PARAMETERS.values(), *MEMBERS.values())}

    assert name in platform | summaries | fields
