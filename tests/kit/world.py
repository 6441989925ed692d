"""All endpoints over a store and a Partner Center in memory, in virtual time."""

import itertools
from collections.abc import Awaitable, Mapping
from typing import Any

import pytest

from cart_core.api.invocation import answer
from cart_core.api.messages import Invocation, Request, Response
from cart_core.assembly import assemble
from cart_core.idempotency.record import Record
from cart_core.json_text import write_json
from cart_core.operations.bells import Bells
from cart_core.operations.documents import Documents
from cart_core.operations.memory_bells import MemoryBells
from cart_core.operations.memory_documents import MemoryDocuments
from cart_core.problem import Problem
from cart_core.settings import Settings
from cart_core.surroundings import StorefrontSurroundings, Surroundings
from tests.kit.builders import CART_ID, CUSTOMER, cart
from tests.kit.fakes import FakeStore, FakeTokens, WallClock, monotonic
from tests.kit.partner_center import USER, Answer, FakePartnerCenter, FakeTenants

ENVIRONMENT = {
    "PARTNER_CENTER_TENANT_ID": "11111111-1111-1111-1111-111111111111",
    "PARTNER_CENTER_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
    "AZURE_CLIENT_ID": "33333333-3333-3333-3333-333333333333",
    "KEY_VAULT_URL": "https://vault.example",
    "CART_ALLOW_CHECKOUT": "true",
}
"""The settings of every World."""

LEASE = 120.0
"""Seconds until another call may go on, with the default settings."""

CORRELATION = "correlation-1"
"""The correlation id of a call that has no other."""

CALLER = "x-caller"
"""The header by which a test says who calls; the gate of the app is not here."""

Headers = Mapping[str, str] | None

KEYED = {"idempotency-key": "order-17"}
FOR_USER = {"x-ms-customeruser-upn": USER}


class World:
    """The app, as the composition root builds it, and what is around it.

    `settings` change the app's; buying is allowed unless they say no. `answers` are Partner
    Center's next ones, whatever it is asked for. A world stands for any number of processes:
    nothing but the store and Partner Center remembers anything. `drawn` are the ranges that random
    pauses were drawn from, in seconds; each pause is the shortest of its range.
    """

    def __init__(self, *answers: Answer, **settings: str) -> None:
        self.center = FakePartnerCenter()
        for operation in ("create", "get", "update", "checkout") if answers else ():
            self.center.script[operation] = list(answers)
        self.clock = WallClock()
        self.store = FakeStore(self.clock)
        self.documents, self.bells = self.accepted_in()
        self.tokens = FakeTokens()
        self.domains = FakeTenants()
        self.drawn: list[tuple[float, float]] = []
        guids = (f"00000000-0000-4000-8000-{number:012}" for number in itertools.count(1))
        self._surroundings = Surroundings(
            self.store,
            self.documents,
            self.bells,
            self.tokens,
            self.center,
            self.domains,
            clock=self.clock,
            monotonic=monotonic,
            uniform=self._draw,
            new_guid=lambda: next(guids),
            storefronts=self.storefronts(),
        )
        self.deploy(**settings)

    def deploy(self, **settings: str) -> None:
        """Let a process with other settings take over; what is stored stays."""
        self.services = assemble(Settings.read(ENVIRONMENT | settings), self._surroundings)
        self.endpoints = dict(self.services.endpoints)
        if isinstance(self.bells, MemoryBells):
            self.bells.answer = self.services.answer_bell

    def accepted_in(self) -> tuple[Documents, Bells]:
        """Where accepted operations are kept, and where their bells hang."""
        return MemoryDocuments(), MemoryBells()

    def storefronts(self) -> StorefrontSurroundings | None:
        """What storefronts need, in a world that has any."""
        return None

    async def call(
        self,
        endpoint: str,
        path: Mapping[str, str],
        headers: Headers = None,
        body: bytes = b"",
        call: Invocation | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Response:
        """The response of an endpoint. Raises Problem."""
        request = Request(headers or {}, path, body, query or {})
        invocation = call or Invocation(CORRELATION, monotonic())
        invocation.caller = request.headers.get(CALLER)
        return await self.endpoints[endpoint](request, invocation)

    # Each of these may have another `customer` (an id) and a `call` (an Invocation).

    async def create(self, document: Any = None, headers: Headers = None, **more: Any) -> Response:
        """Create a cart, without a key unless the headers give one. Raises Problem."""
        return await self._send("create_cart", None, headers, _json(document), **more)

    async def get(
        self, headers: Headers = None, body: bytes = b"", *, cart_id: str = CART_ID, **more: Any
    ) -> Response:
        """Get a cart. Raises Problem."""
        return await self._send("get_cart", cart_id, headers, body, **more)

    async def put(
        self, document: Any = None, headers: Headers = None, *, cart_id: str = CART_ID, **more: Any
    ) -> Response:
        """Replace the lines of a cart. Raises Problem."""
        return await self._send("update_cart", cart_id, headers, _json(document), **more)

    async def check_out(
        self, cart_id: str = CART_ID, headers: Headers = None, body: bytes = b"", **more: Any
    ) -> Response:
        """Check a cart out. Raises Problem."""
        return await self._send("checkout_cart", cart_id, headers, body, **more)

    async def order(self, document: Any = None, headers: Headers = None, **more: Any) -> Response:
        """Place an order, under a key unless the headers are given. Raises Problem."""
        headers = KEYED if headers is None else headers
        return await self._send("place_order", None, headers, _json(document), **more)

    async def read(self, endpoint: str, *, customer: str = CUSTOMER, **query: str) -> Response:
        """Read something of a customer, with this query. Raises Problem."""
        named = {name.lower(): value for name, value in query.items()}
        path = {"customerId": customer} if customer else {}
        return await self.call(endpoint, path, query=named)

    async def _send(
        self,
        endpoint: str,
        cart_id: str | None,
        headers: Headers,
        body: bytes,
        *,
        customer: str = CUSTOMER,
        call: Invocation | None = None,
    ) -> Response:
        path = {"customerId": customer} | ({"cartId": cart_id} if cart_id else {})
        return await self.call(endpoint, path, headers, body, call)

    async def answer(
        self,
        endpoint: str,
        document: Any = None,
        headers: Headers = None,
        *,
        cart_id: str | None = None,
    ) -> Response:
        """The response of the whole app, which gives problems as responses too, and logs."""
        path = {"customerId": CUSTOMER} | ({"cartId": cart_id} if cart_id else {})
        request = Request(headers or {}, path, _json(document))
        return await answer(endpoint, self.endpoints[endpoint], request, CUSTOMER)

    def _draw(self, low: float, high: float) -> float:
        self.drawn.append((low, high))
        return low

    @property
    def record(self) -> Record:
        """The last record that was written."""
        return self.store.record

    def record_names(self) -> list[str]:
        """The names of all records."""
        return list(self.store.inner._records)


def _json(document: Any) -> bytes:
    """The body of a request: a document, or else a minimal cart."""
    return write_json(cart() if document is None else document).encode()


async def problem_of(doing: Awaitable[Response]) -> Problem:
    """The problem that a call ends in."""
    with pytest.raises(Problem) as caught:
        await doing
    return caught.value


def warnings(response: Response) -> list[str]:
    """The codes of an answer's warnings."""
    return [warning["code"] for warning in response.body["warnings"]]
