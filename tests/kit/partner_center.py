"""A Partner Center in memory: its documents, its replies, and a fake of its API.

The fake keeps carts and orders as the emulator does, in virtual time, and gives scripted answers
where a test wants it to fail.
"""

import asyncio
import itertools
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cart_core.call import Call
from cart_core.json_text import write_json
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from tests.kit.builders import CART_ID, CUSTOMER
from tests.kit.fakes import Killed, monotonic

USER = "megan@contoso.example"
"""A user of the customer, who gets the licences."""

LOST = NoReply(sent=True, timed_out=False, reason="the connection failed after it was made")
NOT_SENT = NoReply(sent=False, timed_out=False, reason="connection refused")
FAULTY = "FAULTY:1:B"
"""The catalogue item of a line that comes back with an error."""
HOPELESS = "HOPELESS:1:B"
"""The catalogue item of a line whose order group is never ordered."""
ORDER_ERROR = {"orderGroupId": "1", "code": "800023", "description": "No credit."}


def reply(status: int, document: Any) -> Reply:
    """An answer of Partner Center."""
    return Reply(status, {"ms-cv": f"cv-{status}"}, write_json(document).encode("utf-8-sig"))


def refused(status: int, code: str = "900000", **headers: str) -> Reply:
    """A refusal of Partner Center; header names may have underscores for hyphens."""
    answer = reply(status, {"code": code, "description": "Said by Partner Center."})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {**answer.headers, **named}, answer.body)


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


def checkout_document(*orders: str, errors: int = 0) -> dict[str, Any]:
    """A CartCheckoutResult with these orders of one line."""
    lines = [{"lineItemNumber": 0, "offerId": "A:1:B"}]
    document: dict[str, Any] = {"orders": [{"id": order, "lineItems": lines} for order in orders]}
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
NO_SKU = refused(404, "400018")
NO_PRODUCT = refused(404, "400013")
ITEM_GONE = refused(400, "400019")
"""An item is not in the catalogue any more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived, repeated ones included, and when: seconds of virtual time."""

    operation: str
    call: Call
    attempt: Attempt
    cart_id: str | None = None
    customer_user: str | None = None
    cart: Mapping[str, Any] | None = None
    time: float = 0.0
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def request_id(self) -> str:
        """Its MS-RequestId."""
        return self.attempt.request_id

    @property
    def customer_id(self) -> str:
        """The customer of its call."""
        return self.call.customer_id


@dataclass(frozen=True, slots=True)
class Instead:
    """Something else happens, and the request takes no effect: it is answered like this."""

    happens: Callable[[], None]
    answer: Reply | NoReply


Answer = Reply | NoReply | BaseException | Instead | Callable[[Reply], Reply | NoReply]
"""What comes back; a function is called with the true answer, so that the request takes effect."""


def lost(_: Reply) -> NoReply:
    """The request takes effect, and its answer is lost."""
    return LOST


def killed(_: Reply) -> NoReply:
    """The request takes effect, and our process dies before it gets the answer."""
    raise Killed


class FakeTenants:
    """The public metadata of domains. `failure` is raised if there is one."""

    def __init__(self) -> None:
        self.tenants: dict[str, str] = {}
        self.failure: Exception | None = None

    async def tenant_of(self, domain: str) -> str | None:
        """See Tenants."""
        if self.failure:
            raise self.failure
        return self.tenants.get(domain)


