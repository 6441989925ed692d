"""Changes to what a request says and to what an answer says: members, bytes and mix-ups."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args

from aiohttp import web

Changes = Mapping[str, Any]
"""New values by JSON Pointer. A `*` is every element of a list, a `-` at the end appends one, and
None removes the member. What a pointer does not find stays as it is."""

Encoding = Literal["gzip", "gzip_members", "deflate", "utf_16", "two_boms"]

_BOM = b"\xef\xbb\xbf"

_ENCODINGS: Mapping[Encoding, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip_members": lambda body: b"".join(map(gzip.compress, (body[:9], body[9:]))),
    "deflate": zlib.compress,
    "utf_16": lambda body: body.decode("utf-8-sig").encode("utf-16"),
    "two_boms": lambda body: 2 * _BOM + body.removeprefix(_BOM),
}
"""What each encoding makes of a body in UTF-8. It adds no header that says so."""
assert tuple(_ENCODINGS) == get_args(Encoding)

_TAKEN = web.RequestKey("taken", bytes)


async def taken_body(request: web.Request) -> bytes:
    """The body that the service takes: the one that was sent, unless a disturbance changed it."""
    return request[_TAKEN] if _TAKEN in request else await request.read()


async def change_request(request: web.Request, changes: Changes) -> None:
    """Lets the service take a request that says something else than was sent."""
    request[_TAKEN] = change_members(await request.read(), changes)


def change_members(body: bytes, changes: Changes) -> bytes:
    """The JSON document with other values in it. A body that is no JSON stays as it is."""
    mark = _BOM if body.startswith(_BOM) else b""
    try:
        document = json.loads(body.removeprefix(_BOM))
    except ValueError:
        return body
    for pointer, value in changes.items():
        *way, last = pointer.removeprefix("/").split("/")
        for place in _places(document, way):
            _set(place, last, value)
    return mark + json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def encoded(body: bytes, encoding: Encoding | None) -> bytes:
    """The body in an encoding; as it is without one."""
    return _ENCODINGS[encoding](body) if encoding else body


class Told:
    """The newest answers that were given, by route, to be mixed up with later ones."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], dict[str, bytes]] = {}

    def remember(self, request: web.Request, body: bytes) -> None:
        """Keeps the body that a request is answered with: the newest two paths' of each route."""
        answers = self._answers.setdefault(_route(request), {})
        answers.pop(request.path, None)
        answers[request.path] = body
        for path in list(answers)[:-2]:
            del answers[path]

    def another(self, request: web.Request) -> bytes | None:
        """The body of the newest answer on the same route to another path, if there was one."""
        answers = self._answers.get(_route(request), {})
        return next((answers[path] for path in reversed(answers) if path != request.path), None)


def _route(request: web.Request) -> tuple[str, str]:
    resource = request.match_info.route.resource
    return request.method, resource.canonical if resource else request.path


def _places(document: Any, way: list[str]) -> Iterator[Any]:
    """The objects and lists that a way leads to."""
    if not way:
        yield document
        return
    for name in _names(document, way[0]):
        yield from _places(document[name], way[1:])


def _names(place: Any, name: str) -> list[Any]:
    """The member or the indexes that a name means in a place; none where there is no such thing."""
    if isinstance(place, list):
        indexes = list(range(len(place)))
        return indexes if name == "*" else [i for i in indexes if str(i) == name]
    return [name] if isinstance(place, dict) and name in place else []


def _set(place: Any, name: str, value: Any) -> None:
    if isinstance(place, list) and name == "-":
        place.append(value)
    elif value is None:
        for found in reversed(_names(place, name)):
            del place[found]
    elif isinstance(place, dict):
        place[name] = value
    else:
        for found in _names(place, name):
            place[found] = value
