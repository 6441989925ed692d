"""The use case "check a cart out" over a Partner Center of our own, in virtual time."""

import asyncio
import contextlib
import re
import time
from datetime import timedelta
from typing import Any, Literal

import pytest

from cart_core.api.messages import Call
from cart_core.idempotency.decision import OperationId
from cart_core.problem import Outcome, Problem
from cart_core.tokens import TokenFailure
from tests.kit.builders import CART_ID, CUSTOMER, places
from tests.kit.fakes import Fault, Killed, in_virtual_time, monotonic
from tests.kit.purchases import (
    ACTIVE,
    BOUGHT,
    BROKEN,
    FAULTY,
    FOR_USER,
    FORBIDDEN,
    GONE,
    HOPELESS,
    IN_USE,
    KEYED,
    LEASE,
    LOST,
    NOTHING,
    PARTIAL,
    SEVERAL,
    USER,
    Answer,
    Shop,
    checkout_document,
    lost,
    problem_of,
    reply,
    warnings,
)

ANOTHER_USER = {"x-ms-customeruser-upn": "adele@contoso.example"}
ANOTHER_CART = CART_ID.replace("b", "c")


def shop(**settings: str) -> Shop:
    made = Shop(**settings)
    made.center.add()
    return made


# --- the common paths -------------------------------------------------------------------------


@in_virtual_time
async def test_a_cart_is_bought() -> None:
    here = shop()
    call = Call("correlation-1", monotonic())
    response = await here.check_out(headers=FOR_USER, call=call)
    [asked] = here.center.asked
    assert response.status == 201
    assert list(response.body) == [
        *("cartId", "customerId", "status", "orders", "orderErrors", "warnings")
    ]
    assert (response.body["cartId"], response.body["customerId"]) == (CART_ID, CUSTOMER)
    assert (response.body["status"], len(response.body["orders"])) == ("completed", 1)
    assert response.headers == {
        "MS-CorrelationId": "correlation-1",
        "MS-RequestId": asked.request_id,
        "MS-CV": "cv-201",
    }
    assert (asked.operation, asked.cart_id, asked.customer_user) == ("checkout", CART_ID, USER)
    assert (call.customer_id, call.cart_id, call.tries) == (CUSTOMER, CART_ID, 1)
    assert call.may_have_effect


@in_virtual_time
async def test_what_is_remembered_of_it() -> None:
    here = shop()
    here.center.seconds = 5
    begun = here.clock()
    response = await here.check_out(headers=FOR_USER | KEYED)
    claim, done = here.store.written
    [asked] = here.center.asked
    assert here.names() == [OperationId("checkout_cart", CUSTOMER, None, CART_ID).record_name()]
    assert re.fullmatch("purchases/[0-9a-f]{64}", here.names()[0])
    assert (done.operation, done.customer_id, done.key) == ("checkout_cart", CUSTOMER, CART_ID)
    assert (claim.state, done.state, done.caller_id) == ("in_progress", "completed", None)
    assert [(step.name, step.request_id, step.done) for step in done.steps] == [
        ("checkout", asked.request_id, True)
    ]
    assert done.answer
    assert done.answer.body == response.body
    assert claim.lease_until.timestamp() == begun + LEASE
    text = b"".join(record.to_json() for record in here.store.written).decode()
    assert USER not in text
    assert "megan" not in text


@pytest.mark.parametrize(("settings", "days"), [({}, 90), ({"CART_ORDER_RETENTION_DAYS": "7"}, 7)])
@in_virtual_time
async def test_how_long_it_is_remembered(settings: dict[str, str], days: int) -> None:
    here = shop(**settings)
    begun = here.clock()
    await here.check_out()
    for record in here.store.written:
        assert record.expires_at.timestamp() == begun + timedelta(days=days).total_seconds()
    here.clock.shift = timedelta(days=days, seconds=-1).total_seconds()
    assert "Idempotent-Replayed" in (await here.check_out()).headers
    assert len(here.center.asked) == 1


@in_virtual_time
async def test_what_is_no_longer_remembered_is_read_first() -> None:
    here = shop()
    here.center.repeat_checkout = False
    first = await here.check_out()
    here.clock.shift = timedelta(days=90).total_seconds()
    response = await here.check_out()
    assert here.center.operations() == ["checkout", "get", "checkout"]
    assert (first.body["status"], response.body["status"]) == ("completed", "ordered")
    assert len({asked.request_id for asked in here.center.told("checkout")}) == 2
    assert here.center.bought == [CART_ID]


