"""The use case over a Partner Center of our own, a store in memory and virtual time."""

import asyncio
import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest

from cart_core.api.invocation import answer
from cart_core.api.messages import Call, Request, Response
from cart_core.idempotency.runner import ExactlyOnce
from cart_core.partner_center.carts import Carts
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from cart_core.partner_center.retry import Forwarding
from cart_core.problem import CATALOGUE, Outcome, Problem
from cart_core.settings import Settings
from cart_core.tokens import TokenFailure
from cart_core.use_cases.create_cart import CreateCart
from tests.kit.builders import CART_ID, CUSTOMER, SEED_REQUEST, SEED_RESPONSE, cart, line
from tests.kit.fakes import FakeStore, FakeTokens, WallClock, in_virtual_time, monotonic

ENVIRONMENT = {
    "PARTNER_CENTER_TENANT_ID": "11111111-1111-1111-1111-111111111111",
    "PARTNER_CENTER_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
    "AZURE_CLIENT_ID": "33333333-3333-3333-3333-333333333333",
    "KEY_VAULT_URL": "https://vault.example",
}
KEYED = {"idempotency-key": "order-17"}
TRACE_NAMES = {"MS-CV", "MS-ServerId"}
TIMED_OUT = NoReply(sent=True, timed_out=True, reason="no answer in time")
NOT_SENT = NoReply(sent=False, timed_out=False, reason="connection refused")


def created(number: int = 1, **members: Any) -> Reply:
    document = SEED_RESPONSE | {"id": f"{CART_ID}-{number}"} | members
    headers = {"ms-cv": f"cv-{number}", "ms-serverid": "7", "ms-requestid": "x", "date": "now"}
    return Reply(201, headers, json.dumps(document).encode("utf-8-sig"))


def refused(status: int, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"ms-cv": "cv-refused"} | named, b'{"code": 1, "description": "words"}')


