"""The rules for a connector's definition, each as the flaws that it finds in one.

They are those of Microsoft's swagger validator, string guidance and coding standards, and our own
for what a maker sees.
"""

import re
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
Found = Iterator[str]

SMALL_WORDS = {"a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the"}
SMALL_WORDS |= {"per", "to", "with"}
NAMES = ("Partner Center", "Microsoft", "Azure")
PRODUCTS = (
    "Power Apps",
    "Power Automate",
    "Power Platform",
    "Logic Apps",
    "Copilot Studio",
    "Flow",
)
MEDIA_TYPES = {
    "application/json",
    "text/plain",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch"}
KEYWORDS = {
    "$ref",
    "type",
    "format",
    "description",
    "default",
    "enum",
    "items",
    "properties",
    "required",
    "x-ms-enum-values",
    "x-ms-summary",
    "x-ms-visibility",
}
"""All that a schema may say here: nothing that OpenAPI 2.0 or the designer does not know."""
FREE_OBJECTS = {"provisioningContext", "pricing", "purchaseCommitment", "additionalInformation"}
"""Objects whose members nobody documents."""


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def parameters(document: Document) -> Iterator[tuple[str, Document]]:
    for where, operation in operations(document):
        for parameter in operation["parameters"]:
            yield f"{where} {parameter['name']}", parameter


def schemas(document: Document) -> Iterator[tuple[str, Document]]:
    """Every schema, with the dotted path to it."""
    for where, parameter in parameters(document):
        if "schema" in parameter:
            yield from _within(where, parameter["schema"])
    for where, operation in operations(document):
        for status, response in operation["responses"].items():
            if "schema" in response:
                yield from _within(f"{where} {status}", response["schema"])
    for name, schema in document["definitions"].items():
        yield from _within(name, schema)


def _within(where: str, schema: Document) -> Iterator[tuple[str, Document]]:
    yield where, schema
    if "items" in schema:
        yield from _within(f"{where}[]", schema["items"])
    for name, member in schema.get("properties", {}).items():
        yield from _within(f"{where}.{name}", member)


def members(document: Document) -> Iterator[tuple[str, str, Document, Document]]:
    """Path, name and schema of every member, and the object it is in."""
    for where, schema in schemas(document):
        for name, member in schema.get("properties", {}).items():
            yield f"{where}.{name}", name, member, schema


def sent(document: Document) -> Document:
    """The same document with the definitions of requests only."""
    used = [
        parameter["schema"]["$ref"].rpartition("/")[2]
        for _, parameter in parameters(document)
        if "schema" in parameter
    ]
    return {**document, "definitions": {name: document["definitions"][name] for name in used}}


def _named(document: Document) -> Iterator[tuple[str, Document]]:
    """Everything a maker sees by a name: parameters and members."""
    yield from parameters(document)
    for where, _, member, _ in members(document):
        yield where, member


def title(document: Document) -> Found:
    text = document["info"]["title"]
    if len(text) > 30:
        yield f"over 30 characters: {text}"
    if re.search(r"\b(api|connector)\b", text, re.I) or any(name in text for name in PRODUCTS):
        yield f"a word that a title must not have: {text}"
    if not text[-1:].isalnum():
        yield f"ends with {text[-1:]}"


def description(document: Document) -> Found:
    text = document["info"]["description"]
    if not 30 <= len(text) <= 500:
        yield f"{len(text)} characters"
    if not _is_sentence(text):
        yield f"no full sentences: {text}"
    if re.search(r"\bapi\b", text, re.I) or any(name in text for name in PRODUCTS):
        yield "a word that a description must not have"


def contact_and_metadata(document: Document) -> Found:
    yield from {"name", "url", "email"} - document["info"]["contact"].keys()
    entries = document["x-ms-connector-metadata"]
    metadata = {entry["propertyName"]: entry["propertyValue"] for entry in entries}
    yield from {"Website", "Privacy policy", "Categories"} - metadata.keys()
    if len(metadata.get("Categories", "").split(";")) > 2:
        yield "more than two categories"


def operation_ids(document: Document) -> Found:
    ids = [operation["operationId"] for _, operation in operations(document)]
    for name in ids:
        if not re.fullmatch(r"([A-Z][a-z0-9]+)+", name):
            yield f"not Pascal case: {name}"
        if ids.count(name) > 1:
            yield f"twice: {name}"


def summaries(document: Document) -> Found:
    for where, operation in operations(document):
        text = operation.get("summary", "")
        if not 0 < len(text) <= 80:
            yield f"{where}: {len(text)} characters"
        if "/" in text or not text[-1:].isalnum():
            yield f"{where}: a slash, or punctuation at the end: {text}"
        for name in NAMES:
            text = text.replace(name, "")
        if text[:1] + text[1:].lower() != text or not text[:1].isupper():
            yield f"{where}: not in sentence case: {text}"


def descriptions(document: Document) -> Found:
    for where, described in [*operations(document), *_named(document)]:
        text = described.get("description", "")
        if not _is_sentence(text):
            yield f"{where}: no full sentence: {text}"
        if text.rstrip(".") in (described.get("summary"), described.get("x-ms-summary")):
            yield f"{where}: says no more than the name: {text}"


def friendly_names(document: Document) -> Found:
    for where, named in _named(document):
        text = named.get("x-ms-summary", "")
        if not 0 < len(text) <= 80:
            yield f"{where}: {len(text)} characters"
        words = re.split(r"[ -]", text)
        if any(not _is_title(word) for word in words) or words[0] in SMALL_WORDS:
            yield f"{where}: not in title case: {text}"


def path_parameters(document: Document) -> Found:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            given = [each for each in operation["parameters"] if each["in"] == "path"]
            if sorted(each["name"] for each in given) != sorted(re.findall(r"{(\w+)}", path)):
                yield f"{method} {path}: other parameters than the path's"
            for each in given:
                if each.get("required") is not True or each.get("x-ms-url-encoding") != "single":
                    yield f"{method} {path}: {each['name']}"


def visibility(document: Document) -> Found:
    """What is required is seen at once, what is optional on demand; the key is always seen."""
    for where, parameter in parameters(document):
        if parameter["required"] or parameter["name"] == "Idempotency-Key":
            expected = "important"
        else:
            expected = "advanced"
        if parameter.get("x-ms-visibility") != expected:
            yield f"{where}: not {expected}"
    for where, name, member, parent in members(sent(document)):
        expected = "important" if name in parent.get("required", ()) else "advanced"
        if member.get("x-ms-visibility") != expected:
            yield f"{where}: not {expected}"


def internal_has_default(document: Document) -> Found:
    for where, named in _named(document):
        if named.get("x-ms-visibility") == "internal" and "default" not in named:
            yield where


def one_response_schema(document: Document) -> Found:
    for where, operation in operations(document):
        with_schema = [
            status for status, response in operation["responses"].items() if "schema" in response
        ]
        if with_schema not in (["200"], ["201"]):
            yield f"{where}: {with_schema}"
        for status, response in operation["responses"].items():
            if not _is_sentence(response["description"]):
                yield f"{where} {status}: no full sentence: {response['description']}"


def media_types(document: Document) -> Found:
    for where, says in [("document", document), *operations(document)]:
        for key in ("consumes", "produces"):
            for name in set(says.get(key, ())) - MEDIA_TYPES:
                yield f"{where} {key}: {name}"
            if where == "document" and says.get(key) != ["application/json"]:
                yield f"{key}: another type than JSON"


def references(document: Document) -> Found:
    for where, schema in schemas(document):
        if "$ref" in schema:
            kind, name = schema["$ref"].removeprefix("#/").split("/")
            if len(schema) > 1 or kind != "definitions" or name not in document["definitions"]:
                yield f"{where}: {schema}"
    unused = {f"#/definitions/{name}" for name in document["definitions"]}
    yield from unused - {schema.get("$ref") for _, schema in schemas(document)}


def keywords(document: Document) -> Found:
    for where, schema in schemas(document):
        for keyword in schema.keys() - KEYWORDS:
            yield f"{where}: {keyword}"
        if "$ref" not in schema and str(schema.get("type")) not in TYPES:
            yield f"{where}: {schema.get('type')}"
    for where, parameter in parameters(document):
        if parameter["in"] != "body" and parameter.get("type") not in TYPES - {"object", "array"}:
            yield f"{where}: {parameter.get('type')}"


TYPES = {"string", "number", "integer", "boolean", "object", "array"}


def known_members(document: Document) -> Found:
    for where, schema in schemas(document):
        name = re.split(r"[.\s]", where.removesuffix("[]"))[-1]
        kind = schema.get("type")
        if kind == "object" and not schema.get("properties") and name not in FREE_OBJECTS:
            yield f"{where}: an object without members"
        if kind == "array" and "items" not in schema:
            yield f"{where}: an array without items"
        yield from {
            f"{where}: {missing} is required and does not exist"
            for missing in set(schema.get("required", ())) - schema.get("properties", {}).keys()
        }


def addons_one_level_deep(document: Document) -> Found:
    for name, definition in document["definitions"].items():
        lines = [(f"{name}.lineItems", definition.get("properties", {}).get("lineItems"))]
        for where, line_items in lines:
            if line_items is None:
                continue
            line = line_items["items"]["properties"]
            if "addonItems" not in line:
                continue
            addon = line["addonItems"]["items"]["properties"]
            if line.keys() - addon.keys() != {"addonItems"}:
                yield f"{where}: add-ons have {sorted(addon)}"


def drop_downs(document: Document) -> Found:
    """Each value has a name, and nobody has to type the value of a billing cycle or a term."""
    for where, _, member, _ in members(document):
        shown = member.get("x-ms-enum-values", [])
        if [entry.get("value") for entry in shown] != member.get("enum", []):
            yield f"{where}: values without a name, or names without a value"
        if any(not entry["displayName"][:1].isupper() for entry in shown):
            yield f"{where}: {shown}"
    for where, name, member, _ in members(sent(document)):
        if name in {"billingCycle", "termDuration", "key"} and "enum" not in member:
            yield f"{where}: no drop-down"


def host(document: Document) -> Found:
    if document["schemes"] != ["https"]:
        yield f"schemes: {document['schemes']}"
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", document["host"]):
        yield f"host: {document['host']}"
    if not re.fullmatch(r"/\w+", document["basePath"]):
        yield f"basePath: {document['basePath']}"


def limits(document: Document) -> Found:
    if len(list(operations(document))) > 256:
        yield "over 256 operations"
    for name, definition in document["definitions"].items():
        if len(list(_within(name, definition))) > 512:
            yield f"{name}: over 512 schemas"


def security(document: Document) -> Found:
    (name,) = document["securityDefinitions"]
    expected = {"type": "apiKey", "in": "header", "name": "x-functions-key"}
    if document["securityDefinitions"][name] != expected or document["security"] != [{name: []}]:
        yield name


def _is_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Z`].*[^.\s]\.", text, re.DOTALL))


def _is_title(word: str) -> bool:
    return word in SMALL_WORDS or word[:1].isupper() or word[:1].isdigit()
