"""Spans and metrics, as an SDK gets them."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from cart_core import telemetry
from cart_core.api.about import get_health
from cart_core.api.invocation import answer
from cart_core.api.messages import Call, Request, Response
from cart_core.partner_center.exchange import NoReply, Reply
from cart_core.problem import CATALOGUE, Problem
from cart_core.tokens import BRIEF, AccessToken, TokenCache, TokenFailure
from tests.kit.builders import CUSTOMER, MARKER, cart, line
from tests.kit.fakes import EPOCH_SECONDS, in_virtual_time
from tests.kit.signals import Signals, collected
from tests.unit.use_cases.test_create_cart import KEYED, NOT_SENT, TIMED_OUT, Shop, created, refused
from tests.unit.use_cases.test_rotate_refresh_token import World

NO_ANSWER = NoReply(sent=True, timed_out=False, reason=f"{MARKER} is down")
GUID = "0a0a0a0a-0000-4000-8000-000000000000"


@pytest.fixture
def signals() -> Iterator[Signals]:
    with collected() as signals:
        yield signals


async def post(shop: Shop, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    """The whole way, from the adapter's side on."""

    async def create_cart(request: Request, call: Call) -> Response:
        return await shop.create(request, call)

    content = json.dumps(cart() if body is None else body).encode()
    request = Request(headers or {}, {"customerId": CUSTOMER}, content)
    return await answer(create_cart, request, GUID)


# --- Spans


@in_virtual_time
async def test_each_try_at_partner_center_has_its_number() -> None:
    with collected() as signals:
        await post(Shop(refused(503), TIMED_OUT, created()), headers=KEYED)

    assert signals.attempts("partner_center.create_cart") == [1, 2, 3]


@in_virtual_time
async def test_the_try_with_a_renewed_token_is_one_more() -> None:
    with collected() as signals:
        await post(Shop(refused(401), created()))

    assert signals.attempts("partner_center.create_cart") == [1, 2]


async def test_each_try_for_a_token_has_its_number(signals: Signals) -> None:
    results: list[AccessToken | TokenFailure] = [
        TokenFailure("token_unavailable", "Not now."),
        TokenFailure("vault_unavailable", "Not now."),
        AccessToken("planted", EPOCH_SECONDS),
        AccessToken("planted", EPOCH_SECONDS + 3600),
    ]

    def fetch() -> AccessToken:
        result = results.pop(0)
        if isinstance(result, TokenFailure):
            raise result
        return result

    now = EPOCH_SECONDS - 10 * BRIEF
    cache = TokenCache(fetch, clock=lambda: now)
    for _ in range(2):
        for _ in range(3):  # the failure stands: no more tries, and no more spans
            with pytest.raises(TokenFailure):
                await cache.get()
        now += BRIEF
    await cache.get()
    now = EPOCH_SECONDS  # it has ended
    await cache.get()

    assert signals.attempts("token.fetch") == [1, 2, 3, 1]
    assert [span.status.status_code for span in signals.spans] == [
        StatusCode.ERROR,
        StatusCode.ERROR,
        StatusCode.UNSET,
        StatusCode.UNSET,
    ]


async def test_a_token_is_fetched_on_behalf_of_who_needs_it(signals: Signals) -> None:
    def fetch() -> AccessToken:
        with telemetry.span("inside the thread"):
            return AccessToken("planted", EPOCH_SECONDS + 3600)

    with telemetry.span("request"):
        await TokenCache(fetch, clock=lambda: EPOCH_SECONDS).get()

    inside, fetching, request = signals.spans
    assert inside.parent
    assert fetching.parent
    assert inside.parent.span_id == fetching.context.span_id
    assert fetching.parent.span_id == request.context.span_id
    assert fetching.name == "token.fetch"


def test_a_rotation_is_a_span(signals: Signals) -> None:
    world = World()
    world.consent("good")
    world.rotate()()
    world.good.clear()
    with pytest.raises(TokenFailure):
        world.rotate()()

    assert [(span.name, span.status.status_code) for span in signals.spans] == [
        ("refresh_token.rotate", StatusCode.UNSET),
        ("refresh_token.rotate", StatusCode.ERROR),
    ]


@pytest.mark.parametrize(
    "error", [ValueError(MARKER), Problem("internal_error", MARKER), asyncio.CancelledError(MARKER)]
)
def test_of_an_exception_only_its_type_is_recorded(signals: Signals, error: BaseException) -> None:
    with pytest.raises(type(error)), telemetry.span("work", attempt=1):
        raise error

    (span,) = signals.spans
    assert span.events == ()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == type(error).__name__
    assert MARKER not in signals.text()


def test_a_span_is_the_current_one_in_its_block(signals: Signals) -> None:
    with telemetry.span("outer"), telemetry.span("inner") as inner:
        assert inner.is_recording()

    first, second = signals.spans
    assert (first.name, second.name) == ("inner", "outer")
    assert first.parent
    assert first.parent.span_id == second.context.span_id


