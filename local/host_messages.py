"""Turns requests and answers into what a function gets and what its caller gets, as Azure would.

Where something is known of Azure's host only from watching it, the tests of the local Functions
host say so row by row.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import azure.functions as func
from aiohttp import HttpVersion11, web
from azure.functions.http import HttpResponseConverter

_NO_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
_CONSTRAINTS = {"": "[^/]+", "int": r"-?\d+"}


def route_pattern(prefix: str, route: str) -> re.Pattern[str]:
    """The regular expression of a route template. ASP.NET matches routes in any case.

    Raises ValueError for a template that Azure refuses, or that this host does not know.
    """
    if re.match("/?admin", route, re.IGNORECASE):
        raise ValueError(f"The route {route} is refused: the host's own routes begin with admin.")
    parts = re.split(r"\{(\w+)(?::(\w+))?\}", f"{prefix}/{route}".strip("/"))
    parts[::3] = map(re.escape, parts[::3])
    for number, constraint in enumerate(parts[2::3]):
        if (constraint or "") not in _CONSTRAINTS:
            raise ValueError(f"The local host does not know the constraint {constraint}.")
        name = parts[3 * number + 1]
        parts[3 * number + 1] = f"(?P<{name}>{_CONSTRAINTS[constraint or '']})"
        parts[3 * number + 2] = ""
    return re.compile(f"/{''.join(parts)}/?", re.IGNORECASE)


def normal_path(raw: str) -> str | None:
    """The path as Azure's web server reads it: decoded except for slashes, with dots resolved.

    None where it refuses the request.
    """
    # A slash is left encoded, so that one that was encoded twice cannot be told from it.
    slashes_kept = re.sub("%(2f)", r"%25\1", raw, flags=re.IGNORECASE)
    path = re.sub("(?:%[0-9a-fA-F]{2})+", lambda match: _decoded(match[0]), slashes_kept)
    if "\0" in path or not path.startswith("/"):
        return None
    segments: list[str] = []
    for segment in path[1:].split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment != ".":
            segments.append(segment)
    return "/" + "/".join(segments)


def _decoded(escapes: str) -> str:
    """The text of percent-encoded bytes; what is not UTF-8 stays as it is."""
    data, text, start = unquote_to_bytes(escapes), "", 0
    while True:
        try:
            return text + data[start:].decode()
        except UnicodeDecodeError as error:
            bad, end = start + error.start, start + error.end
            text += data[start:bad].decode() + escapes[3 * bad : 3 * end]
            start = end


def to_function(request: web.Request, route: Mapping[str, str], body: bytes) -> func.HttpRequest:
    """The request as a function gets it."""
    headers = {name.lower(): _joined(request.headers.getall(name)) for name in set(request.headers)}
    return func.HttpRequest(
        method=request.method,
        url=f"{request.scheme}://{request.host}{request.raw_path}",
        headers=headers,
        params=_params(request.raw_path.partition("?")[2]),
        route_params=route,
        # Azure hands on no body that came without a Content-Length, and says nothing of it.
        body=b"" if "Transfer-Encoding" in request.headers else body,
    )


def _joined(values: list[str]) -> str:
    """The values of one name; .NET leaves empty ones out."""
    return ",".join(filter(None, values))


def _params(query: str) -> dict[str, str]:
    """The parameters in a query, by the first spelling of each name; empty ones are left out."""
    spellings: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query):
        values.setdefault(spellings.setdefault(name.lower(), name), []).append(value)
    return {name: _joined(given) for name, given in values.items()}


def from_function(answer: Any, request: web.Request) -> web.Response:
    """The function's result as an HTTP answer, made with the converter that Azure uses.

    Raises ValueError or NotImplementedError where Azure answers 500 in its place.
    """
    datum = HttpResponseConverter.encode(answer, expected_type=None)
    if datum.type == "string":
        return _chunked(web.Response(text=datum.value), request)
    status = int(datum.value["status_code"].value)
    body = datum.value["body"].value
    response = web.Response(status=status, body=None if status in _NO_BODY else body)
    for name, header in datum.value["headers"].items():
        _check(name, header.value, body)
        if name.lower() != "content-length":
            response.headers[name] = header.value
    for cookies in datum.value["cookies"] or ():
        for cookie in cookies.values():
            response.headers.add("Set-Cookie", cookie.OutputString())
    return _chunked(response, request)


def _check(name: str, value: str, body: bytes) -> None:
    if not value.isascii() or re.search(r"[\r\n]", value):
        raise ValueError(f"The header {name} has a character that Azure does not send.")
    if name.lower() == "content-length" and value != str(len(body)):
        raise ValueError("The Content-Length is not that of the body.")
    if name.lower() == "transfer-encoding":
        raise ValueError("The function sets a Transfer-Encoding.")


def _chunked(response: web.Response, request: web.Request) -> web.Response:
    if response.body and request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    return response
