"""Spans and metrics: what leaves the app for its operator, and what never does."""

import asyncio
from collections.abc import Iterator
from unittest.mock import AsyncMock, Mock

import pytest
from opentelemetry.trace import StatusCode

from cart_core import telemetry
from cart_core.partner_center.exchange import NoReply, Reply
from cart_core.problem import CATALOGUE, Problem
from cart_core.tokens import BRIEF, AccessToken, Renewal, TokenCache, TokenFailure
from tests.kit.builders import CUSTOMER, MARKER, cart, line
from tests.kit.fakes import EPOCH_SECONDS, in_virtual_time
from tests.kit.partner_center import LOST, NOT_SENT, cart_document, refused, reply
from tests.kit.refresh_tokens import RefreshTokens
from tests.kit.signals import Signals, collected
from tests.kit.world import CALLER, KEYED, World

CREATED = reply(201, cart_document())


@pytest.fixture
def signals() -> Iterator[Signals]:
    with collected() as signals:
        yield signals


# --- Spans ------------------------------------------------------------------------------------


@in_virtual_time
async def test_each_try_at_partner_center_has_its_number() -> None:
    with collected() as signals:
        await World(refused(503), LOST, CREATED).answer("create_cart", headers=KEYED)
        await World(refused(401), CREATED).answer("create_cart")

    assert signals.attempts("partner_center.create_cart") == [1, 2, 3, 1, 2]


async def test_each_try_for_a_token_has_its_number(signals: Signals) -> None:
    fetch = Mock(
        side_effect=[
            TokenFailure("token_unavailable", "Not now."),
            TokenFailure("vault_unavailable", "Not now."),
            AccessToken("planted", EPOCH_SECONDS),
            AccessToken("planted", EPOCH_SECONDS + 3600),
        ]
    )
    now = EPOCH_SECONDS - 10 * BRIEF
    cache = TokenCache(fetch, clock=lambda: now, sleep=AsyncMock())
    for _ in range(3):  # The failure of both tries stands: no more tries, and no more spans.
        with pytest.raises(TokenFailure):
            await cache.get()
    now += BRIEF
    await cache.get()
    now = EPOCH_SECONDS  # The token has ended.
    await cache.get()

    assert signals.attempts("token.fetch") == [1, 2, 3, 1]
    failed = [span.status.status_code is StatusCode.ERROR for span in signals.spans]
    assert failed == [True, True, False, False]


async def test_a_token_is_fetched_on_behalf_of_who_needs_it(signals: Signals) -> None:
    def fetch(_: Renewal | None) -> AccessToken:
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
    tokens = RefreshTokens()
    tokens.sign_in("good")
    tokens.rotation()()
    tokens.good.clear()
    with pytest.raises(TokenFailure):
        tokens.rotation()()

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


# --- Metrics ----------------------------------------------------------------------------------


@in_virtual_time
async def test_carts_created_and_replayed() -> None:
    world = World()
    with collected() as signals:
        for headers in (KEYED, KEYED, KEYED, {}):
            await world.answer("create_cart", headers=headers)

    assert signals.metrics() == {
        **{"carts.created": {(): 2}, "carts.replayed": {(): 2}},
        "partner_center.latency": {(("status", 201),): 2},
    }


@in_virtual_time
async def test_refusals_by_code() -> None:
    world = World(refused(403), refused(404), refused(404))
    with collected() as signals:
        await world.answer("create_cart", cart(line(quantity=0)))
        for _ in range(3):
            await world.answer("create_cart")
        world.tokens.failures = [TokenFailure("vault_denied", "No.")]
        await world.answer("create_cart")

    counts = {"invalid_request": 1, "partner_center_forbidden": 1, "partner_center_not_found": 2}
    assert signals.metrics()["carts.refused"] == {
        (("code", code),): count for code, count in {**counts, "vault_denied": 1}.items()
    }
    assert not {"carts.outcome_unknown", "carts.created"} & set(signals.metrics())