@in_virtual_time
async def test_a_replay() -> None:
    here = shop()
    first = await here.check_out()
    call = Call("correlation-2", monotonic())
    again = await here.check_out(call=call)
    assert again.body == first.body
    assert again.headers == first.headers | {
        "MS-CorrelationId": "correlation-2",
        "Idempotent-Replayed": "true",
    }
    assert (call.replayed, call.tries, call.cart_id) == (True, 0, CART_ID)
    assert call.request_id == first.headers["MS-RequestId"]
    assert len(here.center.asked) == 1


# --- the cart is the key ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({}, id="same"),
        pytest.param({"headers": KEYED}, id="with-a-key"),
        pytest.param({"headers": {"webhook-id": "w-1"}}, id="with-a-webhook-id"),
        pytest.param({"cart_id": CART_ID.upper()}, id="cart-in-upper-case"),
        pytest.param({"customer": CUSTOMER.upper()}, id="customer-in-upper-case"),
        pytest.param({"body": b"{}"}, id="empty-object"),
        pytest.param({"headers": {"x-locale": "fr-FR"}}, id="another-locale"),
        pytest.param({"headers": {"x-ms-customeruser-upn": " "}}, id="blank-user"),
        pytest.param({"headers": {"x-ms-client-principal-id": "two"}}, id="another-caller"),
        pytest.param({"headers": {"idempotency-key": ""}}, id="no-key-at-all"),
    ],
)
@pytest.mark.parametrize("at_once", [False, True], ids=["later", "at-once"])
@in_virtual_time
async def test_two_who_check_out_one_cart_buy_it_once(other: dict[str, Any], at_once: bool) -> None:
    here = shop(WEBSITE_AUTH_ENABLED="True")
    here.center.seconds = 5
    headers = {"x-ms-client-principal-id": "one"}
    if at_once:
        first, second = await asyncio.gather(
            here.check_out(headers=headers), here.check_out(**other)
        )
    else:
        first, second = await here.check_out(headers=headers), await here.check_out(**other)
    assert here.center.operations() == ["checkout"]
    assert first.body == second.body
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(here.names()) == 1


@in_virtual_time
async def test_another_cart_is_another_checkout() -> None:
    here = shop()
    here.center.add(ANOTHER_CART)
    first, second = await here.check_out(), await here.check_out(ANOTHER_CART)
    assert here.center.bought == [CART_ID, ANOTHER_CART]
    assert (first.body["cartId"], second.body["cartId"]) == (CART_ID, ANOTHER_CART)


@in_virtual_time
async def test_a_bought_cart_is_not_told_to_another_customer() -> None:
    here = shop()
    await here.check_out()
    problem = await problem_of(here.check_out(customer=CUSTOMER.replace("d", "e")))
    assert (problem.code, problem.kind.status) == ("partner_center_not_found", 404)


# --- the customer's user ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [(FOR_USER, ANOTHER_USER), (FOR_USER, {}), ({}, FOR_USER)]
)
@pytest.mark.parametrize(
    ("end", "state"),
    [(BOUGHT, "completed"), (PARTIAL, "open"), (GONE, "released"), (Killed(), "in_progress")],
    ids=["completed", "partial", "refused", "killed"],
)
@in_virtual_time
async def test_another_customer_user(
    first: dict[str, str], second: dict[str, str], end: Answer, state: str
) -> None:
    here = shop()
    here.center.script["checkout"] = [end]
    with contextlib.suppress(Killed, Problem):
        await here.check_out(headers=first)
    assert here.record.state == state
    if state == "released":  # nothing came of the first one
        assert (await here.check_out(headers=second)).status == 201
        return
    problem = await problem_of(here.check_out(headers=second))
    assert (problem.code, problem.kind.status) == ("idempotency_key_reused", 422)
    assert problem.outcome is Outcome.NOT_SENT
    assert len(here.center.asked) == 1


