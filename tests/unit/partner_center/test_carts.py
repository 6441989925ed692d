"""Partner Center's operations as the use cases see them: tries, ids, and what answers mean."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import pytest

from cart_core.api.messages import Call
from cart_core.call import Errand
from cart_core.partner_center.carts import Carts
from cart_core.partner_center.exchange import NoReply, Reply
from cart_core.partner_center.retry import MAX_TRIES, TRY_TIMEOUT, Forwarding
from cart_core.problem import CATALOGUE, FieldError, Outcome, Problem
from cart_core.tokens import TokenFailure
from tests.kit.builders import CART_ID, CUSTOMER, SEED_RESPONSE, cart, line, read
from tests.kit.fakes import FakeTokens, WallClock, in_virtual_time, monotonic, within
from tests.kit.purchases import (
    BROKEN,
    FORBIDDEN,
    GONE,
    IN_PROGRESS,
    IN_USE,
    LOST,
    NOT_SENT,
    NOTHING,
    ORDER_ERROR,
    SUBMITTED,
    THROTTLED,
    USER,
    Answer,
    FakePartnerCenter,
    cart_document,
    checkout_document,
    refused,
    reply,
)
from tests.kit.signals import collected

REQUEST_ID = "0c1d0000-0000-4000-8000-000000000000"
WARNING = FieldError("/lineItems/0/zone", "unknown_member", "Sent on as it came.")
WANTED = read(cart(line(zone=1)))
TIMED_OUT = NoReply(sent=True, timed_out=True, reason="no answer in time")
SAVED = reply(200, cart_document())
BOUGHT = reply(201, checkout_document("order-1"))

Operation = Callable[["Desk"], Awaitable[dict[str, Any]]]


class Desk:
    """One call's errand with Partner Center, whose next answers are `answers`."""

    def __init__(self, *answers: Answer, deadline: float = 100.0) -> None:
        self.center = FakePartnerCenter()
        for operation in ("create", "get", "update", "checkout"):
            self.center.script[operation] = list(answers)
        self.tokens = FakeTokens()
        self.call = Call("correlation-1", 0.0, request_id=REQUEST_ID)
        self.errand = Errand(self.call, CUSTOMER, "de-DE", within(deadline))
        self.carts = Carts(
            Forwarding(
                self.tokens,
                clock=WallClock(),
                sleep=asyncio.sleep,
                uniform=lambda low, high: low,
                longest_wait=5,
                max_concurrent=64,
            ),
            self.center,
            monotonic=monotonic,
        )

    async def create(self, *, resumed: bool = False) -> dict[str, Any]:
        return await self.carts.create(self.errand, WANTED, REQUEST_ID, resumed=resumed)

    async def get(self) -> dict[str, Any]:
        return await self.carts.get(self.errand, CART_ID, REQUEST_ID)

    async def update(self) -> dict[str, Any]:
        return await self.carts.update(self.errand, CART_ID, WANTED, REQUEST_ID)

    async def check_out(self) -> dict[str, Any]:
        return await self.carts.check_out(self.errand, CART_ID, USER, REQUEST_ID, (WARNING,))

    @property
    def tries(self) -> int:
        return len(self.center.asked)


CREATE, GET, UPDATE, CHECK_OUT = Desk.create, Desk.get, Desk.update, Desk.check_out
ALL = {"create": CREATE, "get": GET, "update": UPDATE, "checkout": CHECK_OUT}
OF_CARTS = pytest.mark.parametrize(
    "operation", [CREATE, GET, UPDATE], ids=["create", "get", "update"]
)
OF_ALL = pytest.mark.parametrize("operation", ALL.values(), ids=ALL)


def good(operation: Operation) -> Reply:
    """A good answer to an operation."""
    return BOUGHT if operation is CHECK_OUT else SAVED


async def problem_of(doing: Awaitable[object]) -> Problem:
    with pytest.raises(Problem) as caught:
        await doing
    return caught.value


# --- what is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answer", "asked"),
    [
        ("create", SAVED, {"cart_id": None, "customer_user": None, "cart": WANTED.body}),
        ("get", SAVED, {"cart_id": CART_ID, "customer_user": None, "cart": None}),
        ("update", SAVED, {"cart_id": CART_ID, "customer_user": None, "cart": WANTED.body}),
        ("checkout", BOUGHT, {"cart_id": CART_ID, "customer_user": USER, "cart": None}),
    ],
)
@in_virtual_time
async def test_each_operation_is_asked_for_with_its_ids(
    name: str, answer: Answer, asked: dict[str, Any]
) -> None:
    desk = Desk(answer)
    await ALL[name](desk)
    assert [asdict(try_) for try_ in desk.center.asked] == [
        {
            "operation": name,
            "customer_id": CUSTOMER,
            "attempt": {
                "token": "token-1",
                "request_id": REQUEST_ID,
                "correlation_id": "correlation-1",
                "locale": "de-DE",
                "timeout": TRY_TIMEOUT,
            },
            "time": 0.0,
            **asked,
        }
    ]