def test_without_an_sdk_it_does_nothing() -> None:
    with telemetry.span("work", attempt=1) as span:
        assert not span.is_recording()
    telemetry.count_cart(replayed=False)
    telemetry.count_purchase("completed", replayed=False)
    telemetry.count_problem(Problem("internal_error", "x"))
    telemetry.count_try(2, 1.0, None)
    telemetry.count_throttle(3)


# --- Metrics


@in_virtual_time
async def test_carts_created_and_replayed() -> None:
    shop = Shop()
    with collected() as signals:
        await post(shop, headers=KEYED)
        await post(shop, headers=KEYED)
        await post(shop, headers=KEYED)
        await post(shop)

    metrics = signals.metrics()
    assert metrics["carts.created"] == {(): 2}
    assert metrics["carts.replayed"] == {(): 2}
    assert metrics["partner_center.latency"] == {(("status", 201),): 2}
    assert set(metrics) == {"carts.created", "carts.replayed", "partner_center.latency"}


@pytest.mark.parametrize("status", ["completed", "partial", "ordered"])
def test_purchases_by_status(signals: Signals, status: str) -> None:
    telemetry.count_purchase(status, replayed=False)
    telemetry.count_purchase(status, replayed=True)
    telemetry.count_purchase(status, replayed=True)

    assert signals.metrics() == {
        "purchases.answered": {(("status", status),): 1},
        "purchases.replayed": {(("status", status),): 2},
    }


@in_virtual_time
async def test_refusals_by_code() -> None:
    shop = Shop(refused(403), refused(404), refused(404))
    with collected() as signals:
        await post(shop, cart(line(quantity=0)))
        for _ in range(3):
            await post(shop)
        shop.tokens.failures = [TokenFailure("vault_denied", "No.")]
        await post(shop)

    metrics = signals.metrics()
    assert metrics["carts.refused"] == {
        (("code", "invalid_request"),): 1,
        (("code", "partner_center_forbidden"),): 1,
        (("code", "partner_center_not_found"),): 2,
        (("code", "vault_denied"),): 1,
    }
    assert "carts.outcome_unknown" not in metrics
    assert "carts.created" not in metrics


@in_virtual_time
async def test_unknown_outcomes_retries_and_latency_by_status() -> None:
    with collected() as signals:
        await post(Shop(TIMED_OUT, refused(502), NOT_SENT, refused(403)))

    metrics = signals.metrics()
    assert metrics["carts.refused"] == {(("code", "partner_center_no_answer"),): 1}
    assert metrics["carts.outcome_unknown"] == {(): 1}
    assert metrics["partner_center.retries"] == {(): 3}
    assert metrics["partner_center.latency"] == {
        (("status", 0),): 2,
        (("status", 502),): 1,
        (("status", 403),): 1,
    }


@in_virtual_time
async def test_throttled_seconds() -> None:
    with collected() as signals:
        await post(Shop(refused(429, retry_after="2"), refused(429, retry_after="57")))

    assert signals.metrics()["partner_center.throttled"] == {(): 59}
    assert signals.metrics()["carts.refused"] == {(("code", "partner_center_throttled"),): 1}


@pytest.mark.parametrize("sent", [True, False])
async def test_what_fails_outside_the_use_case_counts_too(signals: Signals, sent: bool) -> None:
    async def create_cart(request: Request, call: Call) -> Response:
        call.request_id, call.may_have_effect = GUID, sent
        raise RuntimeError(MARKER)

    async def unconfigured(request: Request, call: Call) -> Response:
        raise Problem("configuration_invalid", "Settings: X.")

    await answer(create_cart, Request({}, {}, b""), GUID)
    await answer(unconfigured, Request({}, {}, b""), GUID)

    assert signals.metrics()["carts.refused"] == {
        (("code", "internal_error"),): 1,
        (("code", "configuration_invalid"),): 1,
    }
    assert signals.metrics().get("carts.outcome_unknown", {}) == ({(): 1} if sent else {})
    assert MARKER not in signals.text()


# --- What must not be there


@in_virtual_time
async def test_nothing_of_a_cart_a_token_or_an_address_is_sent() -> None:
    planted = cart(line(friendlyName=MARKER, catalogItemId=f"{MARKER}:1:B"))
    headers = {
        "idempotency-key": f"{MARKER}-key",
        "x-functions-key": f"{MARKER}-functions",
        "x-forwarded-for": "203.0.113.7",
        "authorization": f"Bearer {MARKER}",
    }
    words = created(lineItems=[{"friendlyName": MARKER}])
    results: list[Reply | NoReply] = [
        refused(429, retry_after="1"),
        refused(503),
        words,
        refused(400),
        NO_ANSWER,
    ]
    shop = Shop(*results)
    shop.tokens.token = AccessToken(f"{MARKER}-token", EPOCH_SECONDS + 3600)
    with collected() as signals:
        await post(shop, planted, headers)
        await post(shop, planted, headers)
        await post(shop, planted)
        shop.results = [NO_ANSWER] * 9
        await post(shop, planted, headers | {"idempotency-key": f"{MARKER}-other"})
        await post(shop, {MARKER: 1})

    text = signals.text()
    assert len(signals.spans) > 8
    for secret in (MARKER, "203.0.113.7", "token-1", CUSTOMER):
        assert secret not in text
    for attributes in signals.attributes():
        assert set(attributes) <= {"attempt", "code", "status"}
        assert attributes.get("code", "internal_error") in CATALOGUE
        assert isinstance(attributes.get("attempt", 0), int)
        assert isinstance(attributes.get("status", 0), int)