@in_virtual_time
async def test_another_customer_user_while_the_outcome_is_unknown() -> None:
    here = shop()
    here.center.script["checkout"] = [LOST]
    here.center.script["get"] = [GONE]
    await problem_of(here.check_out(headers=FOR_USER))
    assert here.record.state == "unknown"
    problem = await problem_of(here.check_out(headers=ANOTHER_USER))
    assert problem.code == "idempotency_key_reused"
    assert (await here.check_out(headers=FOR_USER)).status == 201


# --- what is not allowed, and what is wrong ---------------------------------------------------


@pytest.mark.parametrize("settings", [{"CART_ALLOW_CHECKOUT": ""}, {"CART_ALLOW_CHECKOUT": "0"}])
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"cart_id": "x"}, id="cart"),
        pytest.param({"customer": "x"}, id="customer"),
        pytest.param({"body": b"x"}, id="body"),
        pytest.param({"headers": {"x-ms-customeruser-upn": "x"}}, id="user"),
    ],
)
@in_virtual_time
async def test_without_permission_nothing_else_is_looked_at(
    wrong: dict[str, Any], settings: dict[str, str]
) -> None:
    here = shop(**settings)
    here.store.fails("create", "down")
    problem = await problem_of(here.check_out(**wrong))
    assert (problem.code, problem.kind.status) == ("checkout_disabled", 403)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.NOT_SENT, False)
    assert "CART_ALLOW_CHECKOUT" in problem.detail
    assert (here.store.calls, here.center.asked) == ([], [])


@in_virtual_time
async def test_all_that_is_wrong_is_told_at_once_and_nothing_done() -> None:
    here = shop()
    problem = await problem_of(
        here.check_out("no-guid", {"x-ms-customeruser-upn": "nobody"}, b"[]", customer="none")
    )
    assert (problem.code, problem.kind.status) == ("invalid_request", 400)
    assert places(problem) == {
        ("", "invalid_customer_id"),
        ("", "invalid_cart_id"),
        ("", "invalid_customer_user"),
        ("", "unexpected_body"),
    }
    assert (here.store.calls, here.center.asked) == ([], [])


@pytest.mark.parametrize(
    "cart_id",
    ["", "1", CART_ID[:-1], CART_ID + "0", CART_ID + "\n", "{" + CART_ID + "}", "g" + CART_ID[1:]],
)
@in_virtual_time
async def test_a_cart_id_is_a_guid(cart_id: str) -> None:
    problem = await problem_of(shop().check_out(cart_id))
    assert places(problem) == {("", "invalid_cart_id")}
    assert problem.errors[0].detail == "The cartId in the path must be a GUID."


@pytest.mark.parametrize("body", [b"", b"{}", b" ", b"\r\n\t{ \n }\n"])
@in_virtual_time
async def test_a_body_that_says_nothing(body: bytes) -> None:
    assert (await shop().check_out(body=body)).status == 201


@pytest.mark.parametrize(
    "body",
    [
        *(b"[]", b"null", b'""', b'"success"', b"0", b"x", b"{", b"}", b"{}{}", b"{},"),
        *(b'{"lineItems": []}', b'{"": 0}', b"\x00", b"\xff", b"\xef\xbb\xbf{}", b"{}\x00"),
    ],
)
@in_virtual_time
async def test_a_body_that_says_something(body: bytes) -> None:
    here = shop()
    problem = await problem_of(here.check_out(body=body))
    assert places(problem) == {("", "unexpected_body")}
    assert here.center.asked == []


@pytest.mark.parametrize("body", [b" " * 20_000 + b"x", b"{" + b" " * 20_000 + b"x"])
def test_a_large_body_is_refused_quickly(body: bytes) -> None:
    @in_virtual_time
    async def refuse() -> None:
        assert places(await problem_of(shop().check_out(body=body))) == {("", "unexpected_body")}

    began = time.process_time()
    refuse()
    assert time.process_time() - began < 0.3


@pytest.mark.parametrize(
    "user",
    [
        *("a@b", USER, "O'Neil+x#EXT#@contoso.onmicrosoft.com", "!@~"),
        "a" * 254 + "@b",
        f"  {USER}\t",
    ],
)
@in_virtual_time
async def test_a_customer_user_is_handed_on(user: str) -> None:
    here = shop()
    await here.check_out(headers={"x-ms-customeruser-upn": user})
    assert here.center.asked[0].customer_user == user.strip()


