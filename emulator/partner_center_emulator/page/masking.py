"""Hides the secrets in what the page shows: tokens, keys, client secrets and assertions."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

_HEADERS = {
    *("authorization", "cookie", "proxy-authorization", "set-cookie", "x-functions-key"),
    *("x-auth-token", "x-identity-header"),
}
_MEMBERS = {
    *("access_token", "assertion", "client_assertion", "client_secret", "id_token"),
    *("password", "refresh_token"),
}
_BOM = "\ufeff"
_TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
"""A JSON Web Token, wherever it stands."""


def masked(secret: str) -> str:
    """The beginning of a secret, which is enough to tell it from others, and its length."""
    shown = secret[: min(6, len(secret) // 3)]
    return f"{shown}… ({len(secret)} characters)"


def masked_headers(headers: Mapping[str, str]) -> str:
    """The headers as text, one a line, without the secrets among them."""
    return "\n".join(f"{name}: {_header(name, value)}" for name, value in headers.items())


def masked_query(query: str) -> str:
    """A query without the function key that may be in it."""
    return re.sub(r"(?i)(^|&)(code)=([^&]+)", lambda m: f"{m[1]}{m[2]}={masked(m[3])}", query)


def masked_body(body: bytes, *, hide: frozenset[str] = frozenset()) -> str:
    """A body as text: JSON indented and forms one member a line, without the secrets in them.

    `hide` names further members that are secrets.
    """
    text = body.decode("utf-8", "replace").removeprefix(_BOM)
    try:
        document = json.loads(text)
    except ValueError:
        if re.fullmatch(r"[\w.%+-]+=[^\s{}]*", text):
            pairs = parse_qsl(text, keep_blank_values=True)
            return "\n".join(f"{n}={masked(v) if n in _MEMBERS | hide else v}" for n, v in pairs)
        return _without_tokens(text)
    shown = _without_secrets(document, _MEMBERS | hide)
    return _without_tokens(json.dumps(shown, indent=2, ensure_ascii=False))


def _header(name: str, value: str) -> str:
    if name.lower() not in _HEADERS:
        return _without_tokens(value)
    scheme, _, token = value.partition(" ")
    return f"{scheme} {masked(token)}" if token else masked(value)


def _without_secrets(document: Any, names: "set[str] | frozenset[str]") -> Any:
    if isinstance(document, dict):
        return {
            name: masked(value)
            if name in names and isinstance(value, str)
            else _without_secrets(value, names)
            for name, value in document.items()
        }
    if isinstance(document, list):
        return [_without_secrets(each, names) for each in document]
    return document


def _without_tokens(text: str) -> str:
    return _TOKEN.sub(lambda token: masked(token[0]), text)