@in_virtual_time
async def test_what_a_caller_does_is_counted_under_its_name() -> None:
    mine = {CALLER: "one"}
    with collected() as signals:
        world = World()
        for key in ("a", "a"):
            await world.create(headers=mine | {"idempotency-key": key})
        for key in ("b", "b", "c"):
            await world.order(headers=mine | {"idempotency-key": key})
        telemetry.count_problem(Problem("partner_center_no_answer", "No."), "one")

    metrics = signals.metrics()
    for name in (
        *("carts.created", "carts.replayed", "carts.refused", "carts.outcome_unknown"),
        *("purchases.answered", "purchases.replayed", "purchases.possible_duplicates"),
    ):
        assert all(("caller", "one") in attributes for attributes in metrics[name]), name


@in_virtual_time
async def test_unknown_outcomes_retries_and_latency_by_status() -> None:
    with collected() as signals:
        await World(LOST, refused(502), NOT_SENT, refused(403)).answer("create_cart")

    metrics = signals.metrics()
    assert metrics["carts.refused"] == {(("code", "partner_center_no_answer"),): 1}
    assert metrics["carts.outcome_unknown"] == {(): 1}
    assert metrics["partner_center.retries"] == {(): 3}
    tries = {0: 2, 502: 1, 403: 1}
    assert metrics["partner_center.latency"] == {(("status", s),): n for s, n in tries.items()}


@in_virtual_time
async def test_throttled_seconds() -> None:
    with collected() as signals:
        world = World(refused(429, retry_after="2"), refused(429, retry_after="57"))
        await world.answer("create_cart")

    assert signals.metrics()["partner_center.throttled"] == {(): 59}
    assert signals.metrics()["carts.refused"] == {(("code", "partner_center_throttled"),): 1}


@in_virtual_time
async def test_answers_that_call_the_token_not_mfa_compliant() -> None:
    warned = Reply(201, {"ismfacompliant": "false"}, CREATED.body)
    with collected() as signals:
        world = World(warned, CREATED, warned)
        for _ in range(3):
            await world.answer("create_cart")

    assert signals.metrics()["partner_center.not_mfa_compliant"] == {(): 2}


# --- What must not be there -------------------------------------------------------------------


@in_virtual_time
async def test_nothing_of_a_cart_a_token_or_an_address_is_sent() -> None:
    planted = cart(line(friendlyName=MARKER, catalogItemId=f"{MARKER}:1:B"))
    headers = {
        "idempotency-key": f"{MARKER}-key",
        "x-functions-key": f"{MARKER}-functions",
        "x-forwarded-for": "203.0.113.7",
        "authorization": f"Bearer {MARKER}",
    }
    down = NoReply(sent=True, timed_out=False, reason=f"{MARKER} is down")
    described = reply(201, cart_document() | {"friendlyName": MARKER})
    world = World(refused(429, retry_after="1"), refused(503), described, refused(400), *[down] * 5)
    world.tokens.token = AccessToken(f"{MARKER}-token", EPOCH_SECONDS + 3600)
    statuses = []
    with collected() as signals:
        for document, keyed in (
            *((planted, headers), (planted, headers), (planted, {})),
            *((planted, headers | {"idempotency-key": f"{MARKER}-other"}), ({MARKER: 1}, {})),
        ):
            statuses.append((await world.answer("create_cart", document, keyed)).status)

    assert statuses == [201, 201, 400, 502, 400]
    text = signals.text()
    assert len(signals.spans) > 8
    for secret in (MARKER, "203.0.113.7", "token-1", CUSTOMER):
        assert secret not in text
    for attributes in signals.attributes():
        assert set(attributes) <= {"attempt", "code", "status"}
        assert attributes.get("code", "internal_error") in CATALOGUE
        assert isinstance(attributes.get("attempt", 0), int)
        assert isinstance(attributes.get("status", 0), int)
