import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cart_core.idempotency.decision import (
    OperationId,
    Replay,
    Reused,
    Run,
    Wait,
    caller_id,
    decide,
    fingerprint,
    fingerprint_like,
    idempotency_key,
)
from cart_core.idempotency.record import RECORD_VERSION, Record, Step, StoredAnswer
from cart_core.problem import Problem
from tests.kit.builders import CUSTOMER, SEED_REQUEST, cart, line, read, read_bytes

# --- the key ----------------------------------------------------------------------------------

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        pytest.param(KEY, KEY, id="bare"),
        pytest.param(f'"{KEY}"', KEY, id="quoted"),
        pytest.param(f" \t{KEY} ", KEY, id="blanks-around"),
        pytest.param(f' "{KEY}" ', KEY, id="blanks-around-the-quotes"),
        pytest.param("x", "x", id="one-character"),
        pytest.param('"x"', "x", id="one-quoted-character"),
        pytest.param("!~", "!~", id="first-and-last-visible"),
        pytest.param(r'"a\"b"', 'a"b', id="escaped-quote"),
        pytest.param(r'"a\\b"', r"a\b", id="escaped-backslash"),
        pytest.param(r'"\\\""', r"\"", id="escapes-side-by-side"),
        pytest.param(r"a\b", r"a\b", id="a-bare-backslash-is-itself"),
        pytest.param("order/17;try=2,x:y", "order/17;try=2,x:y", id="punctuation"),
        pytest.param("k" * 255, "k" * 255, id="255-characters"),
        pytest.param('"' + "k" * 255 + '"', "k" * 255, id="255-quoted-characters"),
        pytest.param('"' + r"\"" * 255 + '"', '"' * 255, id="255-escaped-characters"),
        pytest.param("MiXeD", "MiXeD", id="case-counts"),
        pytest.param('a"b', 'a"b', id="a-quote-inside-a-bare-key"),
        pytest.param('abc"', 'abc"', id="a-quote-at-the-end-of-a-bare-key"),
        pytest.param("k;p=1", "k;p=1", id="no-parameter-but-a-bare-key"),
    ],
)
def test_a_key_is_read_bare_or_quoted(value: str, key: str) -> None:
    assert idempotency_key({"idempotency-key": value}) == key
    assert idempotency_key({"webhook-id": value}) == key


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param(" ", id="blank"),
        pytest.param('""', id="empty-in-quotes"),
        pytest.param("k" * 256, id="256-characters"),
        pytest.param('"' + "k" * 256 + '"', id="256-quoted-characters"),
        pytest.param("a b", id="a-space-inside"),
        pytest.param('"a b"', id="a-quoted-space"),
        pytest.param('" a"', id="a-quoted-space-in-front"),
        pytest.param(f"{KEY}, {KEY}", id="two-headers"),
        pytest.param(f'"{KEY}", "{KEY}"', id="two-quoted-headers"),
        pytest.param("a\x00b", id="nul"),
        pytest.param("a\tb", id="tab"),
        pytest.param("a\x7f", id="delete"),
        pytest.param("a\x1f", id="a-control-at-the-end"),
        pytest.param("\x1ca", id="a-control-in-front"),
        pytest.param("a\n", id="line-feed"),
        pytest.param("a\r\nx: y", id="another-header"),
        pytest.param("schlüssel", id="latin-1"),
        pytest.param("a\xa0", id="no-break-space"),
        pytest.param("\u0661", id="another-script's-digit"),
        pytest.param('"\u00e9"', id="quoted-latin-1"),
        pytest.param('"', id="one-quote"),
        pytest.param('"""', id="three-quotes"),
        pytest.param('"abc', id="no-closing-quote"),
        pytest.param(r'"abc\"', id="an-escaped-closing-quote"),
        pytest.param('"a"b', id="text-after-the-quotes"),
        pytest.param('"a"b"', id="a-quote-that-is-not-escaped"),
        pytest.param(r'"a\x"', id="an-escape-that-does-not-exist"),
        pytest.param('"a\\', id="a-backslash-at-the-end"),
        pytest.param('"k";p=1', id="a-parameter"),
        pytest.param('"k" ;p', id="a-parameter-after-a-space"),
        pytest.param('"k","l"', id="a-list"),
    ],
)
@pytest.mark.parametrize("header", ["idempotency-key", "webhook-id"])
def test_what_is_no_key_is_refused_not_ignored(header: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        idempotency_key({header: value})
    assert caught.value.code == "invalid_idempotency_key"


def test_a_refused_key_is_not_repeated() -> None:
    with pytest.raises(Problem) as caught:
        idempotency_key({"idempotency-key": "planted marker"})
    assert "planted" not in caught.value.detail


def test_a_webhooks_id_serves_where_there_is_no_key() -> None:
    assert idempotency_key({}) is None
    assert idempotency_key({"webhook-id": "msg_1"}) == "msg_1"
    assert idempotency_key({"webhook-id": "msg_1", "idempotency-key": "mine"}) == "mine"


def test_a_bad_key_is_not_replaced_by_a_webhooks_id() -> None:
    with pytest.raises(Problem):
        idempotency_key({"webhook-id": "msg_1", "idempotency-key": "a b"})
    with pytest.raises(Problem):
        idempotency_key({"webhook-id": "msg_1", "idempotency-key": ""})


def test_the_caller_is_believed_only_where_the_platform_signed_it_in() -> None:
    headers = {"x-ms-client-principal-id": "someone"}
    assert caller_id(headers, callers_known=True) == "someone"
    assert caller_id(headers, callers_known=False) is None
    assert caller_id({}, callers_known=True) is None
    assert caller_id({"x-ms-client-principal-id": ""}, callers_known=True) is None


# --- names and ids ----------------------------------------------------------------------------

OPERATION = OperationId("create_cart", CUSTOMER, None, KEY)
MARK = "1:" + "0123456789abcdef" * 4
OTHERS = [
    OperationId("checkout_cart", CUSTOMER, None, KEY),
    OperationId("place_order", CUSTOMER, None, KEY),
    OperationId("create_cart", CUSTOMER.replace("d", "e"), None, KEY),
    OperationId("create_cart", CUSTOMER, "someone", KEY),
    OperationId("create_cart", CUSTOMER, "None", KEY),
    OperationId("create_cart", CUSTOMER, "", KEY),
    OperationId("create_cart", CUSTOMER, None, KEY + "x"),
    OperationId("create_cart", CUSTOMER, None, KEY.upper()),
    OperationId("create_cart", CUSTOMER + KEY, None, ""),
    OperationId("create_cart", CUSTOMER, KEY, ""),
]


def test_names_and_ids_outlive_every_release() -> None:
    """Whoever has to change a literal here makes second carts for orders of the last week."""
    assert (
        OPERATION.record_name()
        == "carts/ad85435732402bbb34b48a874b3960f3ffce82ef17bef3f83b4e9c3e5676fbd0"
    )
    assert OPERATION.request_id("cart", MARK, 0) == "11724aab-b705-549b-b6d8-0143b81fc5f7"
    assert (
        fingerprint(read(cart()).body)
        == "1:fbf0d7a1b56238edc2e25cb32e9335853b56ad58fcbad0e9cbfe2f85c9f00f23"
    )


def test_a_record_is_named_by_operation_customer_caller_and_key() -> None:
    names = [operation.record_name() for operation in [OPERATION, *OTHERS]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("(carts|purchases)/[0-9a-f]{64}", name) for name in names)
    assert KEY not in OPERATION.record_name()


@pytest.mark.parametrize(
    ("operation", "prefix"),
    [
        ("create_cart", "carts/"),
        ("checkout_cart", "purchases/"),
        ("place_order", "purchases/"),
    ],
)
def test_what_spends_money_is_remembered_apart(operation: str, prefix: str) -> None:
    """The store's lifecycle rule tells by the prefix how long a record is kept."""
    name = OperationId(operation, CUSTOMER, None, KEY).record_name()
    assert name.startswith(prefix)
    assert re.fullmatch("[0-9a-f]{64}", name.removeprefix(prefix))


def test_a_request_id_differs_by_everything_that_it_stands_for() -> None:
    ids = [operation.request_id("cart", MARK, 0) for operation in [OPERATION, *OTHERS]]
    ids += [
        OPERATION.request_id("checkout", MARK, 0),
        OPERATION.request_id("cart", MARK.replace("0", "1"), 0),
        OPERATION.request_id("cart", MARK, 1),
        OPERATION.request_id("cart", MARK, 2),
    ]
    assert len(set(ids)) == len(ids)
    uuid5 = "[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(uuid5, request_id) for request_id in ids)


def test_a_process_without_memory_finds_the_same_request_id_again() -> None:
    again = OperationId("create_cart", CUSTOMER, None, KEY)
    assert again.request_id("cart", MARK, 3) == OPERATION.request_id("cart", MARK, 3)


# --- the fingerprint --------------------------------------------------------------------------


def mark_of(document: Any) -> str:
    return fingerprint(read(document).body)


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(
            b'{"LineItems":[{"CatalogItemId":"A:1:B","Quantity":1,"BillingCycle":"monthly"}]}',
            id="members-in-pascal-case",
        ),
        pytest.param(
            b'{"lineItems":[{"billingCycle":"monthly","quantity":1,"catalogItemId":"A:1:B"}]}',
            id="another-order-of-members",
        ),
        pytest.param(
            b'\xef\xbb\xbf {"lineItems" : [ {"catalogItemId": "\\u0041:1:B",\n'
            b'"quantity": 1, "billingCycle": "monthly"} ] } ',
            id="white-space-escapes-and-a-bom",
        ),
        pytest.param(
            b'{"lineItems":[{"catalogItemId":"A:1:B","quantity":1,"billingCycle":"Monthly"}]}',
            id="another-case-of-a-value",
        ),
        pytest.param(
            b'{"lineItems":[{"catalogItemId":"A:1:B","quantity":1,"billingCycle":"monthly"}],'
            b'"attributes":{"objectType":"Cart"}}',
            id="partner-centers-envelope",
        ),
    ],
)
def test_spellings_of_one_cart_are_one_cart(spelling: bytes) -> None:
    assert fingerprint(read_bytes(spelling).body) == mark_of(cart())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(cart(line(quantity=2)), id="quantity"),
        pytest.param(cart(line(catalogItemId="A:1:C")), id="product"),
        pytest.param(cart(line(billingCycle="annual")), id="billing-cycle"),
        pytest.param(cart(line(), line()), id="one-more-line"),
        pytest.param(cart(line(newMember=1)), id="unknown-member-of-a-line"),
        pytest.param(cart(newMember=1), id="unknown-member-of-the-cart"),
        pytest.param(cart(newMember={"a": [1, 2]}), id="unknown-object"),
        pytest.param(cart(newMember={"a": [2, 1]}), id="another-unknown-object"),
        pytest.param(cart(newMember="1"), id="a-text-is-no-number"),
        pytest.param(cart(newMember=True), id="a-truth-is-no-number"),
    ],
)
def test_another_cart_is_another_cart(other: dict[str, Any]) -> None:
    assert mark_of(other) != mark_of(cart())
    assert mark_of(other) == mark_of(other)