class FakePartnerCenter:
    """Partner Center's requests (CartsApi and ReadsApi).

    `script` has the next answers of an operation (`create`, `get`, `update`, `checkout`, `read`,
    `ask`); without one it keeps carts and orders, and has the `documents` at their paths. A path
    that has none is answered as a SKU that does not exist. Each answer takes `seconds`.
    `deduplicate`: a repeated request makes no second cart. `repeat_checkout`: the checkout of an
    ordered cart is answered with its orders again, and not refused as submitted.
    """

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = defaultdict(list)
        self.asked: list[Asked] = []
        self.answered: dict[str, Reply | NoReply] = {}
        """The last answer to each MS-RequestId."""
        self.seconds = 0.0
        self.deduplicate = True
        self.repeat_checkout = True
        self.documents: dict[str, Any] = {}
        self.carts: dict[str, dict[str, Any]] = {}
        self.owners: dict[str, str] = {}
        self.bought: list[str] = []
        """The id of the cart, once for each of its order groups that was ordered."""
        self._made: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def operations(self) -> list[str]:
        """The operation of each request."""
        return [asked.operation for asked in self.asked]

    def requests_for(self, operation: str) -> list[Asked]:
        """The requests for one operation."""
        return [asked for asked in self.asked if asked.operation == operation]

    def add(self, cart_id: str = CART_ID, *items: str) -> None:
        """Add a cart of one line, in an order group of its own, for each of these items."""
        lines = [
            {"catalogItemId": item, "orderGroup": str(number)}
            for number, item in enumerate(items or ("A:1:B",))
        ]
        self.owners[cart_id] = CUSTOMER
        self._put(cart_id, {"lineItems": lines})

    async def create_cart(
        self, call: Call, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""

        def create() -> Reply:
            cart_id = self._made.get(attempt.request_id) if self.deduplicate else None
            if cart_id is None:
                cart_id = str(uuid.UUID(int=next(self._numbers), version=4))
                self._made[attempt.request_id] = cart_id
                self.owners[cart_id] = call.customer_id
                self._put(cart_id, cart)
            return reply(201, self.carts[cart_id])

        return await self._answer(Asked("create", call, attempt, cart=cart), create)

    async def get_cart(self, call: Call, cart_id: str, attempt: Attempt) -> Reply | NoReply:
        """See CartsApi."""

        def get() -> Reply:
            return self._found(call.customer_id, cart_id) or reply(200, self.carts[cart_id])

        return await self._answer(Asked("get", call, attempt, cart_id), get)

    async def update_cart(
        self, call: Call, cart_id: str, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""

        def update() -> Reply:
            if refusal := self._found(call.customer_id, cart_id):
                return refusal
            if self.carts[cart_id]["status"] == "Ordered":
                return SUBMITTED
            self._put(cart_id, cart)
            return reply(201, self.carts[cart_id])

        return await self._answer(Asked("update", call, attempt, cart_id, cart=cart), update)

    async def checkout_cart(
        self, call: Call, cart_id: str, customer_user: str | None, attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""

        def check_out() -> Reply:
            if refusal := self._found(call.customer_id, cart_id):
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
            Asked("checkout", call, attempt, cart_id, customer_user), check_out
        )

    async def read_document(
        self,
        call: Call,
        path: str,
        query: Mapping[str, str],
        attempt: Attempt,
        *,
        continuation: str | None,
    ) -> Reply | NoReply:
        """See ReadsApi."""
        asked = Asked("read", call, attempt, continuation, path=path, query=query)
        return await self._answer(asked, lambda: self._document(path))

    async def ask(
        self,
        call: Call,
        path: str,
        query: Mapping[str, str],
        document: Mapping[str, Any],
        attempt: Attempt,
    ) -> Reply | NoReply:
        """See ReadsApi."""
        asked = Asked("ask", call, attempt, cart=document, path=path, query=query)
        return await self._answer(asked, lambda: self._document(path))

    def sell(self, *availabilities: dict[str, Any], sku_id: str) -> None:
        """Offer a SKU (`Product:Sku`) with these availabilities, in place of others."""
        product, _, sku = sku_id.partition(":")
        path = f"/customers/{CUSTOMER}/products/{product}/skus/{sku}/availabilities"
        self.documents[path] = {"items": list(availabilities)}

    def _document(self, path: str) -> Reply:
        document = self.documents.get(path)
        if isinstance(document, Reply):
            return document
        return NO_SKU if document is None else reply(200, document)

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
        if isinstance(answer, Instead):
            answer.happens()
            answer = answer.answer
        answer = answer if isinstance(answer, Reply | NoReply) else answer(do())
        self.answered[asked.request_id] = answer
        return answer