@pytest.mark.parametrize(
    "user",
    [
        *("@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b c", "a@b\r\nx: y", "a@b\x00", "\u00fc@b"),
        *("a@\u0661", "a\x7f@b", "a" * 255 + "@b", "a@b\u00a0c"),
    ],
)
@in_virtual_time
async def test_what_is_no_customer_user(user: str) -> None:
    here = shop()
    problem = await problem_of(here.check_out(headers={"x-ms-customeruser-upn": user}))
    assert places(problem) == {("", "invalid_customer_user")}
    assert problem.errors[0].detail.endswith("must be a name like 'user@domain'.")
    assert (here.store.calls, here.center.asked) == ([], [])


# --- what is not over yet ---------------------------------------------------------------------


@in_virtual_time
async def test_a_partial_checkout_goes_on_and_is_final_once_it_is_complete() -> None:
    here = shop()
    here.center.add(CART_ID, "A:1:B", HOPELESS)
    first = await here.check_out(headers=FOR_USER)
    assert (first.status, first.body["status"]) == (201, "partial")
    assert len(first.body["orders"]) == len(first.body["orderErrors"]) == 1
    assert (here.record.state, here.record.epoch) == ("open", 1)
    assert here.record.answer
    assert here.record.answer.body == first.body

    second = await here.check_out(headers=FOR_USER)
    assert second.body == first.body
    assert "Idempotent-Replayed" not in second.headers

    here.center.carts[CART_ID]["lineItems"][1]["catalogItemId"] = "A:1:B"
    third = await here.check_out(headers=FOR_USER)
    assert (third.body["status"], len(third.body["orders"])) == ("completed", 2)
    assert here.center.operations() == ["checkout", *["get", "checkout"] * 2]
    assert len({asked.request_id for asked in here.center.told("checkout")}) == 3
    assert (here.record.state, here.record.answer is None) == ("completed", False)

    fourth = await here.check_out(headers=FOR_USER)
    assert fourth.body == third.body
    assert fourth.headers["Idempotent-Replayed"] == "true"
    assert len(here.center.asked) == 5


@pytest.mark.parametrize("answer", [GONE, NOTHING, FORBIDDEN], ids=["gone", "nothing", "forbidden"])
@in_virtual_time
async def test_a_part_that_was_bought_stays_bought(answer: Answer) -> None:
    here = shop()
    here.center.add(CART_ID, "A:1:B", HOPELESS)
    first = await here.check_out(headers=FOR_USER)
    for _ in range(2):
        here.center.script["checkout"] = [answer]
        again = await here.check_out(headers=FOR_USER)
        assert (again.status, again.body["status"]) == (201, "partial")
        assert again.body["orders"] == first.body["orders"]
        assert warnings(again) == ["rest_refused"]
        assert here.record.state == "open"
        problem = await problem_of(here.check_out(headers=ANOTHER_USER))
        assert problem.code == "idempotency_key_reused"


@pytest.mark.parametrize("code", ["consent_required", "token_rejected", "vault_denied"])
@in_virtual_time
async def test_what_only_an_operator_can_mend_is_no_refusal_of_the_rest(
    code: Literal["consent_required", "token_rejected", "vault_denied"],
) -> None:
    here = shop()
    here.center.add(CART_ID, "A:1:B", HOPELESS)
    first = await here.check_out()
    here.tokens.failures = [TokenFailure(code, "words")]
    problem = await problem_of(here.check_out())
    assert (problem.code, problem.outcome) == (code, Outcome.NOT_SENT)
    assert here.record.state == "open"
    assert (await here.check_out()).body == first.body


@in_virtual_time
async def test_the_orders_of_a_part_outlast_a_failure_that_may_pass() -> None:
    here = shop()
    here.center.add(CART_ID, "A:1:B", HOPELESS)
    first = await here.check_out(headers=FOR_USER)
    here.center.script["checkout"] = [IN_USE] * 5
    problem = await problem_of(here.check_out(headers=FOR_USER))
    assert (problem.code, problem.outcome) == ("partner_center_busy", Outcome.REJECTED)
    assert here.record.state == "open"
    assert here.record.answer
    assert here.record.answer.body == first.body
    assert (await problem_of(here.check_out())).code == "idempotency_key_reused"