def test_the_unknown_members_of_two_carts_are_told_apart() -> None:
    values = [1, "1", True, False, 0, [1], {"a": 1}, {"A": 1}, {"a": [1, 2]}, {"a": [2, 1]}]
    marks = {mark_of(cart(newMember=value)) for value in values}
    assert len(marks) == len(values)


def test_the_order_of_lines_counts() -> None:
    one, two = line(quantity=1), line(quantity=2)
    assert mark_of(cart(one, two)) != mark_of(cart(two, one))


def test_a_fingerprint_states_its_version_and_shows_nothing() -> None:
    mark = mark_of(SEED_REQUEST)
    assert re.fullmatch("1:[0-9a-f]{64}", mark)


def test_the_rule_of_a_version_that_is_not_known_here_cannot_be_followed() -> None:
    body = read(cart()).body
    assert fingerprint_like("1:any", body) == fingerprint(body)
    assert fingerprint_like("2:any", body) is None
    assert fingerprint_like("0:any", body) is None
    assert fingerprint_like(fingerprint({}), body) == fingerprint(body)


@pytest.mark.parametrize("recorded", ["", ":", "1 :any", " 1:any", "01:any", "11:any", "any"])
def test_what_is_no_version_of_ours_is_not_taken_for_one(recorded: str) -> None:
    assert fingerprint_like(recorded, read(cart()).body) is None


