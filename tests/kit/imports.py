"""What Python files import: the tests of the layers walk the tree with it."""

import ast
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Everything in a file. It is parsed once."""
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


def imports(path: Path) -> Iterator[str]:
    """Everything that a file imports anywhere in it, as `package.module.name`."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name: str, modules: Collection[str]) -> str | None:
    """The one of `modules` that an imported `package.module.name` is or is in, if there is one."""
    return next((m for m in (name, name.rpartition(".")[0]) if m in modules), None)


def is_of(name: str, packages: Collection[str]) -> bool:
    """Whether an imported `package.module.name` is one of the packages or is in one of them."""
    return any(f"{name}.".startswith(f"{package}.") for package in packages)