@in_virtual_time
async def test_the_orders_of_a_part_outlast_an_unknown_outcome() -> None:
    here = shop()
    here.center.add(CART_ID, "A:1:B", HOPELESS)
    first = await here.check_out()
    here.center.script["checkout"] = [LOST]
    here.center.script["get"] = [SEVERAL, GONE]
    problem = await problem_of(here.check_out())
    assert (problem.outcome, here.record.state) == (Outcome.UNKNOWN, "unknown")
    here.center.script["checkout"] = [reply(201, checkout_document("order-2"))]
    last = await here.check_out()
    assert (last.body["status"], here.record.state) == ("completed", "completed")
    ids = [order["id"] for order in last.body["orders"]]
    assert ids == [first.body["orders"][0]["id"], "order-2"]


@in_virtual_time
async def test_what_somebody_else_ordered_is_final() -> None:
    here = shop()
    here.center.repeat_checkout = False
    here.center.carts[CART_ID]["status"] = "Ordered"
    first = await here.check_out()
    assert (first.status, first.body["status"], first.body["orders"]) == (201, "ordered", [])
    assert warnings(first) == ["orders_not_retrieved"]
    again = await here.check_out()
    assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
    assert here.center.operations() == ["checkout", "get", "checkout"]


@in_virtual_time
async def test_a_cart_that_cannot_be_ordered_can_be_once_it_is_changed() -> None:
    here = shop()
    here.center.add(CART_ID, FAULTY)
    for operations in (["checkout", "get"], ["checkout", "get", "get"]):
        problem = await problem_of(here.check_out())
        assert (problem.code, problem.kind.status) == ("cart_not_orderable", 422)
        assert (problem.outcome, problem.kind.retryable) == (Outcome.REJECTED, False)
        assert problem.cart
        assert problem.cart["lineItems"][0]["error"]["code"] == "10002"
        assert here.center.operations() == operations
    good = {"catalogItemId": "A:1:B", "quantity": 1, "billingCycle": "monthly"}
    assert (await here.put(CART_ID, {"lineItems": [good]})).body["orderable"] is True
    assert (await here.check_out()).body["status"] == "completed"
    assert here.center.bought == [CART_ID]


@pytest.mark.parametrize(
    ("answer", "code"),
    [(FORBIDDEN, "partner_center_forbidden"), (NOTHING, "checkout_failed")],
    ids=["forbidden", "nothing"],
)
@in_virtual_time
async def test_after_a_refusal_the_next_one_reads_first_under_a_new_id(
    answer: Answer, code: str
) -> None:
    here = shop()
    here.center.script["checkout"] = [answer]
    problem = await problem_of(here.check_out())
    assert (problem.code, problem.outcome, here.record.state) == (
        code,
        Outcome.REJECTED,
        "released",
    )
    assert (await here.check_out()).status == 201
    looked = ["get"] if answer is NOTHING else []
    assert here.center.operations() == ["checkout", *looked, "get", "checkout"]
    first, second = here.center.told("checkout")
    assert first.request_id != second.request_id
    assert second.time == 0  # there was nothing to wait for


@in_virtual_time
async def test_after_an_unknown_outcome_the_next_one_reads_first_under_the_same_id() -> None:
    here = shop()
    here.center.script["checkout"] = [lost]
    here.center.script["get"] = [BROKEN] * 5
    problem = await problem_of(here.check_out())
    assert (problem.outcome, here.record.state) == (Outcome.UNKNOWN, "unknown")
    here.center.asked.clear()
    response = await here.check_out()
    assert response.body["status"] == "completed"
    assert here.center.operations() == ["get", "checkout"]
    assert response.headers["MS-RequestId"] == here.store.written[0].steps[0].request_id
    assert here.center.told("checkout")[0].request_id == response.headers["MS-RequestId"]
    assert here.center.bought == [CART_ID]


@in_virtual_time
async def test_what_was_never_sent_is_not_unknown() -> None:
    here = shop(CART_DEADLINE_SECONDS="20")
    call = Call("correlation-1", monotonic())
    await asyncio.sleep(20)
    problem = await problem_of(here.check_out(call=call))
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert (here.center.asked, here.record.state) == ([], "released")
    assert (await here.check_out()).status == 201


# --- the store, and the end of processes ------------------------------------------------------


