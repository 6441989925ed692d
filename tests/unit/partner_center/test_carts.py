"""What each operation on carts sends to Partner Center, and what becomes of its answer.

test_errors proves what every answer means, and test_retry when a request is sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cart_core.call import Answered, Call, Trace
from cart_core.cart.answer import normalise_cart
from cart_core.cart.checkout_answer import normalise_checkout
from cart_core.partner_center.carts import Carts
from cart_core.partner_center.exchange import Attempt, Reply
from cart_core.partner_center.retry import MAX_TRIES, TRY_TIMEOUT, Sender
from cart_core.problem import FieldError, Outcome, Problem
from tests.kit.builders import CART_ID, CUSTOMER, SEED_RESPONSE, cart, line, read
from tests.kit.fakes import FakeTokens, WallClock, in_virtual_time, within
from tests.kit.partner_center import (
    FORBIDDEN,
    GONE,
    IN_USE,
    LOST,
    NOT_SENT,
    NOTHING,
    ORDER_ERROR,
    THROTTLED,
    USER,
    Answer,
    Asked,
    FakePartnerCenter,
    checkout_document,
    reply,
)
from tests.kit.signals import collected

REQUEST_ID = "0c1d0000-0000-4000-8000-000000000000"
WARNINGS = (FieldError("/lineItems/0/zone", "unknown_member", "Sent on as it came."),)
REQUESTED = read(cart(line(zone=1)))
LINES = REQUESTED.body["lineItems"]
CHECKOUT = checkout_document("order-1", errors=1)


class Client:
    """Sends requests for one call; the next answers, whatever is sent, are `answers`."""

    def __init__(self, *answers: Answer, deadline: float = 100.0) -> None:
        self.center = FakePartnerCenter()
        for operation in ("create", "get", "update", "checkout"):
            self.center.script[operation] = list(answers)
        self.call = Call("correlation-1", CUSTOMER, "de-DE", within(deadline))
        sender = Sender(
            FakeTokens(),
            clock=WallClock(),
            sleep=asyncio.sleep,
            uniform=lambda low, high: low,
            longest_wait=5,
            max_concurrent=64,
        )
        self.carts = Carts(sender, self.center, lambda _: None)

    async def create(self, *, resumed: bool = False) -> Answered:
        return await self.carts.create(self.call, REQUESTED, REQUEST_ID, resumed=resumed)

    async def get(self) -> Answered:
        return await self.carts.get(self.call, CART_ID, REQUEST_ID)

    async def update(self) -> Answered:
        return await self.carts.update(self.call, CART_ID, REQUESTED, REQUEST_ID)

    async def check_out(self) -> Answered:
        return await self.carts.check_out(
            *(self.call, CART_ID, USER, REQUEST_ID, WARNINGS), self.call.correlation_id
        )

    @property
    def tries(self) -> int:
        return len(self.center.asked)


Operation = Callable[[Client], Awaitable[Answered]]


async def problem_of(sending: Awaitable[Answered]) -> Problem:
    with pytest.raises(Problem) as caught:
        await sending
    return caught.value


@pytest.mark.parametrize(
    ("operation", "name", "sent", "document", "body"),
    [
        (
            Client.create,
            "create",
            {"cart": REQUESTED.body},
            SEED_RESPONSE,
            normalise_cart(SEED_RESPONSE, CUSTOMER, REQUESTED.warnings, LINES),
        ),
        (
            Client.get,
            "get",
            {"cart_id": CART_ID},
            SEED_RESPONSE,
            normalise_cart(SEED_RESPONSE, CUSTOMER),
        ),
        (
            Client.update,
            "update",
            {"cart_id": CART_ID, "cart": REQUESTED.body},
            SEED_RESPONSE,
            normalise_cart(SEED_RESPONSE, CUSTOMER, REQUESTED.warnings, LINES),
        ),
        (
            Client.check_out,
            "checkout",
            {"cart_id": CART_ID, "customer_user": USER},
            CHECKOUT,
            normalise_checkout(CHECKOUT, CUSTOMER, CART_ID, WARNINGS),
        ),
    ],
)
@in_virtual_time
async def test_an_operation_sends_its_ids_and_its_body_until_it_has_a_normalised_answer(
    operation: Operation, name: str, sent: dict[str, Any], document: Any, body: dict[str, Any]
) -> None:
    client = Client(reply(201, document))
    assert await operation(client) == (body, Trace(REQUEST_ID, {"MS-CV": "cv-201"}))
    attempt = Attempt("token-1", REQUEST_ID, TRY_TIMEOUT)
    assert client.center.asked == [Asked(name, client.call, attempt, **sent)]
    client = Client(NOT_SENT, THROTTLED, IN_USE, reply(201, document))
    with collected() as signals:
        answered = await operation(client)
    assert answered.trace == Trace(REQUEST_ID, {"MS-CV": "cv-201"})
    assert [asked.request_id for asked in client.center.asked] == [REQUEST_ID] * 4
    span = f"partner_center.{name}_cart"
    assert {each.name for each in signals.spans} == {span}
    assert signals.attempts(span) == [1, 2, 3, 4]
    assert signals.metrics()["partner_center.retries"] == {(): 3}


@in_virtual_time
async def test_all_that_a_call_sends_is_counted_together() -> None:
    client = Client()
    client.center.add()
    with collected() as signals:
        await client.get()
        assert not client.call.sent.may_have_effect
        client.center.script["checkout"] = [THROTTLED]
        await client.check_out()
        await client.get()
    assert signals.attempts("partner_center.get_cart") == [1, 1]
    assert signals.attempts("partner_center.checkout_cart") == [1, 2]
    assert (client.call.sent.tries, client.call.sent.may_have_effect) == (4, True)


@pytest.mark.parametrize(
    ("operation", "has_effect", "tries"),
    [
        (Client.create, True, MAX_TRIES),
        (Client.get, False, MAX_TRIES),
        (Client.update, True, MAX_TRIES),
        (Client.check_out, True, 1),
    ],
)
@in_virtual_time
async def test_a_failure_of_anything_but_a_read_may_have_had_an_effect(
    operation: Operation, has_effect: bool, tries: int
) -> None:
    client = Client(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        await operation(client)
    assert client.call.sent.may_have_effect is has_effect
    outcome = Outcome.UNKNOWN if has_effect else Outcome.REJECTED
    for answer, code in (
        (LOST, "partner_center_no_answer"),
        (reply(200, {"id": 1}), "partner_center_unreadable"),
    ):
        client = Client(*[answer] * 10)
        problem = await problem_of(operation(client))
        assert (problem.code, problem.outcome, client.tries) == (code, outcome, tries)


@in_virtual_time
async def test_an_earlier_try_leaves_no_doubt_about_a_read() -> None:
    problem = await problem_of(Client(LOST, GONE).get())
    assert (problem.code, problem.outcome) == ("partner_center_not_found", Outcome.REJECTED)
    problem = await problem_of(Client(deadline=0).get())
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)


@in_virtual_time
async def test_a_cart_that_an_earlier_call_may_have_created_is_in_doubt() -> None:
    problem = await problem_of(Client(FORBIDDEN).create(resumed=True))
    assert (problem.code, problem.outcome) == ("partner_center_no_answer", Outcome.UNKNOWN)
    problem = await problem_of(Client(FORBIDDEN).create())
    assert (problem.code, problem.outcome) == ("partner_center_forbidden", Outcome.REJECTED)


@pytest.mark.parametrize(
    ("answers", "outcome", "tries"),
    [
        ([IN_USE, LOST], Outcome.UNKNOWN, 2),
        ([IN_USE, FORBIDDEN], Outcome.REJECTED, 2),
        ([IN_USE] * 10, Outcome.REJECTED, MAX_TRIES),
        ([NOT_SENT] * 10, Outcome.NOT_SENT, MAX_TRIES),
    ],
)
@in_virtual_time
async def test_a_checkout_is_repeated_only_while_it_has_certainly_bought_nothing(
    answers: list[Answer], outcome: Outcome, tries: int
) -> None:
    client = Client(*answers)
    assert (await problem_of(client.check_out())).outcome is outcome
    assert client.tries == tries


@in_virtual_time
async def test_a_checkout_that_orders_nothing_is_a_failure_that_is_not_repeated() -> None:
    client = Client(NOTHING)
    problem = await problem_of(client.check_out())
    assert (problem.code, problem.outcome) == ("checkout_failed", Outcome.REJECTED)
    assert problem.order_errors == [ORDER_ERROR | {"outcome": "rejected"}]
    assert client.tries == 1


@pytest.mark.parametrize(
    ("errors", "end"),
    [
        ([{"code": 800023, "description": "No credit."}, {"description": "x"}], ": No credit."),
        ([{"code": 800023}], ": 800023"),
        ([{"code": 800023, "description": ""}], ": 800023"),
        ([{"orderGroupId": "1"}], "."),
        ([], "."),
    ],
)
@in_virtual_time
async def test_a_checkout_that_orders_nothing_says_the_first_reason(
    errors: list[Any], end: str
) -> None:
    answer: Reply = reply(201, {"orders": [], "orderErrors": errors})
    problem = await problem_of(Client(answer).check_out())
    assert problem.detail == f"Partner Center made no order in this attempt{end}"


@pytest.mark.parametrize("operation", [Client.get, Client.update])
@in_virtual_time
async def test_the_answer_about_another_cart_is_unreadable(
    operation: Callable[[Client], Awaitable[Answered]],
) -> None:
    other = reply(200, SEED_RESPONSE | {"id": CUSTOMER, "status": "Ordered"})
    with pytest.raises(Problem) as caught:
        await operation(Client(*[other] * MAX_TRIES))
    assert caught.value.code == "partner_center_unreadable"
    same = reply(200, SEED_RESPONSE | {"id": CART_ID.upper()})
    assert (await operation(Client(same))).body["id"] == CART_ID.upper()
