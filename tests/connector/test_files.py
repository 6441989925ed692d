"""The properties, the settings and the readme of the connector fit its definition."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.swagger import (
    BACKGROUND_PATH,
    BACKGROUND_SUFFIX,
    BASE_PATH,
    HOST,
    INTERNAL_OPERATIONS,
    SCOPE,
    SECURITY,
    SIGN_IN,
)
from connector.texts import KEY_EXPRESSION
from description.__main__ import ROOT
from tests.connector.definition import DEFINITION, MEMBERS, OPERATIONS, PARAMETERS

FOLDER = ROOT / "connector"
PROPERTIES: dict[str, Any] = json.loads((FOLDER / "apiProperties.json").read_text("utf-8"))[
    "properties"
]
_FILES = ("apiProperties", "apiDefinition")
README = (FOLDER / "readme.md").read_text("utf-8")


POLICIES: list[dict[str, Any]] = PROPERTIES["policyTemplateInstances"]
PARAMETER = "x-ms-apimTemplateParameter."


def parameter_sets() -> dict[str, dict[str, Any]]:
    """The parameters of a connection, by the way in which it is authenticated."""
    return {
        each["name"]: each["parameters"] for each in PROPERTIES["connectionParameterSets"]["values"]
    }


def test_a_connection_has_a_key_or_a_sign_in_and_the_host() -> None:
    sets = parameter_sets()

    assert {name: set(each) for name, each in sets.items()} == {
        "function-key": {"hostName", SECURITY},
        "entra-id": {"hostName", "token"},
    }
    assert [*DEFINITION["securityDefinitions"]] == [SECURITY, SIGN_IN]
    key = sets["function-key"][SECURITY]
    assert key["type"] == "securestring"
    assert key["uiDefinition"]["constraints"]["clearText"] is False
    assert sets["function-key"]["hostName"] == sets["entra-id"]["hostName"]
    for chosen in (
        PROPERTIES["connectionParameterSets"],
        *PROPERTIES["connectionParameterSets"]["values"],
    ):
        assert chosen["uiDefinition"].keys() == {"displayName", "description"}
    for parameter in (each for values in sets.values() for each in values.values()):
        shown = parameter["uiDefinition"]
        assert shown["constraints"]["required"] == "true"
        assert {"displayName", "description", "tooltip"} < shown.keys()
        if parameter["type"] != "oauthSetting":
            # The platform shows the description of a text only from there.
            assert shown["schema"] == {
                "type": parameter["type"],
                "description": shown["description"],
            }


def test_a_sign_in_is_with_entra_id_for_this_function_and_has_no_secret() -> None:
    settings = parameter_sets()["entra-id"]["token"]["oAuthSettings"]
    placeholders = {
        settings["clientId"],
        settings["customParameters"]["tenantId"]["value"],
        settings["customParameters"]["resourceUri"]["value"].removeprefix("api://"),
    }

    assert settings["identityProvider"] == "aad"
    assert settings["redirectMode"] == "GlobalPerConnector"
    assert settings["customParameters"]["resourceUri"]["value"].startswith("api://")
    assert all(re.fullmatch("YOUR(-[A-Z]+)+", each) and each in README for each in placeholders)
    assert not any("secret" in each.lower() for each in settings)
    assert SCOPE in README


def policy(template: str, **members: str) -> dict[str, Any]:
    """The only policy of a template whose parameters are these; all of its parameters."""
    [found] = [
        each["parameters"]
        for each in POLICIES
        if each["templateId"] == template
        and all(each["parameters"][PARAMETER + name] == members[name] for name in members)
    ]
    assert isinstance(found, dict)
    return found


def test_every_call_goes_to_the_host_of_the_connection() -> None:
    # The policy replaces the scheme, the host and the base path together.
    assert policy("dynamichosturl") == {
        f"{PARAMETER}urlTemplate": f"https://@connectionParameters('hostName'){BASE_PATH}"
    }
    assert parameter_sets()["entra-id"]["hostName"]["type"] == "string"
    assert DEFINITION["host"] == HOST
    assert HOST in README


def test_a_key_is_sent_as_the_functions_header_and_nothing_where_there_is_none() -> None:
    header = DEFINITION["securityDefinitions"][SECURITY]["name"]

    assert policy("setheader", name=header) == {
        f"{PARAMETER}name": header,
        f"{PARAMETER}value": f"@connectionParameters('{SECURITY}','')",
        f"{PARAMETER}existsAction": "override",
        "x-ms-apimTemplate-policySection": "Request",
    }


def test_every_call_prefers_answers_without_nulls_beside_what_the_platform_prefers() -> None:
    assert policy("setheader", value="omit-values=nulls") == {
        f"{PARAMETER}name": "Prefer",
        f"{PARAMETER}value": "omit-values=nulls",
        f"{PARAMETER}existsAction": "append",
        "x-ms-apimTemplate-policySection": "Request",
    }
    assert not any(where.endswith(" Prefer") for where in PARAMETERS)
    # What may be absent is not required.
    answers = DEFINITION["definitions"].keys() - {"Cart"}
    assert all('"required":' not in json.dumps(DEFINITION["definitions"][name]) for name in answers)


def test_an_action_in_the_background_calls_the_plain_path_and_prefers_not_to_wait() -> None:
    background = {
        operation["operationId"]: where.partition(" ")[2].removesuffix(BACKGROUND_PATH)
        for where, operation in OPERATIONS.items()
        if where.endswith(BACKGROUND_PATH)
    }
    routes = {
        name: each["parameters"][f"{PARAMETER}newPath"]
        for each in POLICIES
        if each["templateId"] == "routerequesttoendpoint"
        for name in each["parameters"]["x-ms-apimTemplate-operationName"]
    }

    assert background
    assert all(name.endswith(BACKGROUND_SUFFIX) for name in background)
    assert routes == background
    prefers = policy("setheader", value="respond-async")
    assert set(prefers.pop("x-ms-apimTemplate-operationName")) == set(background)
    assert prefers == {
        **policy("setheader", value="omit-values=nulls"),
        f"{PARAMETER}value": "respond-async",
    }


def test_the_properties_have_nothing_that_paconn_refuses() -> None:
    # With a `stackOwner`, `paconn update` refuses the connector.
    assert PROPERTIES.keys() == {
        "connectionParameterSets",
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
        operation["operationId"]: operation["summary"]
        for operation in OPERATIONS.values()
        if operation["operationId"] not in INTERNAL_OPERATIONS
    }


def test_the_readme_shows_the_expression_of_the_definition() -> None:
    assert f"```\n{KEY_EXPRESSION}\n```" in README


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\*([A-Z][\w ]+)\*", README))))
def test_every_field_that_the_readme_names_exists(name: str) -> None:
    platform = {"App keys", "Delay", "Do until", "Enter custom value", "Security"}
    summaries = {operation["summary"] for operation in OPERATIONS.values()}
    fields = {each["x-ms-summary"] for each in (*PARAMETERS.values(), *MEMBERS.values())}

    assert name in platform | summaries | fields
