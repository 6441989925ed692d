"""Reads Bicep files, as far as these tests need it.

Objects become dicts, arrays become lists, and texts become str in which `${...}` stays as it is. An
expression that has to be computed becomes an Expression.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

INFRA = Path(__file__).resolve().parents[2] / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))
MAIN = INFRA / "main.bicep"
ALERTS, FUNCTION_APP, RECORD_LIFECYCLE = (
    INFRA / "modules" / f"{name}.bicep" for name in ("alerts", "function-app", "record-lifecycle")
)

_PARSER = Parser(Language(tree_sitter_bicep.language()))


class Expression(NamedTuple):
    """The source text of an expression that only a deployment can compute."""

    text: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """One `param`, `var`, `output`, `resource`, `module` or `metadata`."""

    kind: str
    name: str
    of: str
    """A resource's type with its API version, a module's path; otherwise empty."""

    value: Any
    """The body; a parameter's default, or None without one."""

    decorators: dict[str, Any]
    existing: bool
    condition: str | None


def syntax(path: Path) -> Node:
    """The syntax tree; `has_error` where the file is not Bicep."""
    return _PARSER.parse(path.read_bytes()).root_node


@cache
def read(path: Path) -> list[Declaration]:
    """All declarations of a file, in order."""
    return list(_declarations(syntax(path)))


def one(path: Path, name: str) -> Declaration:
    """The declaration of this name. Raises ValueError unless there is exactly one."""
    (found,) = (each for each in read(path) if each.name == name)
    return found


def at(path: Path, member: str) -> Any:
    """The value of a declaration, or of a member in it: `site.properties.httpsOnly`.

    An Expression is given as its text.
    """
    name, *members = member.split(".")
    value = one(path, name).value
    for each in members:
        value = value[each]
    return value.text if isinstance(value, Expression) else value


def _declarations(root: Node) -> Iterator[Declaration]:
    decorators: dict[str, Any] = {}
    for node in root.named_children:
        kind = node.type.removesuffix("_declaration")
        if node.type == "decorators":
            decorators = dict(map(_decorator, node.named_children))
        elif kind != node.type:
            yield _declaration(kind.replace("parameter", "param"), node, decorators)
            decorators = {}


def _declaration(kind: str, node: Node, decorators: dict[str, Any]) -> Declaration:
    name, *rest = node.named_children
    of = str(_value(rest.pop(0))) if kind in ("resource", "module") else ""
    if rest and rest[0].type == "type":
        rest.pop(0)
    body = rest[-1] if rest else None
    condition = None
    if body is not None and body.type == "if_statement":
        test, body = body.named_children
        condition = _text(test)
    value = None if body is None else _value(body)
    existing = any(child.type == "existing" for child in node.children)
    return Declaration(kind, _text(name), of, value, decorators, existing, condition)


def _decorator(node: Node) -> tuple[str, Any]:
    function, arguments = node.named_children[0].named_children
    first = arguments.named_children[:1]
    return _text(function).removeprefix("sys."), _value(first[0]) if first else True


def _value(node: Node) -> Any:
    match node.type:
        case "object":
            properties = (each for each in node.named_children if each.type == "object_property")
            return dict(map(_property, properties))
        case "array":
            return [_value(each) for each in node.named_children if each.type != "comment"]
        case "string":
            return "".join(_text(piece).removeprefix("\\") for piece in node.named_children)
        case "number":
            return int(_text(node))
        case "boolean":
            return _text(node) == "true"
        case "for_statement":
            return [_value(node.named_children[-1])]
        case _:
            return Expression(_text(node))


def _property(node: Node) -> tuple[str, Any]:
    name, value = node.named_children
    return str(_value(name)) if name.type == "string" else _text(name), _value(value)


def _text(node: Node) -> str:
    return (node.text or b"").decode()
