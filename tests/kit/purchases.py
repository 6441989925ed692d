"""A Partner Center of our own for what buys: carts, orders, and answers that go wrong as told."""

import asyncio
import itertools
import json
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cart_core.api.messages import Call, Request, Response
from cart_core.idempotency.record import Record
from cart_core.idempotency.runner import ExactlyOnce
from cart_core.partner_center.carts import Carts
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from cart_core.partner_center.retry import Forwarding
from cart_core.problem import Problem
from cart_core.settings import Settings
from cart_core.use_cases.buying import CheckoutProcedure
from cart_core.use_cases.check_out_cart import CheckoutCart
from cart_core.use_cases.place_order import PlaceOrder
from cart_core.use_cases.update_cart import UpdateCart
from tests.kit.builders import CART_ID, CUSTOMER, cart
from tests.kit.fakes import FakeStore, FakeTokens, WallClock, monotonic

LEASE = 120.0
"""Seconds until somebody else may go on, with the default settings."""

KEYED = {"idempotency-key": "order-17"}
USER = "megan@contoso.example"
FOR_USER = {"x-ms-customeruser-upn": USER}
LOST = NoReply(sent=True, timed_out=False, reason="the connection failed after it was made")
NOT_SENT = NoReply(sent=False, timed_out=False, reason="connection refused")
FAULTY = "FAULTY:1:B"
"""The catalogue item of a line that comes back with an error."""
HOPELESS = "HOPELESS:1:B"
"""The catalogue item of a line whose order group is never ordered."""
ORDER_ERROR = {"orderGroupId": "1", "code": "800023", "description": "No credit."}


def reply(status: int, document: Any) -> Reply:
    """An answer of Partner Center."""
    return Reply(status, {"ms-cv": f"cv-{status}"}, json.dumps(document).encode("utf-8-sig"))


def refused(status: int, code: str = "900000", **headers: str) -> Reply:
    """A fault of Partner Center."""
    answer = reply(status, {"code": code, "description": "Told by Partner Center."})
    return Reply(status, {**answer.headers, **headers}, answer.body)


def cart_document(
    status: str | None = "Active", *, faulty: bool = False, groups: int = 1
) -> dict[str, Any]:
    """A cart of one line for each order group as Partner Center sends it."""
    lines: list[dict[str, Any]] = [
        {"id": group, "catalogItemId": "A:1:B", "quantity": 1, "orderGroup": str(group)}
        for group in range(groups)
    ]
    if faulty:
        lines[0]["error"] = {"errorCode": 10002, "errorDescription": "The quota is exceeded."}
    return {"id": CART_ID, "status": status, "lineItems": lines}


def order_document(order_id: str = "order-1") -> dict[str, Any]:
    """An order of one line as Partner Center sends it."""
    return {"id": order_id, "lineItems": [{"lineItemNumber": 0, "offerId": "A:1:B"}]}


def checkout_document(*orders: str, errors: int = 0) -> dict[str, Any]:
    """A CartCheckoutResult with these orders."""
    document: dict[str, Any] = {"orders": [order_document(order) for order in orders]}
    return document | ({"orderErrors": [ORDER_ERROR] * errors} if errors else {})


ACTIVE, ORDERED, UNSOLD = (
    reply(200, cart_document()),
    reply(200, cart_document("Ordered")),
    reply(200, cart_document(faulty=True)),
)
SEVERAL, SEVERAL_UNSOLD = (
    reply(200, cart_document(groups=2)),
    reply(200, cart_document(groups=2, faulty=True)),
)
"""Active carts of two orders: one of them may have been made."""
BOUGHT, PARTIAL, NOTHING = (
    reply(201, checkout_document("order-1")),
    reply(201, checkout_document("order-1", errors=1)),
    reply(201, checkout_document(errors=1)),
)
GONE = refused(404, "800008")
IN_USE = refused(409, "800064")
IN_PROGRESS = refused(409, "800060")
SUBMITTED = refused(400, "800065")
LINE_ERRORS = refused(400, "800009")
FORBIDDEN = refused(403, "20002")
THROTTLED = refused(429)
BROKEN = refused(500, "800003")


