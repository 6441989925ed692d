"""Converts schemas of OpenAPI 3.1 to those that OpenAPI 2.0 and the connector designer know."""

from collections.abc import Mapping, Sequence
from typing import Any

from connector.texts import DROP_DOWNS, LOOKUPS, MAKER_DESCRIPTIONS


class _NestedTooDeep(Exception):
    """A schema contains itself for the second time."""


class SchemaConverter:
    """Converts the schemas of one OpenAPI 3.1 document.

    `definitions` are the converted schemas of the bodies that were asked for, by name.
    """

    def __init__(self, openapi: Mapping[str, Any]) -> None:
        self._openapi = openapi
        self.definitions: dict[str, dict[str, Any]] = {}

    def resolved(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        """The object that a Reference Object refers to; members beside its `$ref` win."""
        target: Any = self._openapi
        for step in reference["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return {**target, **{name: value for name, value in reference.items() if name != "$ref"}}

    def definition(self, schema: Mapping[str, Any], *, in_request: bool) -> dict[str, Any]:
        """A reference to the definition of a body; the definition itself has no references.

        `in_request` says whether the body is that of a request. Raises ValueError where the same
        schema was converted for the other direction and came out differently.
        """
        converted = self.converted(schema, in_request=in_request)
        name = _name(schema["$ref"])
        if self.definitions.setdefault(name, converted) != converted:
            raise ValueError(f"{name} is the body of a request and of an answer")
        return {"$ref": f"#/definitions/{name}"}

    def converted(
        self,
        schema: Mapping[str, Any],
        *,
        in_request: bool,
        within: tuple[str, ...] = (),
        path: str = "body",
    ) -> dict[str, Any]:
        """The schema without references, alternatives, null and limits.

        `in_request` says whether it is part of a request, `path` where in it. Of alternatives the
        first is taken. A schema may contain itself once; members that would nest it deeper are left
        out. `within` lists the references that lead to this schema. Raises _NestedTooDeep.
        """
        while "$ref" in schema or "anyOf" in schema:
            if "$ref" in schema:
                within = (*within, schema["$ref"])
                if within.count(schema["$ref"]) > 2:
                    raise _NestedTooDeep
                schema = self.resolved(schema)
            else:
                texts = {name: value for name, value in schema.items() if name != "anyOf"}
                schema = {**schema["anyOf"][0], **texts}
        converted: dict[str, Any] = {"type": _type(schema)}
        if schema.get("format") == "date-time":
            converted["format"] = "date-time"
        if "title" in schema:
            converted["x-ms-summary"] = schema["title"]
        if "description" in schema:
            converted["description"] = schema["description"]
        if converted["type"] == "array":
            converted["items"] = self.converted(
                schema["items"], in_request=in_request, within=within, path=path
            )
        if "properties" in schema:
            if in_request and "required" in schema:
                converted["required"] = schema["required"]
            converted["properties"] = self._members(
                schema, in_request=in_request, within=within, path=path
            )
        return converted

    def _members(
        self, schema: Mapping[str, Any], *, in_request: bool, within: tuple[str, ...], path: str
    ) -> dict[str, Any]:
        required: Sequence[str] = schema.get("required", ())
        members: dict[str, Any] = {}
        for name, property_schema in schema["properties"].items():
            try:
                member = self.converted(
                    property_schema, in_request=in_request, within=within, path=f"{path}/{name}"
                )
            except _NestedTooDeep:
                continue
            key = f"{_name(within[-1])}.{name}"
            if key in MAKER_DESCRIPTIONS:
                member["description"] = MAKER_DESCRIPTIONS[key]
            if key in DROP_DOWNS:
                member["enum"] = list(DROP_DOWNS[key])
                member["x-ms-enum-values"] = [
                    {"value": value, "displayName": display_name}
                    for value, display_name in DROP_DOWNS[key].items()
                ]
            of_line = key == f"LineItem.{name}"
            if in_request and of_line and name in LOOKUPS:
                member |= lookup(name, path)
            if in_request:
                visibility = "important" if name in required or key in SHOWN_FIRST else "advanced"
                member = {"x-ms-visibility": visibility, **member}
            members[name] = member
        return members


def lookup(name: str, path: str = "") -> dict[str, Any]:
    """The extensions that make a list to choose from of a parameter, or of a member of a line.

    `path` leads to the line. Microsoft asks for both the older extension and the newer one, which
    alone can name a member of the body.
    """
    found = LOOKUPS[name]
    places = {
        each: each if each == "customerId" or not path else f"{path}/{each}" for each in found.given
    }
    return {
        "x-ms-dynamic-values": {
            "operationId": found.operation,
            "value-collection": found.collection,
            "value-path": found.value,
            "value-title": found.title,
            "parameters": {each: {"parameter": each} for each in places},
        },
        "x-ms-dynamic-list": {
            "operationId": found.operation,
            "itemsPath": found.collection,
            "itemValuePath": found.value,
            "itemTitlePath": found.title,
            "parameters": {each: {"parameterReference": place} for each, place in places.items()},
        },
    }


SHOWN_FIRST = frozenset({"LineItem.productId", "LineItem.skuId", "LineItem.termDuration"})
"""Members that nobody has to give, and that nearly everybody gives."""


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _type(schema: Mapping[str, Any]) -> str:
    """The first type that is not null; `object` for a schema that allows any type."""
    types = schema.get("type", "object")
    return types if isinstance(types, str) else next(name for name in types if name != "null")