# --- The line that a request leaves

FIELDS = [
    "operation",
    "status",
    "code",
    "outcome",
    "replayed",
    "tries",
    "ms",
    "correlationId",
    "requestId",
    "customerId",
    "cartId",
]
IDS = {"correlationId", "requestId", "customerId", "cartId"}


def the_line(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """The one line since the last look."""
    (text,) = [
        record.getMessage()
        for record in caplog.records
        if record.name == "cart_core" and record.levelno == logging.INFO
    ]
    caplog.clear()
    pairs = [pair.split("=") for pair in text.split(" ")]
    names = [name for name, _ in pairs]
    assert names == [name for name in FIELDS if name in names]
    return dict(pairs)


def the_line_of(log: pytest.LogCaptureFixture, response: Response) -> dict[str, str]:
    assert MARKER not in log.text
    assert "203.0.113.7" not in log.text
    assert "token-1" not in log.text
    line = the_line(log)
    assert line["status"] == str(response.status)
    assert line["correlationId"] == response.headers["MS-CorrelationId"]
    assert line.get("requestId") == response.headers.get("MS-RequestId")
    assert int(line["ms"]) >= 0
    return line


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@in_virtual_time
async def test_every_request_leaves_one_line_with_nothing_but_ids_and_figures(
    log: pytest.LogCaptureFixture,
) -> None:
    planted = cart(line(friendlyName=MARKER))
    keyed = {"idempotency-key": f"{MARKER}-key", "x-forwarded-for": "203.0.113.7"}
    shop = Shop(refused(503), created())

    made = the_line_of(log, await post(shop, planted, keyed))
    assert (made["operation"], made["status"], made["tries"]) == ("create_cart", "201", "2")
    assert set(made) == {"operation", "status", "tries", "ms", *IDS}

    again = the_line_of(log, await post(shop, planted, keyed))
    assert (again["status"], again["replayed"], again["tries"]) == ("201", "true", "0")
    assert {name: again[name] for name in IDS} == {name: made[name] for name in IDS}

    invalid = the_line_of(log, await post(shop, cart(line(quantity=0, friendlyName=MARKER))))
    assert (invalid["status"], invalid["code"]) == ("400", "invalid_request")
    assert (invalid["outcome"], invalid["tries"]) == ("not_sent", "0")
    assert set(invalid) == {
        "operation",
        "status",
        "code",
        "outcome",
        "tries",
        "ms",
        "correlationId",
    }

    shop.results = [refused(500)]
    failed = the_line_of(log, await post(shop, planted))
    assert (failed["status"], failed["code"]) == ("502", "partner_center_failed")
    assert (failed["outcome"], failed["tries"]) == ("unknown", "1")
    assert set(failed) == {*FIELDS} - {"replayed", "cartId"}

    shop.store.faults["create"] = ["down"]
    unstored = the_line_of(log, await post(shop, planted, {"idempotency-key": MARKER}))
    assert (unstored["status"], unstored["code"]) == ("503", "store_unavailable")
    assert (unstored["outcome"], unstored["tries"]) == ("unknown", "0")
    assert unstored["customerId"] == CUSTOMER

    shop.results = [created(id="a b\noperation=forged")]
    odd = the_line_of(log, await post(shop, planted))
    assert odd["cartId"] == "a%20b%0Aoperation%3Dforged"


@pytest.mark.parametrize("sent", [True, False])
async def test_a_defect_leaves_the_line_too(log: pytest.LogCaptureFixture, sent: bool) -> None:
    async def create_cart(request: Request, call: Call) -> Response:
        call.request_id, call.may_have_effect = GUID, sent
        raise RuntimeError(MARKER)

    told = the_line_of(log, await answer(create_cart, Request({}, {}, b""), GUID))

    assert (told["status"], told["code"]) == ("500", "internal_error")
    assert told["outcome"] == ("unknown" if sent else "not_sent")


async def test_missing_settings_leave_the_line(log: pytest.LogCaptureFixture) -> None:
    async def create_cart(request: Request, call: Call) -> Response:
        raise Problem("configuration_invalid", "Settings: X.")

    told = the_line_of(log, await answer(create_cart, Request({}, {}, b""), GUID))

    assert (told["status"], told["code"]) == ("503", "configuration_invalid")


async def test_health_leaves_the_line(log: pytest.LogCaptureFixture) -> None:
    told = the_line_of(log, await answer(get_health, Request({}, {}, b""), GUID))

    assert told == {
        "operation": "get_health",
        "status": "200",
        "tries": "0",
        "ms": told["ms"],
        "correlationId": GUID,
    }