class Shop:
    """The function, a Partner Center that answers as `results` say, and what it was sent."""

    def __init__(self, *results: Reply | NoReply, **settings: str) -> None:
        self.results = list(results)
        self.sent: list[dict[str, Any]] = []
        self.seconds = 5.0
        self.store = FakeStore()
        self.tokens = FakeTokens()
        self.clock = WallClock()
        guids = (f"00000000-0000-4000-8000-{number:012}" for number in itertools.count(1))
        read = Settings.read(ENVIRONMENT | settings)
        self.create = CreateCart(
            read,
            ExactlyOnce(
                self.store,
                clock=self.clock,
                sleep=asyncio.sleep,
                new_nonce=lambda: next(guids),
                lease_margin=read.lease_margin_seconds,
                longest_wait=read.inflight_wait_seconds,
            ),
            Carts(
                Forwarding(
                    self.tokens,
                    clock=self.clock,
                    sleep=asyncio.sleep,
                    uniform=lambda low, high: low,
                    longest_wait=read.max_wait_seconds,
                    max_concurrent=read.max_concurrent_calls,
                ),
                self,
                monotonic=monotonic,
            ),
            new_guid=lambda: next(guids),
            monotonic=monotonic,
        )

    async def create_cart(
        self, customer_id: str, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        self.sent.append({"customer_id": customer_id, "cart": cart, **asdict(attempt)})
        await asyncio.sleep(self.seconds)
        return self.results.pop(0) if self.results else created(len(self.sent))

    async def get_cart(self, *_: object) -> Reply | NoReply:
        raise AssertionError("nobody reads a cart here")

    update_cart = checkout_cart = get_cart

    async def post(
        self,
        document: Any = None,
        headers: dict[str, str] | None = None,
        *,
        customer: str = CUSTOMER,
        call: Call | None = None,
    ) -> Response:
        body = json.dumps(cart() if document is None else document).encode()
        request = Request(headers or {}, {"customerId": customer}, body)
        return await self.create(request, call or Call("correlation-1", monotonic()))

    async def fails(
        self,
        document: Any = None,
        headers: dict[str, str] | None = None,
        *,
        customer: str = CUSTOMER,
        call: Call | None = None,
    ) -> Problem:
        with pytest.raises(Problem) as caught:
            await self.post(document, headers, customer=customer, call=call)
        return caught.value

    @property
    def request_ids(self) -> list[str]:
        return [sent["request_id"] for sent in self.sent]


def warnings(response: Response) -> list[str]:
    return [warning["code"] for warning in response.body["warnings"]]


# --- a cart -----------------------------------------------------------------------------------


@in_virtual_time
async def test_a_cart_is_sent_and_comes_back_normalised() -> None:
    shop = Shop(created())
    call = Call("correlation-1", monotonic())
    response = await shop.post(SEED_REQUEST, {"x-locale": "de-DE", **KEYED}, call=call)
    (sent,) = shop.sent
    assert sent["customer_id"] == CUSTOMER
    assert sent["cart"]["lineItems"][0]["catalogItemId"] == "DG7GMGF0DWTL:0001:DG7GMGF0DSJB"
    assert (sent["token"], sent["locale"]) == ("token-1", "de-DE")
    assert (sent["correlation_id"], sent["timeout"]) == ("correlation-1", 60)
    assert response.status == 201
    assert response.body["id"] == f"{CART_ID}-1"
    assert response.body["customerId"] == CUSTOMER
    assert response.headers == {
        "Location": f"/api/customers/{CUSTOMER}/carts/{CART_ID}-1",
        "MS-RequestId": sent["request_id"],
        "MS-CorrelationId": "correlation-1",
        "MS-CV": "cv-1",
        "MS-ServerId": "7",
    }
    assert call.request_id == sent["request_id"]
    assert warnings(response) == []


@in_virtual_time
async def test_without_a_key_it_runs_and_says_that_a_repetition_is_another_cart() -> None:
    shop = Shop()
    first, second = await shop.post(), await shop.post()
    assert warnings(first) == warnings(second) == ["not_idempotent"]
    assert first.body["id"] != second.body["id"]
    assert len(set(shop.request_ids)) == 2
    assert shop.store.calls == []
    assert "Idempotent-Replayed" not in first.headers


@in_virtual_time
async def test_the_tries_of_one_keyless_request_have_one_request_id() -> None:
    shop = Shop(TIMED_OUT, created())
    await shop.post()
    assert len(shop.sent) == 2
    assert len(set(shop.request_ids)) == 1


@in_virtual_time
async def test_a_key_may_be_required() -> None:
    shop = Shop(CART_REQUIRE_IDEMPOTENCY_KEY="true")
    problem = await shop.fails()
    assert (problem.code, problem.kind.status) == ("idempotency_key_required", 400)
    assert shop.sent == []
    assert (await shop.post(headers=KEYED)).status == 201
    assert (await shop.post(headers={"webhook-id": "msg_1"})).status == 201


@pytest.mark.parametrize("value", ["a b", "", "k" * 256])
@pytest.mark.parametrize("required", ["true", "false"])
@in_virtual_time
async def test_a_bad_key_is_refused_not_ignored(required: str, value: str) -> None:
    shop = Shop(CART_REQUIRE_IDEMPOTENCY_KEY=required)
    problem = await shop.fails(headers={"idempotency-key": value})
    assert (problem.code, problem.kind.status) == ("invalid_idempotency_key", 400)
    assert shop.sent == []
    assert shop.store.calls == []


@pytest.mark.parametrize(("rule", "sent"), [("", True), ("forward", True), ("reject", False)])
@in_virtual_time
async def test_members_that_nobody_documents_are_sent_on_unless_a_setting_says_no(
    rule: str, sent: bool
) -> None:
    shop = Shop(CART_UNKNOWN_MEMBERS=rule)
    if not sent:
        problem = await shop.fails(cart(zone=1))
        assert [error.code for error in problem.errors] == ["unknown_member"]
        assert shop.sent == []
        return
    response = await shop.post(cart(zone=1), KEYED)
    assert warnings(response) == ["unknown_member"]
    assert shop.sent[0]["cart"]["zone"] == 1


@in_virtual_time
async def test_a_new_cart_may_be_told_the_id_of_another_and_gets_its_own() -> None:
    """As in a cart that is pasted from an answer."""
    shop = Shop(created())
    response = await shop.post(cart(id="b4c8fdea-0000-0000-0000-000000000000"))
    assert "id" not in shop.sent[0]["cart"]
    assert response.body["id"] == f"{CART_ID}-1"


@in_virtual_time
async def test_to_make_a_cart_is_allowed_where_to_buy_is_not() -> None:
    assert (await Shop(CART_ALLOW_CHECKOUT="false").post()).status == 201


@in_virtual_time
async def test_a_cart_is_remembered_for_as_long_as_it_lives() -> None:
    shop = Shop(CART_ORDER_RETENTION_DAYS="365")
    begun = shop.clock()
    await shop.post(headers=KEYED)
    assert shop.store.record.expires_at.timestamp() == begun + shop.seconds + 7 * 24 * 3600
    assert next(iter(shop.store.inner._records)).startswith("carts/")


# --- replays ----------------------------------------------------------------------------------


@in_virtual_time
async def test_a_replay_is_the_stored_answer_under_the_callers_new_correlation_id() -> None:
    shop = Shop(created())
    first = await shop.post(headers=KEYED, call=Call("correlation-1", monotonic()))
    second = await shop.post(headers=KEYED, call=Call("correlation-2", monotonic()))
    assert len(shop.sent) == 1
    assert (second.status, second.body) == (first.status, first.body)
    assert second.headers == first.headers | {
        "MS-CorrelationId": "correlation-2",
        "Idempotent-Replayed": "true",
    }
    assert "Idempotent-Replayed" not in first.headers


@in_virtual_time
async def test_the_stored_answer_has_no_correlation_id_of_its_own() -> None:
    shop = Shop(created())
    await shop.post(headers=KEYED)
    stored = shop.store.record.answer
    assert stored
    assert stored.headers == {
        "Location": f"/api/customers/{CUSTOMER}/carts/{CART_ID}-1",
        "MS-RequestId": shop.request_ids[0],
        "MS-CV": "cv-1",
        "MS-ServerId": "7",
    }
    assert shop.store.record.correlation_id == "correlation-1"


@in_virtual_time
async def test_a_replay_repeats_the_warnings_of_the_first_answer() -> None:
    shop = Shop(created(status=[]))
    document = cart(newMember=1)
    first = await shop.post(document, KEYED)
    assert warnings(first) != []
    assert (await shop.post(document, KEYED)).body == first.body


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"idempotency-key": '"order-17"'}, id="quoted"),
        pytest.param({"webhook-id": "order-17"}, id="webhook-id"),
        pytest.param(KEYED | {"x-locale": "fr-FR"}, id="another-locale"),
        pytest.param(KEYED | {"ms-correlationid": CUSTOMER}, id="another-correlation-id"),
        pytest.param(KEYED | {"content-type": "application/json; charset=utf-8"}, id="type"),
    ],
)
@in_virtual_time
async def test_headers_do_not_make_another_request(headers: dict[str, str]) -> None:
    shop = Shop()
    await shop.post(headers=KEYED)
    assert (await shop.post(headers=headers)).headers["Idempotent-Replayed"] == "true"


