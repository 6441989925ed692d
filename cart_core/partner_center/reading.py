"""Requests that only read: documents, lists of any number of pages, and questions sent as a body.

What fails had no effect in any case, so no failure here is `unknown`.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from cart_core.call import Answered, Call, Trace
from cart_core.partner_center.errors import unreadable, without_effect
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from cart_core.partner_center.retry import PartnerCenterRequest, Sender
from cart_core.problem import Problem

MAX_PAGES: Final = 100
"""Pages of one list; more of them mean that the pages lead in a circle."""

Query = Mapping[str, str]


class ReadsApi(Protocol):
    """Partner Center's own requests; each method makes one try. Paths follow the version, `/v1`."""

    async def read_document(
        self, call: Call, path: str, query: Query, attempt: Attempt, *, continuation: str | None
    ) -> Reply | NoReply:
        """Read a document. `continuation` is the MS-ContinuationToken of a further page."""

    async def ask(
        self, call: Call, path: str, query: Query, document: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """Send a question that changes nothing."""


class Reader:
    """Reads for any customer. Every method raises Problem, never with the outcome `unknown`."""

    def __init__(self, sender: Sender, api: ReadsApi, new_guid: Callable[[], str]) -> None:
        self._sender = sender
        self._api = api
        self._new_guid = new_guid

    async def document(
        self, call: Call, operation: str, path: str, query: Query | None = None
    ) -> Answered:
        """A document, which is an object."""
        return await self._page(call, operation, path, query or {}, None)

    async def items(
        self, call: Call, operation: str, path: str, query: Query | None = None
    ) -> list[dict[str, Any]]:
        """The items of all pages of a list. A bare array is a list too."""
        found: list[dict[str, Any]] = []
        continuation, asked, trace = None, dict(query or {}), Trace("")
        for _ in range(MAX_PAGES):
            body, trace = await self._page(call, operation, path, asked, continuation)
            items = _member(body, "items")
            if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                raise _not_a_list(trace)
            found += items
            further = _next_page(body)
            if further is None:
                return found
            more, continuation = further
            asked = dict(query or {}) | more
        raise _not_a_list(trace)

    async def ask(
        self, call: Call, operation: str, path: str, document: Mapping[str, Any], query: Query
    ) -> dict[str, Any]:
        """The answer to a question."""
        answered = await self._send(
            call, operation, partial(self._api.ask, call, path, query, document)
        )
        return answered.body

    async def _page(
        self, call: Call, operation: str, path: str, query: Query, continuation: str | None
    ) -> Answered:
        send = partial(self._api.read_document, call, path, query, continuation=continuation)
        return await self._send(call, operation, send)

    async def _send(
        self, call: Call, operation: str, send: Callable[[Attempt], Awaitable[Reply | NoReply]]
    ) -> Answered:
        request = PartnerCenterRequest(
            operation, call, self._new_guid(), send, _object, has_effect=False
        )
        try:
            return await self._sender.send(request)
        except Problem as problem:
            raise without_effect(problem) from None


def _object(document: Any) -> dict[str, Any]:
    if isinstance(document, list):
        return {"items": document}
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def _member(document: dict[str, Any], name: str) -> Any:
    return next((value for each, value in document.items() if each.lower() == name), None)


def _next_page(document: dict[str, Any]) -> tuple[dict[str, str], str | None] | None:
    """The query and the MS-ContinuationToken of the next page; None if there is none.

    The page is asked for on the same path, wherever the link leads.
    """
    links = _member(document, "links")
    link = _member(links, "next") if isinstance(links, dict) else None
    token = _member(document, "continuationtoken")
    if not isinstance(link, dict):
        return None
    headers = _member(link, "headers")
    for header in headers if isinstance(headers, list) else ():
        if isinstance(header, dict) and str(header.get("key")).lower() == "ms-continuationtoken":
            token = header.get("value")
    query = dict(parse_qsl(str(_member(link, "uri")).partition("?")[2]))
    return query, token if isinstance(token, str) and token else None


def _not_a_list(trace: Trace) -> Problem:
    problem = without_effect(unreadable(200))
    problem.trace = trace
    return problem