def test_lone_surrogates_and_depths_do_not_stop_it() -> None:
    assert fingerprint({"a": "\ud800", "b": [[[[]]]]})


# --- the decision -----------------------------------------------------------------------------

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
BODY = read(cart()).body
OTHER_BODY = read(cart(line(quantity=2))).body
ANSWER = StoredAnswer(status=201, headers={"Location": "/here"}, body={"id": "1"})


def record(**members: Any) -> Record:
    return Record(
        **{
            "operation": "create_cart",
            "customer_id": CUSTOMER,
            "caller_id": None,
            "key": KEY,
            "fingerprint": fingerprint(BODY),
            "state": "in_progress",
            "epoch": 3,
            "nonce": "nonce",
            "lease_until": NOW + HOUR,
            "expires_at": NOW + 2 * HOUR,
            "correlation_id": CUSTOMER,
            "steps": STEPS,
        }
        | members
    )


COMPLETED = {"state": "completed", "answer": ANSWER}
ALIVE, OVER = {"lease_until": NOW + TICK}, {"lease_until": NOW}
FRESH, EXPIRED = {"expires_at": NOW + TICK}, {"expires_at": NOW}
STEPS = [Step(name="cart", request_id=CUSTOMER)]
AFTER_THE_CART = [
    Step(name="cart", request_id="1", done=True, result={"cartId": "c"}),
    Step(name="checkout", request_id="2"),
]
RESUME, ANEW = Run(epoch=3, steps=STEPS, resumed=True), Run(epoch=4)


