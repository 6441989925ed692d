"""To read a cart: no key, no body, no trace but the answer."""

import asyncio
import itertools
from typing import Any

import pytest

from cart_core.api.messages import Call, Request, Response
from cart_core.partner_center.carts import Carts
from cart_core.partner_center.exchange import Reply
from cart_core.partner_center.retry import Forwarding
from cart_core.problem import Outcome, Problem
from cart_core.settings import Settings
from cart_core.use_cases.get_cart import GetCart
from tests.kit.builders import CART_ID, CUSTOMER, SEED_RESPONSE
from tests.kit.fakes import FakeTokens, WallClock, in_virtual_time, monotonic
from tests.kit.purchases import (
    ACTIVE,
    BROKEN,
    GONE,
    LOST,
    UNSOLD,
    Answer,
    FakePartnerCenter,
    refused,
    reply,
)
from tests.kit.signals import collected
from tests.unit.use_cases.test_create_cart import ENVIRONMENT


class Desk:
    """The function, and a Partner Center whose next answers are `answers`."""

    def __init__(self, *answers: Answer, **settings: str) -> None:
        self.center = FakePartnerCenter()
        self.center.script["get"] = self.center.script["update"] = list(answers)
        self.tokens = FakeTokens()
        self.settings = Settings.read(ENVIRONMENT | settings)
        guids = (f"00000000-0000-4000-8000-{number:012}" for number in itertools.count(1))
        self.new_guid = lambda: next(guids)
        forwarding = Forwarding(
            self.tokens,
            clock=WallClock(),
            sleep=asyncio.sleep,
            uniform=lambda low, high: low,
            longest_wait=self.settings.max_wait_seconds,
            max_concurrent=64,
        )
        self.carts = Carts(forwarding, self.center, monotonic=monotonic)
        self.get_cart = GetCart(
            self.settings, self.carts, new_guid=self.new_guid, monotonic=monotonic
        )

    async def get(
        self,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        *,
        customer: str = CUSTOMER,
        cart_id: str = CART_ID,
        call: Call | None = None,
    ) -> Response:
        request = Request(headers or {}, {"customerId": customer, "cartId": cart_id}, body)
        return await self.get_cart(request, call or Call("correlation-1", monotonic()))

    async def fails(self, **members: Any) -> Problem:
        with pytest.raises(Problem) as caught:
            await self.get(**members)
        return caught.value


@in_virtual_time
async def test_a_cart_is_read_and_comes_back_normalised() -> None:
    seen = Reply(200, {"ms-cv": "cv-1", "ms-serverid": "7"}, reply(200, SEED_RESPONSE).body)
    desk = Desk(seen)
    call = Call("correlation-1", monotonic())
    response = await desk.get({"x-locale": "de-DE"}, call=call)
    (asked,) = desk.center.asked
    assert (asked.operation, asked.customer_id, asked.cart_id) == ("get", CUSTOMER, CART_ID)
    assert (asked.attempt.locale, asked.attempt.correlation_id) == ("de-DE", "correlation-1")
    assert response.status == 200
    assert (response.body["id"], response.body["customerId"]) == (CART_ID, CUSTOMER)
    assert response.body["warnings"] == []
    assert response.headers == {
        "MS-RequestId": asked.request_id,
        "MS-CorrelationId": "correlation-1",
        "MS-CV": "cv-1",
        "MS-ServerId": "7",
    }
    assert (call.request_id, call.customer_id, call.cart_id) == (
        asked.request_id,
        CUSTOMER,
        CART_ID,
    )
    assert not call.may_have_effect


@in_virtual_time
async def test_a_cart_that_cannot_be_ordered_is_shown_as_it_is() -> None:
    response = await Desk(UNSOLD).get()
    assert response.body["orderable"] is False
    assert response.body["lineItems"][0]["error"]["code"] == "10002"


@in_virtual_time
async def test_ids_are_known_in_any_case() -> None:
    desk = Desk(ACTIVE)
    call = Call("correlation-1", monotonic())
    await desk.get(customer=CUSTOMER.upper(), cart_id=CART_ID.upper(), call=call)
    (asked,) = desk.center.asked
    assert (asked.customer_id, asked.cart_id) == (CUSTOMER, CART_ID)
    assert (call.customer_id, call.cart_id) == (CUSTOMER, CART_ID)


