"""The connector's definition, flattened: its operations, parameters, schemas and members."""

import json
from collections.abc import Iterator
from typing import Any

from description.__main__ import ROOT

FILE = ROOT / "connector" / "apiDefinition.swagger.json"
DEFINITION: dict[str, Any] = json.loads(FILE.read_text("utf-8"))

OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method} {path}": operation
    for path, item in DEFINITION["paths"].items()
    for method, operation in item.items()
}
PARAMETERS: dict[str, dict[str, Any]] = {
    f"{where} {parameter['name']}": parameter
    for where, operation in OPERATIONS.items()
    for parameter in operation["parameters"]
}


def _within(where: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield where, schema
    if "items" in schema:
        yield from _within(f"{where}[]", schema["items"])
    for name, member in schema.get("properties", {}).items():
        yield from _within(f"{where}.{name}", member)


SCHEMAS: dict[str, dict[str, Any]] = {
    where: schema
    for name, definition in DEFINITION["definitions"].items()
    for where, schema in _within(name, definition)
}
"""Every schema in the definitions, by the dotted path to it, such as `Cart.lineItems[].id`."""

MEMBERS: dict[str, dict[str, Any]] = {
    where: schema for where, schema in SCHEMAS.items() if where[-2:] != "[]" and "." in where
}
"""The schemas that are members of an object."""

REQUEST_MEMBERS = {
    where: member
    for where, member in MEMBERS.items()
    if f"#/definitions/{where.partition('.')[0]}"
    in {each["schema"]["$ref"] for each in PARAMETERS.values() if "schema" in each}
}