@pytest.mark.parametrize(
    ("members", "same", "other"),
    [
        pytest.param({"state": "in_progress"} | ALIVE, Wait(), Reused(), id="in-progress"),
        pytest.param({"state": "in_progress"} | OVER, RESUME, Reused(), id="lease-over"),
        pytest.param({"state": "unknown"} | ALIVE, RESUME, Reused(), id="unknown"),
        pytest.param({"state": "unknown"} | OVER, RESUME, Reused(), id="unknown-lease-over"),
        pytest.param(COMPLETED | ALIVE, Replay(ANSWER), Reused(), id="completed"),
        pytest.param(COMPLETED | OVER, Replay(ANSWER), Reused(), id="completed-lease-over"),
        pytest.param(
            {"state": "released"} | ALIVE,
            Run(epoch=3),
            Run(epoch=3),
            id="released",
        ),
        pytest.param(
            {"state": "released"} | OVER,
            Run(epoch=3),
            Run(epoch=3),
            id="released-lease-over",
        ),
        pytest.param({"state": "open"} | ALIVE, Run(epoch=3, steps=STEPS), Reused(), id="open"),
        pytest.param(
            {"state": "open"} | OVER, Run(epoch=3, steps=STEPS), Reused(), id="open-lease-over"
        ),
    ],
)
def test_the_decision(members: dict[str, Any], same: object, other: object) -> None:
    kept = record(**members | FRESH)
    assert decide(kept, NOW, BODY) == same
    assert decide(kept, NOW, OTHER_BODY) == other


@pytest.mark.parametrize("lease", [ALIVE, OVER])
@pytest.mark.parametrize(
    "state",
    [
        {"state": "in_progress"},
        {"state": "unknown"},
        {"state": "released"},
        {"state": "open"},
        COMPLETED,
    ],
)
def test_an_expired_record_counts_for_nothing_but_its_epoch(
    state: dict[str, Any], lease: dict[str, Any]
) -> None:
    kept = record(**state | lease | EXPIRED)
    assert decide(kept, NOW, BODY) == ANEW
    assert decide(kept, NOW, OTHER_BODY) == ANEW
    assert decide(kept, NOW - TICK, BODY) != ANEW
    assert decide(kept, NOW + 1000 * HOUR, BODY) == ANEW


def test_what_nobody_remembers_is_run() -> None:
    assert decide(None, NOW, BODY) == Run(epoch=0, steps=(), resumed=False)


