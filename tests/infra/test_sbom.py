"""The list of what is deployed has a version and a licence for each package."""

import sys
from importlib.metadata import distributions
from pathlib import Path

from infra.sbom import document


def test_every_package_is_listed_with_its_version_and_licence() -> None:
    folder = next(Path(each) for each in sys.path if Path(each, "msal").is_dir())
    here = {
        each.metadata["Name"].lower().replace("_", "-")
        for each in distributions(path=[str(folder)])
    }

    listed = document(folder)["components"]

    assert {each["name"] for each in listed} == here
    licences = {each["name"]: each["licenses"][0]["license"]["name"] for each in listed}
    for name in ("msal", "azure-identity", "httpx", "pydantic", "aiohttp"):
        assert licences[name] not in ("", "unknown"), name
    for each in listed:
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