@in_virtual_time
async def test_a_customer_is_the_same_in_any_case() -> None:
    shop = Shop()
    await shop.post(headers=KEYED)
    replay = await shop.post(headers=KEYED, customer=CUSTOMER.upper())
    assert replay.headers["Idempotent-Replayed"] == "true"


@in_virtual_time
async def test_another_spelling_of_the_cart_is_a_replay_and_another_quantity_is_not() -> None:
    shop = Shop()
    await shop.post({"lineItems": [line()]}, KEYED)
    spelt = {"LineItems": [{name.upper(): value for name, value in line().items()}]}
    assert (await shop.post(spelt, KEYED)).headers["Idempotent-Replayed"] == "true"
    problem = await shop.fails(cart(line(quantity=2)), KEYED)
    assert (problem.code, problem.kind.status) == ("idempotency_key_reused", 422)
    problem = await shop.fails(cart(newMember=1), KEYED)
    assert problem.code == "idempotency_key_reused"
    assert len(shop.sent) == 1


@in_virtual_time
async def test_a_key_belongs_to_a_customer() -> None:
    shop = Shop()
    first = await shop.post(headers=KEYED)
    second = await shop.post(headers=KEYED, customer=CUSTOMER.replace("d", "e"))
    assert first.body["id"] != second.body["id"]


@in_virtual_time
async def test_a_key_belongs_to_a_caller_where_callers_are_known() -> None:
    shop = Shop(WEBSITE_AUTH_ENABLED="True")
    one = KEYED | {"x-ms-client-principal-id": "one"}
    two = KEYED | {"x-ms-client-principal-id": "two"}
    first, second = await shop.post(headers=one), await shop.post(headers=two)
    assert first.body["id"] != second.body["id"]
    assert len(set(shop.request_ids)) == 2
    assert (await shop.post(headers=one)).body == first.body
    assert shop.store.record.caller_id == "two"