@pytest.mark.parametrize(
    ("state", "resumed"),
    [
        ({"state": "in_progress"} | OVER, True),
        ({"state": "unknown"}, True),
        ({"state": "open"}, False),
    ],
    ids=str,
)
def test_what_is_done_of_an_operation_is_not_done_again(
    state: dict[str, Any], resumed: bool
) -> None:
    kept = record(steps=AFTER_THE_CART, **state)
    assert decide(kept, NOW, BODY) == Run(epoch=3, steps=AFTER_THE_CART, resumed=resumed)
    assert decide(kept, NOW, OTHER_BODY) == Reused()


@pytest.mark.parametrize(
    "past", [{"state": "released"}, {"state": "open"} | EXPIRED], ids=["released", "expired"]
)
def test_nothing_is_built_upon_what_no_longer_counts(past: dict[str, Any]) -> None:
    decided = decide(record(steps=AFTER_THE_CART, **past), NOW, BODY)
    assert isinstance(decided, Run)
    assert (decided.steps, decided.resumed) == ((), False)


def test_an_empty_answer_is_an_answer() -> None:
    empty = StoredAnswer(status=200, headers={}, body={})
    assert decide(record(state="completed", answer=empty), NOW, BODY) == Replay(empty)


def test_a_completed_record_without_its_answer_is_resumed_never_begun_anew() -> None:
    assert decide(record(state="completed", answer=None), NOW, BODY) == RESUME


@pytest.mark.parametrize(
    "newer",
    [
        pytest.param({"fingerprint": "2:" + "a" * 64}, id="fingerprint"),
        pytest.param({"version": RECORD_VERSION + 1}, id="record"),
    ],
)
@pytest.mark.parametrize(
    "state", [{"state": "in_progress"} | OVER, {"state": "unknown"}, {"state": "open"}, COMPLETED]
)
def test_what_a_newer_release_wrote_is_left_to_it(
    state: dict[str, Any], newer: dict[str, Any]
) -> None:
    assert decide(record(**state | newer), NOW, BODY) == Wait()


def test_the_decision_changes_nothing() -> None:
    kept = record()
    before = kept.to_json()
    decide(kept, NOW, BODY)
    assert kept.to_json() == before


# --- the record -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "members",
    [
        {"state": "in_progress"},
        {"state": "unknown", "caller_id": "someone"},
        {"state": "released", "epoch": 7},
        COMPLETED,
        {"state": "completed", "answer": StoredAnswer(status=200, headers={}, body={})},
        {"steps": [Step(name="cart", request_id="1", done=True, result={})]},
        {"state": "open", "epoch": 1, "steps": AFTER_THE_CART},
    ],
)
def test_a_record_comes_back_as_it_was(members: dict[str, Any]) -> None:
    kept = record(**members)
    assert Record.from_json(kept.to_json()) == kept


def test_a_record_keeps_its_times_to_the_microsecond_in_utc() -> None:
    moment = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
    again = Record.from_json(record(lease_until=moment, expires_at=moment).to_json())
    assert again.lease_until == moment
    assert again.expires_at.utcoffset() == timedelta(0)


def test_support_can_read_a_record() -> None:
    text = record(**COMPLETED).to_json().decode()
    assert text.startswith('{\n  "version": 1,\n  "operation": "create_cart"')
    assert '"leaseUntil": "2026-11-22T13:00:00' in text
    assert '"requestId": ' in text


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b"\xff", b'{"version": 1}'])
def test_what_is_no_record_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the parser says of it
        Record.from_json(data)


def test_a_time_without_a_zone_is_no_time() -> None:
    members = json.loads(record().to_json())
    members["leaseUntil"] = "2026-11-22T13:00:00"
    with pytest.raises(ValueError, match="timezone"):
        Record.from_json(json.dumps(members).encode())


def test_a_record_stays_readable_and_survives_half_a_surrogate_pair() -> None:
    body = {"friendlyName": "Zürich \ud83d"}
    kept = record(**COMPLETED | {"answer": StoredAnswer(status=201, headers={}, body=body)})
    assert "Zürich \\ud83d" in kept.to_json().decode()
    assert Record.from_json(kept.to_json()) == kept