@OF_ALL
@in_virtual_time
async def test_the_tries_of_an_operation_have_one_request_id(operation: Operation) -> None:
    desk = Desk(NOT_SENT, refused(401), THROTTLED, IN_USE, good(operation))
    await operation(desk)
    assert {asked.request_id for asked in desk.center.asked} == {REQUEST_ID}
    tokens = [asked.attempt.token for asked in desk.center.asked]
    assert tokens == ["token-1"] * 2 + ["token-2"] * 3


@OF_ALL
@in_virtual_time
async def test_no_try_is_longer_than_what_is_left(operation: Operation) -> None:
    desk = Desk(good(operation), deadline=7)
    await operation(desk)
    assert desk.center.asked[0].attempt.timeout == 7


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (CREATE, "create_cart"),
        (GET, "get_cart"),
        (UPDATE, "update_cart"),
        (CHECK_OUT, "checkout_cart"),
    ],
)
@in_virtual_time
async def test_each_try_is_a_span_named_after_the_operation(
    operation: Operation, name: str
) -> None:
    desk = Desk(NOT_SENT, THROTTLED, good(operation))
    with collected() as signals:
        await operation(desk)
    assert [span.name for span in signals.spans] == [f"partner_center.{name}"] * 3
    assert signals.attempts(f"partner_center.{name}") == [1, 2, 3]
    metrics = signals.metrics()
    assert metrics["partner_center.retries"] == {(): 2}
    assert sum(metrics["partner_center.latency"].values()) == 3


@in_virtual_time
async def test_the_tries_are_counted_through_all_that_a_call_asks_for() -> None:
    desk = Desk()
    desk.center.add()
    with collected() as signals:
        await desk.get()
        desk.center.script["checkout"] = [THROTTLED]
        await desk.check_out()
    assert signals.attempts("partner_center.get_cart") == [1]
    assert signals.attempts("partner_center.checkout_cart") == [2, 3]
    assert desk.call.tries == 3


