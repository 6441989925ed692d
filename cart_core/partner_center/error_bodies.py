"""Partner Center's error bodies, in every shape they come in, read into one Fault."""

import re
from typing import Any

from cart_core.json_text import write_json
from cart_core.partner_center.foreign_json import foreign_text, read_foreign_json
from cart_core.problem import Fault

MAX_DESCRIPTION = 1024
"""Characters; Partner Center's own limit for a fault's description."""
MAX_BODY = 65_536
"""Bytes of a body that are read; the rest is ignored."""
MAX_DATA = 20
"""Entries of a fault's data."""


def read_fault(status: int, body: bytes) -> Fault:
    """The fault in an error body; never raises.

    Shapes: Partner Center's `{code, description, data, source}` (code a text or a number), the
    gateway's `{statusCode, message}`, `{error: {code, message, …}}` of its sibling API, Entra's
    `{error, error_description}`, ASP.NET's `{Message, ModelState}`, plain text, HTML, nothing.
    """
    text = foreign_text(body[:MAX_BODY]).strip()
    try:
        document = read_foreign_json(text)
        if isinstance(document, dict):
            return _from_members(status, {name.lower(): item for name, item in document.items()})
    except (ValueError, RecursionError):
        document = text
    return _from_text(status, document if isinstance(document, str) else "")


def _from_members(status: int, members: dict[str, Any]) -> Fault:
    nested = members.get("error")
    if isinstance(nested, dict):
        return _from_members(status, {name.lower(): item for name, item in nested.items()})
    return Fault(
        status,
        code=_text(members.get("code", nested)),
        description=_text(_first(members, "description", "message", "error_description")),
        source=_text(_first(members, "source", "target")),
        data=_list(_first(members, "data", "modelstate", "innererror", "details")),
    )


def _from_text(status: int, text: str) -> Fault:
    if text.startswith("<"):
        title = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
        text = title[1] if title else ""
    code = re.search(r"\((\d{4,6})\)\W*$", text)  # "… MFA required. (10001)"
    return Fault(status, code=code[1] if code else None, description=_text(text))


def _first(members: dict[str, Any], *names: str) -> Any:
    return next((members[name] for name in names if members.get(name) is not None), None)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    text = value if isinstance(value, str) else write_json(value)
    return " ".join(text.split())[:MAX_DESCRIPTION] or None


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value[:MAX_DATA] if isinstance(value, list) else [value]