@in_virtual_time
async def test_a_caller_who_merely_says_so_is_nobody() -> None:
    shop = Shop()
    first = await shop.post(headers=KEYED | {"x-ms-client-principal-id": "one"})
    second = await shop.post(headers=KEYED | {"x-ms-client-principal-id": "two"})
    assert first.body == second.body
    assert len(shop.sent) == 1
    assert shop.store.record.caller_id is None


@pytest.mark.parametrize(
    "member",
    [
        pytest.param("half a pair \ud83d", id="lone-surrogate"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param(10**30, id="large-number"),
        pytest.param(0.1, id="decimal"),
        pytest.param("é\u2028\x00", id="odd-characters"),
        pytest.param({}, id="empty-object"),
        pytest.param(None, id="null"),
    ],
)
@in_virtual_time
async def test_whatever_partner_center_adds_is_replayed_as_it_was_told(member: Any) -> None:
    shop = Shop(created(newMember=member))
    first = await shop.post(headers=KEYED)
    json.dumps(first.body, allow_nan=False)
    second = await shop.post(headers=KEYED)
    assert second.body == first.body
    record = shop.store.record
    assert type(record).from_json(record.to_json()) == record


# --- problems ---------------------------------------------------------------------------------


@in_virtual_time
async def test_a_wrong_request_is_refused_before_anything_else() -> None:
    shop = Shop()
    documents: list[Any] = [{}, cart(line(quantity=0)), []]
    for document in documents:
        assert (await shop.fails(document, KEYED)).code == "invalid_request"
    assert (await shop.fails(headers=KEYED, customer="no-guid")).code == "invalid_request"
    assert (await shop.fails(headers={"content-type": "text/xml"})).kind.status == 415
    assert shop.sent == []
    assert shop.store.calls == []


@pytest.mark.parametrize("headers", [{}, KEYED], ids=["keyless", "keyed"])
@pytest.mark.parametrize(
    ("result", "code", "outcome"),
    [
        (refused(400), "partner_center_invalid_request", "rejected"),
        (refused(404), "partner_center_not_found", "rejected"),
        (refused(429, retry_after="57"), "partner_center_throttled", "rejected"),
        (refused(500), "partner_center_failed", "unknown"),
    ],
)
@in_virtual_time
async def test_a_failure_is_told_with_partner_centers_ids(
    headers: dict[str, str], result: Reply, code: str, outcome: str
) -> None:
    shop = Shop(result)
    call = Call("correlation-1", monotonic())
    problem = await shop.fails(headers=headers, call=call)
    assert (problem.code, problem.outcome) == (code, outcome)
    assert call.headers() == {
        "MS-CorrelationId": "correlation-1",
        "MS-RequestId": shop.request_ids[0],
        "MS-CV": "cv-refused",
    }
    if headers:
        state = {"rejected": "released", "unknown": "unknown"}[outcome]
        assert shop.store.record.state == state


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="html"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'{"lineItems": []}', id="no-id"),
        pytest.param(b'{"id": "1", "lineIt', id="cut"),
        pytest.param(b"\xff", id="no-utf-8"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
@in_virtual_time
async def test_a_success_that_is_no_cart_is_tried_again_and_then_unknown(body: bytes) -> None:
    shop = Shop(*[Reply(201, {}, body)] * 20)
    problem = await shop.fails(headers=KEYED)
    assert (problem.code, problem.outcome) == ("partner_center_unreadable", Outcome.UNKNOWN)
    assert len(set(shop.request_ids)) == 1
    assert len(shop.sent) > 1
    assert shop.store.record.state == "unknown"


@in_virtual_time
async def test_a_lost_answer_is_found_again_under_the_same_request_id() -> None:
    shop = Shop(*[TIMED_OUT] * 5, created())
    problem = await shop.fails(headers=KEYED)
    assert (problem.code, problem.outcome) == ("partner_center_timeout", Outcome.UNKNOWN)
    response = await shop.post(headers=KEYED)
    assert response.status == 201
    assert len(set(shop.request_ids)) == 1
    assert "Idempotent-Replayed" not in response.headers


@in_virtual_time
async def test_after_a_lost_answer_a_refusal_does_not_settle_it() -> None:
    shop = Shop(*[TIMED_OUT] * 5, refused(400), created())
    await shop.fails(headers=KEYED)
    problem = await shop.fails(headers=KEYED)
    assert (problem.code, problem.kind.status) == ("partner_center_no_answer", 502)
    assert problem.outcome is Outcome.UNKNOWN
    assert problem.fault
    assert (problem.fault.status, problem.fault.description) == (400, "words")
    assert len(shop.sent) == 6
    assert shop.store.record.state == "unknown"
    assert (await shop.post(headers=KEYED)).status == 201
    assert len(set(shop.request_ids)) == 1


@in_virtual_time
async def test_a_refused_cart_may_be_corrected_under_its_key() -> None:
    shop = Shop(refused(400), created())
    await shop.fails(headers=KEYED)
    response = await shop.post(cart(line(quantity=2)), KEYED)
    assert response.status == 201
    assert len(set(shop.request_ids)) == 2


@in_virtual_time
async def test_what_was_never_sent_gets_a_new_request_id() -> None:
    shop = Shop(*[NOT_SENT] * 5, created())
    problem = await shop.fails(headers=KEYED)
    assert problem.outcome is Outcome.NOT_SENT
    assert (await shop.post(headers=KEYED)).status == 201
    assert len(set(shop.request_ids)) == 2


@in_virtual_time
async def test_a_missing_token_is_told_and_nothing_is_sent() -> None:
    shop = Shop()
    shop.tokens.failures = [TokenFailure("consent_required", "words")]
    problem = await shop.fails(headers=KEYED)
    assert (problem.code, problem.outcome) == ("consent_required", Outcome.NOT_SENT)
    assert shop.sent == []
    assert shop.store.record.state == "released"
    assert (await shop.post(headers=KEYED)).status == 201


@in_virtual_time
async def test_a_twin_that_is_under_way_is_waited_for() -> None:
    shop = Shop()
    first, second = await asyncio.gather(shop.post(headers=KEYED), shop.post(headers=KEYED))
    assert len(shop.sent) == 1
    assert first.body == second.body
    assert second.headers["Idempotent-Replayed"] == "true"


@in_virtual_time
async def test_a_twin_is_waited_for_as_long_as_the_setting_says() -> None:
    shop = Shop(CART_INFLIGHT_WAIT_SECONDS="2")
    shop.seconds = 30
    first = asyncio.create_task(shop.post(headers=KEYED))
    await asyncio.sleep(0)
    call = Call("correlation-2", monotonic())
    problem = await shop.fails(headers=KEYED, call=call)
    assert (problem.code, problem.kind.status) == ("operation_in_progress", 503)
    assert problem.retry_after
    assert monotonic() <= 2
    await first


@in_virtual_time
async def test_the_deadline_runs_from_the_arrival_and_covers_the_wait_for_a_twin() -> None:
    shop = Shop(CART_DEADLINE_SECONDS="20", CART_LEASE_MARGIN_SECONDS="1")
    shop.tokens.seconds = 3600  # the first one's process is as good as dead
    first = asyncio.create_task(shop.post(headers=KEYED))
    await asyncio.sleep(10)
    first.cancel()
    shop.tokens.seconds = 0
    await shop.post(headers=KEYED)
    (sent,) = shop.sent
    assert 0 < sent["timeout"] <= 30 - 21  # its own 20 seconds, less its wait for the lease


@pytest.mark.parametrize("headers", [{}, KEYED], ids=["keyless", "keyed"])
@in_virtual_time
async def test_the_time_since_the_arrival_is_gone(headers: dict[str, str]) -> None:
    shop = Shop(CART_DEADLINE_SECONDS="20", CART_LEASE_MARGIN_SECONDS="7")
    arrived = monotonic()
    await asyncio.sleep(19.5)  # the worker was busy
    begun = shop.clock()
    await shop.post(headers=headers, call=Call("correlation-1", arrived))
    (sent,) = shop.sent
    assert sent["timeout"] == 0.5
    if headers:
        assert shop.store.written[0].lease_until.timestamp() == begun + 0.5 + 7


@pytest.mark.parametrize("headers", [{}, KEYED], ids=["keyless", "keyed"])
@pytest.mark.parametrize("waited", [20.0, 300.0])
@in_virtual_time
async def test_what_was_kept_waiting_beyond_its_deadline_is_not_sent(
    waited: float, headers: dict[str, str]
) -> None:
    shop = Shop(CART_DEADLINE_SECONDS="20")
    call = Call("correlation-1", monotonic())
    await asyncio.sleep(waited)
    problem = await shop.fails(headers=headers, call=call)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert shop.sent == []
    assert (await shop.post(headers=headers)).status == 201


TRACE = [
    ("x", True),
    ("!~", True),
    ("k" * 256, True),
    ('cXe+3/Ab.0.1;x="y"', True),
    ("", False),
    ("k" * 257, False),
    ("a b", False),
    (" a", False),
    ("a\n", False),
    ("a\r\nSet-Cookie: b", False),
    ("a\x00", False),
    ("a\x7f", False),
    ("\u00e9", False),
    ("\u0661", False),
]


@pytest.mark.parametrize("name", ["MS-CV", "MS-ServerId"])
@pytest.mark.parametrize(("value", "handed_on"), TRACE, ids=lambda value: repr(value)[:30])
@in_virtual_time
async def test_partner_centers_ids_are_handed_on_if_a_header_may_carry_them(
    value: str, handed_on: bool, name: str
) -> None:
    given = {"ms-cv": "cv-1", "ms-serverid": "7"} | {name.lower(): value}
    expected = {"MS-CV": "cv-1", "MS-ServerId": "7"} | {name: value}
    if not handed_on:
        del expected[name]
    made, refusal = created(), refused(400)
    shop = Shop(Reply(made.status, given, made.body), Reply(refusal.status, given, refusal.body))
    response = await shop.post(headers=KEYED)
    told = {name: told for name, told in response.headers.items() if name in TRACE_NAMES}
    assert told == expected
    stored = shop.store.record.answer
    assert stored
    assert {name: told for name, told in stored.headers.items() if name in TRACE_NAMES} == expected
    call = Call("correlation-2", monotonic())
    await shop.fails(call=call)
    assert call.partner_center_headers == expected


@in_virtual_time
async def test_no_answer_has_no_ids_and_shows_none_of_the_try_before() -> None:
    call = Call("correlation-1", monotonic())
    await Shop(refused(503), *[TIMED_OUT] * 9).fails(call=call)
    assert call.partner_center_headers == {}


@in_virtual_time
async def test_the_lease_is_the_deadline_and_the_margin() -> None:
    shop = Shop(CART_DEADLINE_SECONDS="50", CART_LEASE_MARGIN_SECONDS="7")
    begun = shop.clock()
    await shop.post(headers=KEYED)
    assert shop.store.record.lease_until.timestamp() == begun + 57


@in_virtual_time
async def test_without_the_store_nothing_is_sent() -> None:
    shop = Shop()
    shop.store.fails("create", "down")
    problem = await shop.fails(headers=KEYED)
    assert (problem.code, problem.kind.status) == ("store_unavailable", 503)
    assert problem.outcome is Outcome.UNKNOWN
    assert shop.sent == []
    assert (await shop.post()).status == 201  # who sends no key needs no store


@in_virtual_time
async def test_a_cart_that_could_not_be_recorded_is_given_out_with_a_warning() -> None:
    shop = Shop()
    shop.store.fails("replace", "down", times=1000)
    response = await shop.post(headers=KEYED)
    assert response.status == 201
    assert warnings(response) == ["not_recorded"]
    assert response.headers["Location"].endswith(response.body["id"])


@in_virtual_time
async def test_a_caller_who_goes_away_does_not_stop_the_cart() -> None:
    shop = Shop()
    request = Request(KEYED, {"customerId": CUSTOMER}, json.dumps(cart()).encode())
    caller = asyncio.create_task(answer(shop.create, request, CUSTOMER))
    await asyncio.sleep(1)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.sleep(shop.seconds)
    assert shop.store.record.state == "completed"
    assert (await shop.post(headers=KEYED)).headers["Idempotent-Replayed"] == "true"
    assert len(shop.sent) == 1


@in_virtual_time
async def test_nothing_secret_is_remembered() -> None:
    shop = Shop()
    await shop.post(headers=KEYED | {"authorization": "Bearer planted", "x-functions-key": "it"})
    text = shop.store.record.to_json().decode()
    assert "planted" not in text
    assert "token-1" not in text
    assert '"it"' not in text


def test_every_problem_of_this_table_is_in_the_catalogue() -> None:
    for code in ("idempotency_key_required", "invalid_idempotency_key", "idempotency_key_reused"):
        kind = CATALOGUE[code]
        assert not kind.retryable
        assert kind.outcome is Outcome.NOT_SENT
    for code in ("store_unavailable", "operation_in_progress"):
        assert CATALOGUE[code].retryable
        assert CATALOGUE[code].status == 503
        assert CATALOGUE[code].outcome is Outcome.UNKNOWN