@in_virtual_time
async def test_without_the_store_nothing_is_bought() -> None:
    here = shop()
    here.store.fails("create", "down")
    problem = await problem_of(here.check_out())
    assert (problem.code, problem.outcome) == ("store_unavailable", Outcome.UNKNOWN)
    assert here.center.asked == []


@pytest.mark.parametrize("fault", ["lost", "met itself"])
@pytest.mark.parametrize("call", ["create", "replace"])
@in_virtual_time
async def test_a_store_whose_answer_is_lost(call: str, fault: Fault) -> None:
    here = shop()
    here.store.fails(call, fault)
    if (call, fault) == ("create", "lost"):
        assert (await problem_of(here.check_out())).code == "store_unavailable"
        assert here.center.asked == []
        await asyncio.sleep(LEASE)
        assert (await here.check_out()).body["status"] == "completed"
        assert here.center.operations() == ["get", "checkout"]
    else:
        assert warnings(await here.check_out()) == []
        assert here.center.operations() == ["checkout"]
    assert (await here.check_out()).headers["Idempotent-Replayed"] == "true"
    assert here.center.bought == [CART_ID]


@pytest.mark.parametrize("repeat_checkout", [True, False])
@in_virtual_time
async def test_a_purchase_that_could_not_be_recorded(repeat_checkout: bool) -> None:
    here = shop()
    here.center.repeat_checkout = repeat_checkout
    here.store.fails("replace", "down", times=1000)
    first = await here.check_out()
    assert (first.status, first.body["status"]) == (201, "completed")
    assert warnings(first) == ["not_recorded"]
    here.store.faults.clear()
    await asyncio.sleep(LEASE)
    second = await here.check_out()
    assert second.body["status"] == ("completed" if repeat_checkout else "ordered")
    assert here.center.operations() == ["checkout", "get", "checkout"]
    assert here.center.bought == [CART_ID]
    assert (await here.check_out()).body == second.body


@pytest.mark.parametrize("repeat_checkout", [True, False])
@pytest.mark.parametrize(
    "point",
    [
        *("create: killed before", "create: killed after", "checkout: before", "checkout: after"),
        *("replace: killed before", "replace: killed after"),
    ],
)
@in_virtual_time
async def test_killed_anywhere_it_is_bought_once(point: str, repeat_checkout: bool) -> None:
    here = shop()
    here.center.repeat_checkout = repeat_checkout
    where, _, what = point.partition(": ")
    if where == "checkout":
        here.center.script["checkout"] = [Killed() if what == "before" else _killed_after]
    else:
        here.store.fails(where, what)  # type: ignore[arg-type]
    with pytest.raises(Killed):
        await here.check_out()
    bought = list(here.center.bought)

    await asyncio.sleep(LEASE)
    response = await here.check_out()

    assert here.center.bought == [CART_ID]
    remembered = point == "replace: killed after"
    repeated = repeat_checkout or remembered or not bought
    assert response.body["status"] == ("completed" if repeated else "ordered")
    replayed = await here.check_out()
    assert (replayed.body, replayed.headers["Idempotent-Replayed"]) == (response.body, "true")
    nothing_to_read = point == "create: killed before" or remembered
    assert ("get" in here.center.operations()) is not nothing_to_read


@in_virtual_time
async def test_a_twin_that_waited_long_enough_is_told_to_come_back() -> None:
    here = shop()
    here.center.seconds = 40
    first = asyncio.create_task(here.check_out())
    await asyncio.sleep(1)
    problem = await problem_of(here.check_out())
    assert (problem.code, problem.outcome) == ("operation_in_progress", Outcome.UNKNOWN)
    assert problem.retry_after
    assert (await first).status == 201
    assert here.center.operations() == ["checkout"]


@in_virtual_time
async def test_whoever_is_overtaken_tells_what_the_other_one_was_told() -> None:
    here = shop()
    here.center.seconds = 50
    here.center.script["get"] = [ACTIVE]
    first = asyncio.create_task(here.check_out())
    await asyncio.sleep(10)
    here.clock.shift = 1000  # a clock that is wrong by far
    here.center.seconds = 1
    second = await here.check_out()
    assert (await first).body == second.body
    assert here.center.bought == [CART_ID]


def _killed_after(_: object) -> Any:
    raise Killed