@OF_ALL
@in_virtual_time
async def test_a_defect_in_a_try_tells_whether_it_may_have_had_an_effect(
    operation: Operation,
) -> None:
    desk = Desk(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        await operation(desk)
    assert desk.call.may_have_effect == (operation is not GET)


@in_virtual_time
async def test_to_read_does_not_undo_what_was_sent_before() -> None:
    desk = Desk()
    desk.center.add()
    await desk.check_out()
    await desk.get()
    assert desk.call.may_have_effect


@OF_ALL
@in_virtual_time
async def test_without_a_try_nothing_may_have_had_an_effect(operation: Operation) -> None:
    desk = Desk()
    desk.tokens.failures = [TokenFailure("vault_denied", "No.")]
    problem = await problem_of(operation(desk))
    assert (problem.code, problem.outcome) == ("vault_denied", Outcome.NOT_SENT)
    assert not desk.call.may_have_effect
    assert desk.tries == 0


# --- partner center's ids ---------------------------------------------------------------------


@OF_ALL
@in_virtual_time
async def test_the_ids_of_the_last_try_are_the_answers(operation: Operation) -> None:
    desk = Desk(THROTTLED, good(operation))
    await operation(desk)
    assert desk.call.partner_center_headers == {
        "MS-CV": "cv-201" if operation is CHECK_OUT else "cv-200"
    }


@in_virtual_time
async def test_ids_of_another_request_than_the_answers_are_not_told() -> None:
    desk = Desk(SAVED)
    desk.call.request_id = "of the checkout"
    desk.call.partner_center_headers = {"MS-CV": "of the checkout"}
    await desk.get()
    assert desk.call.partner_center_headers == {"MS-CV": "of the checkout"}


# --- what the answers mean --------------------------------------------------------------------


@OF_CARTS
@in_virtual_time
async def test_a_cart_comes_back_normalised(operation: Operation) -> None:
    desk = Desk(reply(200, SEED_RESPONSE | {"newMember": [1]}))
    answer = await operation(desk)
    assert (answer["id"], answer["customerId"]) == (CART_ID, CUSTOMER)
    assert (answer["orderable"], answer["newMember"]) == (True, [1])
    assert answer["links"] == {"self": f"/api/customers/{CUSTOMER}/carts/{CART_ID}"}


@in_virtual_time
async def test_a_checkout_comes_back_normalised() -> None:
    answer = await Desk(reply(201, checkout_document("order-1", errors=1))).check_out()
    assert (answer["cartId"], answer["customerId"], answer["status"]) == (
        CART_ID,
        CUSTOMER,
        "partial",
    )
    assert [order["id"] for order in answer["orders"]] == ["order-1"]
    assert answer["orderErrors"] == [ORDER_ERROR]


@pytest.mark.parametrize(
    ("operation", "codes"),
    [
        (CREATE, ["unknown_member"]),
        (GET, []),
        (UPDATE, ["unknown_member"]),
        (CHECK_OUT, ["unknown_member"]),
    ],
)
@in_virtual_time
async def test_what_the_caller_should_know_of_its_request_is_in_the_answer(
    operation: Operation, codes: list[str]
) -> None:
    desk = Desk(good(operation))
    answer = await operation(desk)
    assert [warning["code"] for warning in answer["warnings"]] == codes


@OF_CARTS
@in_virtual_time
async def test_a_byte_order_mark_and_numbers_beyond_json_do_not_stop_it(
    operation: Operation,
) -> None:
    body = b'\xef\xbb\xbf{"id": "1", "lineItems": [], "a": NaN, "b": 1e999}'
    answer = await operation(Desk(Reply(200, {}, body)))
    assert (answer["a"], answer["b"]) == (None, None)
    json.dumps(answer, allow_nan=False)


NO_CARTS = [
    pytest.param(b"", id="empty"),
    pytest.param(b"<html>", id="html"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="array"),
    pytest.param(b"{}", id="empty-object"),
    pytest.param(b'{"id": 1', id="cut"),
    pytest.param(b"\xff", id="no-utf-8"),
    pytest.param(b"[" * 100_000, id="deep"),
    pytest.param(b'{"lineItems": [], "orders": 1}', id="without-what-counts"),
]


@pytest.mark.parametrize("body", NO_CARTS)
@OF_ALL
@in_virtual_time
async def test_a_success_that_makes_no_sense_may_have_had_its_effect_unless_it_was_to_read(
    operation: Operation, body: bytes
) -> None:
    desk = Desk(*[Reply(200, {}, body)] * 10)
    problem = await problem_of(operation(desk))
    assert (problem.code, problem.kind.status) == ("partner_center_unreadable", 502)
    assert problem.outcome is (Outcome.REJECTED if operation is GET else Outcome.UNKNOWN)
    assert problem.fault
    assert problem.fault.status == 200
    assert desk.tries == (1 if operation is CHECK_OUT else MAX_TRIES)


# --- to read ----------------------------------------------------------------------------------

FAILURES: dict[str, Answer] = {
    "lost": LOST,
    "timed out": TIMED_OUT,
    "not sent": NOT_SENT,
    "302": reply(302, ""),
    "400": refused(400),
    "401": refused(401),
    "404": GONE,
    "408": refused(408),
    "409": IN_PROGRESS,
    "409 in use": IN_USE,
    "418": refused(418),
    "429": refused(429, **{"retry-after": "57"}),
    "500": refused(500),
    "500 try again": BROKEN,
    "503": refused(503, **{"retry-after": "57"}),
    "504": refused(504),
    "unreadable": Reply(200, {}, b""),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@in_virtual_time
async def test_a_failure_to_read_changed_nothing(failure: Answer) -> None:
    reading, writing = Desk(*[failure] * 10), Desk(*[failure] * 10)
    problem, same = await problem_of(reading.get()), await problem_of(writing.update())
    assert problem.outcome is not Outcome.UNKNOWN
    assert (problem.code, problem.detail) == (same.code, same.detail)
    assert (problem.fault, problem.retry_after) == (same.fault, same.retry_after)
    assert (problem.cart, problem.order_errors, problem.errors) == (None, (), ())
    assert reading.tries == writing.tries
    told = problem.as_json(request_id=None, correlation_id="")
    assert told["retryable"] == CATALOGUE[problem.code].retryable


@in_virtual_time
async def test_a_doubt_about_an_earlier_try_to_read_is_none() -> None:
    problem = await problem_of(Desk(LOST, GONE).get())
    assert (problem.code, problem.outcome) == ("partner_center_not_found", Outcome.REJECTED)
    problem = await problem_of(Desk(LOST, refused(429, **{"retry-after": "57"})).get())
    assert (problem.code, problem.outcome) == ("partner_center_throttled", Outcome.REJECTED)


@in_virtual_time
async def test_what_is_read_in_the_end_is_the_answer() -> None:
    desk = Desk(LOST, BROKEN, Reply(200, {}, b"cut"), SAVED)
    assert (await desk.get())["id"] == CART_ID
    assert desk.tries == 4


@in_virtual_time
async def test_a_read_for_which_there_is_no_time_is_not_sent() -> None:
    problem = await problem_of(Desk(deadline=0).get())
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)


# --- to make and to change --------------------------------------------------------------------


@pytest.mark.parametrize("operation", [CREATE, UPDATE])
@pytest.mark.parametrize(
    "doubt",
    [LOST, TIMED_OUT, refused(503), Reply(200, {}, b"")],
    ids=["lost", "timed out", "503", "unreadable"],
)
@in_virtual_time
async def test_after_a_doubt_it_is_tried_again_and_a_refusal_does_not_settle_it(
    doubt: Answer, operation: Operation
) -> None:
    assert (await operation(Desk(doubt, SAVED)))["id"] == CART_ID
    desk = Desk(doubt, SUBMITTED)
    problem = await problem_of(operation(desk))
    assert (problem.code, problem.kind.status) == ("partner_center_no_answer", 502)
    assert problem.outcome is Outcome.UNKNOWN
    assert problem.fault
    assert problem.fault.code == "800065"
    assert desk.tries == 2


@in_virtual_time
async def test_what_is_resumed_is_in_doubt_from_the_start() -> None:
    problem = await problem_of(Desk(FORBIDDEN).create(resumed=True))
    assert (problem.code, problem.outcome) == ("partner_center_no_answer", Outcome.UNKNOWN)
    problem = await problem_of(Desk(FORBIDDEN).create())
    assert (problem.code, problem.outcome) == ("partner_center_forbidden", Outcome.REJECTED)


# --- to buy -----------------------------------------------------------------------------------

DOUBTS: dict[str, Answer] = {
    name: failure
    for name, failure in FAILURES.items()
    if name in {"lost", "timed out", "302", "408", "500", "500 try again", "504", "unreadable"}
} | {"503": refused(503)}


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
@in_virtual_time
async def test_a_checkout_in_doubt_is_not_repeated(doubt: Answer) -> None:
    desk = Desk(doubt, BOUGHT)
    problem = await problem_of(desk.check_out())
    assert problem.outcome is Outcome.UNKNOWN
    assert desk.tries == 1


@pytest.mark.parametrize(
    "certain", [NOT_SENT, THROTTLED, IN_USE], ids=["not sent", "429", "409 in use"]
)
@in_virtual_time
async def test_a_checkout_that_was_certainly_not_done_is_repeated(certain: Answer) -> None:
    desk = Desk(certain, certain, BOUGHT)
    assert (await desk.check_out())["status"] == "completed"
    assert desk.tries == 3
    desk = Desk(certain, LOST, BOUGHT)
    assert (await problem_of(desk.check_out())).outcome is Outcome.UNKNOWN
    assert desk.tries == 2
    desk = Desk(*[certain] * 10)
    assert (await problem_of(desk.check_out())).outcome is not Outcome.UNKNOWN
    assert desk.tries == MAX_TRIES


@pytest.mark.parametrize(
    "refusal",
    [SUBMITTED, IN_PROGRESS, FORBIDDEN, GONE, refused(401)],
    ids=["submitted", "in progress", "403", "404", "401"],
)
@in_virtual_time
async def test_a_checkout_that_is_refused_is_not_repeated(refusal: Answer) -> None:
    desk = Desk(*[refusal] * 3)
    problem = await problem_of(desk.check_out())
    assert problem.outcome is Outcome.REJECTED
    assert problem.fault
    assert desk.tries == (2 if problem.fault.status == 401 else 1)


@in_virtual_time
async def test_a_checkout_that_orders_nothing_is_a_failure_that_says_why() -> None:
    desk = Desk(NOTHING, BOUGHT)
    problem = await problem_of(desk.check_out())
    assert (problem.code, problem.kind.status) == ("checkout_failed", 422)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.REJECTED, False)
    assert problem.order_errors == [ORDER_ERROR]
    assert desk.tries == 1
    told = problem.as_json(request_id=None, correlation_id="")
    assert (told["orderErrors"], told["cart"]) == ([ORDER_ERROR], None)


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
async def test_the_words_for_it_are_the_first_reason(errors: list[Any], end: str) -> None:
    desk = Desk(reply(201, {"orders": [], "orderErrors": errors}))
    problem = await problem_of(desk.check_out())
    assert problem.code == "checkout_failed"
    assert problem.detail.endswith(f"made no order in this attempt{end}")