@dataclass(frozen=True, slots=True)
class Asked:
    """One try, as it arrived, and when."""

    operation: str
    customer_id: str
    attempt: Attempt
    cart_id: str | None = None
    customer_user: str | None = None
    cart: Mapping[str, Any] | None = None
    time: float = 0.0

    @property
    def request_id(self) -> str:
        """Its MS-RequestId."""
        return self.attempt.request_id


Answer = Reply | NoReply | BaseException | Callable[[Reply], Reply | NoReply]
"""What comes back; a function is called with the true answer, so that the request takes effect."""


def lost(_: Reply) -> NoReply:
    """The answer gets lost on its way."""
    return LOST


class FakePartnerCenter:
    """Partner Center's operations (CartsApi). `script` has the next answers of an operation.

    Without one it keeps carts and orders, as the emulator does.
    """

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = defaultdict(list)
        self.asked: list[Asked] = []
        self.seconds = 0.0
        self.deduplicate = True
        self.repeat_checkout = True
        self.carts: dict[str, dict[str, Any]] = {}
        self.owners: dict[str, str] = {}
        self.bought: list[str] = []
        """The cart of each order group that was ordered."""
        self._made: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def operations(self) -> list[str]:
        """What was asked for."""
        return [asked.operation for asked in self.asked]

    def told(self, operation: str) -> list[Asked]:
        """The tries of one operation."""
        return [asked for asked in self.asked if asked.operation == operation]

    def add(self, cart_id: str = CART_ID, *items: str) -> None:
        """A cart that exists."""
        lines = [
            {"catalogItemId": item, "orderGroup": str(number)}
            for number, item in enumerate(items or ("A:1:B",))
        ]
        self.owners[cart_id] = CUSTOMER
        self._put(cart_id, {"lineItems": lines})

    async def create_cart(
        self, customer_id: str, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""

        def create() -> Reply:
            cart_id = self._made.get(attempt.request_id) if self.deduplicate else None
            if cart_id is None:
                cart_id = str(uuid.UUID(int=next(self._numbers), version=4))
                self._made[attempt.request_id] = cart_id
                self.owners[cart_id] = customer_id
                self._put(cart_id, cart)
            return reply(201, self.carts[cart_id])

        return await self._answer(Asked("create", customer_id, attempt, cart=cart), create)

    async def get_cart(self, customer_id: str, cart_id: str, attempt: Attempt) -> Reply | NoReply:
        """See CartsApi."""

        def get() -> Reply:
            return self._found(customer_id, cart_id) or reply(200, self.carts[cart_id])

        return await self._answer(Asked("get", customer_id, attempt, cart_id), get)

    async def update_cart(
        self, customer_id: str, cart_id: str, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""

        def update() -> Reply:
            if refusal := self._found(customer_id, cart_id):
                return refusal
            if self.carts[cart_id]["status"] == "Ordered":
                return SUBMITTED
            self._put(cart_id, cart)
            return reply(201, self.carts[cart_id])

        return await self._answer(Asked("update", customer_id, attempt, cart_id, cart=cart), update)

    async def checkout_cart(
        self, customer_id: str, cart_id: str, customer_user: str | None, attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""

        def check_out() -> Reply:
            if refusal := self._found(customer_id, cart_id):
                return refusal
            cart = self.carts[cart_id]
            if cart["status"] == "Ordered" and not self.repeat_checkout:
                return SUBMITTED
            if any("error" in line for line in cart["lineItems"]):
                return LINE_ERRORS
            groups = [line for line in cart["lineItems"] if line["catalogItemId"] != HOPELESS]
            if cart_id not in self.bought:
                self.bought += [cart_id] * len(groups)
            failed = len(cart["lineItems"]) - len(groups)
            if not failed:
                cart["status"] = "Ordered"
            orders = [f"order-{cart_id[:8]}-{number}" for number in range(len(groups))]
            return reply(201, checkout_document(*orders, errors=failed))

        return await self._answer(
            Asked("checkout", customer_id, attempt, cart_id, customer_user), check_out
        )

    def _put(self, cart_id: str, cart: Mapping[str, Any]) -> None:
        lines = [{"id": number, **line} for number, line in enumerate(cart["lineItems"])]
        for line in lines:
            if line["catalogItemId"] == FAULTY:
                line["error"] = {"errorCode": 10002, "errorDescription": "The quota is exceeded."}
        self.carts[cart_id] = {"id": cart_id, "status": "Active", "lineItems": lines}

    def _found(self, customer_id: str, cart_id: str) -> Reply | None:
        return None if self.owners.get(cart_id) == customer_id else GONE

    async def _answer(self, asked: Asked, do: Callable[[], Reply]) -> Reply | NoReply:
        self.asked.append(replace(asked, time=monotonic()))
        await asyncio.sleep(self.seconds)
        script = self.script[asked.operation]
        answer: Answer = script.pop(0) if script else (lambda true: true)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Reply | NoReply) else answer(do())


class Shop:
    """The operations that buy, over a store in memory; buying is allowed unless a setting says no.

    It stands for any number of processes: nothing but the store and Partner Center remembers.
    """

    def __init__(self, **settings: str) -> None:
        read = Settings.read(
            {
                "PARTNER_CENTER_TENANT_ID": "11111111-1111-1111-1111-111111111111",
                "PARTNER_CENTER_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
                "AZURE_CLIENT_ID": "33333333-3333-3333-3333-333333333333",
                "KEY_VAULT_URL": "https://vault.example",
                "CART_ALLOW_CHECKOUT": "true",
            }
            | settings
        )
        self.center = FakePartnerCenter()
        self.store = FakeStore()
        self.clock = WallClock()
        self.tokens = FakeTokens()
        guids = (f"00000000-0000-4000-8000-{number:012}" for number in itertools.count(1))

        def new_guid() -> str:
            return next(guids)

        def low(low: float, high: float) -> float:
            return low

        once = ExactlyOnce(
            self.store,
            clock=self.clock,
            sleep=asyncio.sleep,
            new_nonce=new_guid,
            lease_margin=read.lease_margin_seconds,
            longest_wait=read.inflight_wait_seconds,
        )
        forwarding = Forwarding(
            self.tokens,
            clock=self.clock,
            sleep=asyncio.sleep,
            uniform=low,
            longest_wait=read.max_wait_seconds,
            max_concurrent=read.max_concurrent_calls,
        )
        carts = Carts(forwarding, self.center, monotonic=monotonic)
        procedure = CheckoutProcedure(carts, sleep=asyncio.sleep, uniform=low, new_guid=new_guid)
        self._checkout_cart = CheckoutCart(read, once, procedure, monotonic=monotonic)
        self._place_order = PlaceOrder(read, once, carts, procedure, monotonic=monotonic)
        self._update_cart = UpdateCart(read, carts, new_guid=new_guid, monotonic=monotonic)

    async def check_out(
        self,
        cart_id: str = CART_ID,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        customer: str = CUSTOMER,
        call: Call | None = None,
    ) -> Response:
        """Check a cart out."""
        request = Request(headers or {}, {"customerId": customer, "cartId": cart_id}, body)
        return await self._checkout_cart(request, call or Call("correlation-1", monotonic()))

    async def order(
        self,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        customer: str = CUSTOMER,
        call: Call | None = None,
    ) -> Response:
        """Place an order, under a key unless the headers are given."""
        body = json.dumps(cart() if document is None else document).encode()
        request = Request(KEYED if headers is None else headers, {"customerId": customer}, body)
        return await self._place_order(request, call or Call("correlation-1", monotonic()))

    async def put(self, cart_id: str, document: Any) -> Response:
        """Put other lines in a cart."""
        path = {"customerId": CUSTOMER, "cartId": cart_id}
        request = Request({}, path, json.dumps(document).encode())
        return await self._update_cart(request, Call("correlation-1", monotonic()))

    @property
    def record(self) -> Record:
        """The last record that was written."""
        return self.store.record

    def names(self) -> list[str]:
        """The names of all records."""
        return list(self.store.inner._records)


async def problem_of(doing: Awaitable[Response]) -> Problem:
    """The problem that a call ends in."""
    with pytest.raises(Problem) as caught:
        await doing
    return caught.value


def warnings(response: Response) -> list[str]:
    """The codes of an answer's warnings."""
    return [warning["code"] for warning in response.body["warnings"]]