@pytest.mark.parametrize(
    ("ids", "codes"),
    [
        ({"customer": "me"}, ["invalid_customer_id"]),
        ({"cart_id": "last"}, ["invalid_cart_id"]),
        ({"cart_id": ""}, ["invalid_cart_id"]),
        ({"cart_id": f"{CART_ID}/checkout"}, ["invalid_cart_id"]),
        ({"customer": "me", "cart_id": "last"}, ["invalid_customer_id", "invalid_cart_id"]),
    ],
)
@in_virtual_time
async def test_all_that_is_wrong_with_the_path_is_told_at_once(
    ids: dict[str, str], codes: list[str]
) -> None:
    desk = Desk()
    call = Call("correlation-1", monotonic())
    problem = await desk.fails(**ids, call=call)
    assert (problem.code, problem.kind.status) == ("invalid_request", 400)
    assert [(error.pointer, error.code) for error in problem.errors] == [("", c) for c in codes]
    assert desk.center.asked == []
    assert (call.request_id, call.customer_id, call.cart_id) == (None, None, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"idempotency-key": "a b"},
        {"idempotency-key": "order-17"},
        {"content-type": "text/plain", "content-encoding": "gzip"},
        {"x-ms-customeruser-upn": "nobody"},
    ],
    ids=lambda headers: next(iter(headers)),
)
@in_virtual_time
async def test_what_is_of_no_use_to_read_is_not_looked_at(headers: dict[str, str]) -> None:
    desk = Desk(ACTIVE, ACTIVE)
    first = await desk.get(headers, b"\xff" * 1_000_000)
    second = await desk.get(headers)
    assert (first.status, second.status) == (200, 200)
    assert len({asked.request_id for asked in desk.center.asked}) == 2
    assert "Idempotent-Replayed" not in second.headers


@in_virtual_time
async def test_the_tries_of_one_call_have_one_request_id() -> None:
    desk = Desk(LOST, BROKEN, ACTIVE)
    response = await desk.get()
    assert {asked.request_id for asked in desk.center.asked} == {response.headers["MS-RequestId"]}
    assert len(desk.center.asked) == 3


@pytest.mark.parametrize(
    ("answers", "status", "code"),
    [
        ([GONE], 404, "partner_center_not_found"),
        ([refused(403)], 403, "partner_center_forbidden"),
        ([refused(429, **{"retry-after": "57"})], 429, "partner_center_throttled"),
        ([LOST] * 5, 502, "partner_center_no_answer"),
        ([BROKEN] * 5, 502, "partner_center_failed"),
        ([reply(200, [])] * 5, 502, "partner_center_unreadable"),
        ([LOST, GONE], 404, "partner_center_not_found"),
    ],
    ids=["404", "403", "429", "lost", "500", "unreadable", "lost and 404"],
)
@in_virtual_time
async def test_no_failure_to_read_leaves_anything_open(
    answers: list[Answer], status: int, code: str
) -> None:
    desk = Desk(*answers)
    call = Call("correlation-1", monotonic())
    problem = await desk.fails(call=call)
    assert (problem.code, problem.kind.status) == (code, status)
    assert problem.outcome is Outcome.REJECTED
    assert not call.may_have_effect
    assert len(desk.center.asked) == len(answers)
    assert call.request_id == desk.center.asked[0].request_id


@in_virtual_time
async def test_the_deadline_runs_from_the_arrival() -> None:
    desk = Desk(ACTIVE, CART_DEADLINE_SECONDS="20")
    call = Call("correlation-1", monotonic())
    await asyncio.sleep(19.5)
    await desk.get(call=call)
    assert desk.center.asked[0].attempt.timeout == 0.5
    await asyncio.sleep(0.5)
    problem = await desk.fails(call=call)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert len(desk.center.asked) == 1


@pytest.mark.parametrize("allowed", ["true", "false"])
@in_virtual_time
async def test_to_read_is_always_allowed_and_counts_as_no_cart(allowed: str) -> None:
    desk = Desk(ACTIVE, CART_ALLOW_CHECKOUT=allowed)
    with collected() as signals:
        assert (await desk.get()).status == 200
    assert set(signals.metrics()) == {"partner_center.latency"}
