"""Lines that name a SKU are sent with the availability of the moment, in every way to a cart."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cart_core.api.messages import Response
from cart_core.idempotency.plan import LONGEST_REQUEST
from cart_core.json_text import write_json
from cart_core.partner_center.exchange import Reply
from cart_core.problem import Outcome, Problem
from tests.kit.builders import CART_ID, CUSTOMER, cart, line
from tests.kit.catalogue import SKU, availability, terms
from tests.kit.fakes import Killed, in_virtual_time
from tests.kit.partner_center import (
    BROKEN,
    FORBIDDEN,
    ITEM_GONE,
    LOST,
    NO_PRODUCT,
    PARTIAL,
    Answer,
    Instead,
    lost,
    refused,
    reply,
)
from tests.kit.world import KEYED, LEASE, World, problem_of

TODAY, TOMORROW = f"{SKU}:CFQ7TTC0K971", f"{SKU}:CFQ7TTC0NEXT"
NEXT = availability("CFQ7TTC0NEXT")
Call = Callable[..., Awaitable[Response]]


def wanted(**members: Any) -> dict[str, Any]:
    """A line that names the SKU."""
    return line(catalogItemId=SKU, termDuration="P1Y") | members


def world(*answers: Answer, **settings: str) -> World:
    """A world that sells the SKU, and reads of whose catalogue are answered like this first."""
    made = World(**settings)
    made.center.add()
    made.center.sell(availability(), sku_id=SKU)
    made.center.script["read"] = list(answers)
    return made


def rotating(made: World, now: dict[str, Any] = NEXT) -> Instead:
    """The request is refused, because the SKU has another availability now."""
    return Instead(lambda: made.center.sell(now, sku_id=SKU), ITEM_GONE)


def sent(made: World, operation: str) -> list[Any]:
    """The item of the first line of each cart that was sent by an operation."""
    carts = [asked.cart for asked in made.center.requests_for(operation)]
    return [each["lineItems"][0]["catalogItemId"] for each in carts if each]


async def create(made: World, document: Any, **more: Any) -> Response:
    """Create a cart under a key."""
    return await made.create(document, KEYED, **more)


WAYS = pytest.mark.parametrize(
    ("call", "operation"),
    [(World.create, "create"), (create, "create"), (World.put, "update"), (World.order, "create")],
    ids=["cart", "cart under a key", "put", "order"],
)
BY_KEY = pytest.mark.parametrize("call", [create, World.order])


@WAYS
@in_virtual_time
async def test_the_availability_of_today_is_sent_and_answered(call: Call, operation: str) -> None:
    made = world()
    base = wanted(addonItems=[wanted(quantity=2, segment="commercial")])
    response = await call(made, cart(base))
    [request] = made.center.requests_for(operation)
    assert request.cart
    [sent_line] = request.cart["lineItems"]
    assert {sent_line["catalogItemId"], sent_line["addonItems"][0]["catalogItemId"]} == {TODAY}
    assert "segment" not in json.dumps(request.cart)
    [read] = made.center.requests_for("read")
    assert read.query == {"targetSegment": "commercial"}
    assert len({asked.request_id for asked in made.center.asked}) == len(made.center.asked)
    if call is not World.order:
        assert response.body["lineItems"][0]["catalogItemId"] == TODAY
        assert response.body["warnings"][1:] == []
    else:
        assert response.body["status"] == "completed"


@in_virtual_time
async def test_the_term_that_is_meant_is_sent() -> None:
    made = world()
    made.center.sell(availability(terms=terms(("P1M", "Monthly"))), sku_id=SKU)
    await made.create(cart(line(catalogItemId=SKU)))
    [request] = made.center.requests_for("create")
    assert request.cart
    assert request.cart["lineItems"][0]["termDuration"] == "P1M"


@WAYS
@in_virtual_time
async def test_an_item_that_cannot_be_taken_is_told_with_what_can(
    call: Call, operation: str
) -> None:
    made = world()
    document = {"LineItems": [line(), wanted(termDuration="P3Y"), wanted(catalogItemId="A:0001")]}
    problem = await problem_of(call(made, document))
    assert (problem.code, problem.kind.status) == ("item_not_available", 422)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.NOT_SENT, False)
    assert [(error.pointer, error.code) for error in problem.errors] == [
        ("/LineItems/1", "term_not_offered"),
        ("/LineItems/2", "sku_not_found"),
    ]
    assert problem.unavailable_items[0]["offered"][0] == {
        "termDuration": "P1M",
        "billingCycle": "monthly",
    }
    assert not made.center.requests_for(operation)
    assert (await call(made, cart(wanted()))).status in (200, 201)  # The key is free.


NOT_READ: dict[str, tuple[Answer, str, bool]] = {
    "throttled": (refused(429, **{"retry_after": "57"}), "partner_center_throttled", True),
    "broken": (BROKEN, "partner_center_failed", True),
    "lost": (LOST, "partner_center_no_answer", True),
    "no list": (reply(200, {"items": 5}), "partner_center_unreadable", True),
    "no JSON": (Reply(200, {}, b"<html>"), "partner_center_unreadable", True),
    "not clear": (reply(200, {"items": [{}]}), "partner_center_unreadable", True),
    "a gateway's 404": (reply(404, {"statusCode": 404}), "partner_center_unreadable", True),
    "forbidden": (FORBIDDEN, "partner_center_forbidden", False),
    "no such customer": (refused(404, "60003"), "partner_center_not_found", False),
}


@WAYS
@pytest.mark.parametrize(("answer", "code", "again"), NOT_READ.values(), ids=NOT_READ)
@in_virtual_time
async def test_a_catalogue_that_cannot_be_read_says_nothing_of_the_item(
    call: Call, operation: str, answer: Answer, code: str, again: bool
) -> None:
    made = world(*[answer] * 5)
    problem = await problem_of(call(made, cart(wanted())))
    assert (problem.code, problem.outcome) == (code, Outcome.NOT_SENT)
    assert problem.kind.retryable is again
    assert not made.center.requests_for(operation)
    made.center.script["read"] = []
    await asyncio.sleep(60)
    assert (await call(made, cart(wanted()))).status in (200, 201)


@in_virtual_time
async def test_of_several_failures_the_one_that_says_how_long_to_wait_is_told() -> None:
    made = world(reply(404, {"statusCode": 404}), refused(429, retry_after="57"))
    other = wanted(catalogItemId="CFQ7TTC0LDPB:0001")
    problem = await problem_of(made.create(cart(wanted(), other)))
    assert (problem.code, problem.retry_after) == ("partner_center_throttled", 57)


@in_virtual_time
async def test_a_product_that_does_not_exist_is_told_from_its_code() -> None:
    made = world(NO_PRODUCT)
    problem = await problem_of(made.create(cart(wanted())))
    assert [error.code for error in problem.errors] == ["product_not_found"]


# --- What belongs to a key --------------------------------------------------------------------


@BY_KEY
@in_virtual_time
async def test_what_was_resolved_is_recorded_and_a_retry_sends_the_same(call: Call) -> None:
    made = world()
    made.center.script["create"] = [*[BROKEN] * 5]
    problem = await problem_of(call(made, cart(wanted())))
    assert problem.outcome is Outcome.UNKNOWN
    made.center.sell(NEXT, sku_id=SKU)
    assert (await call(made, cart(wanted()))).status == 201
    assert set(sent(made, "create")) == {TODAY}
    assert len({asked.request_id for asked in made.center.requests_for("create")}) == 1
    [first, *_] = [record for record in made.store.written if record.items]
    assert first.items == [
        {
            **{"catalogItemId": TODAY, "termDuration": "P1Y", "billingCycle": "monthly"},
            **{"segment": "commercial", "currencyCode": "USD"},
        }
    ]


@BY_KEY
@in_virtual_time
async def test_what_was_refused_is_resolved_anew_under_a_new_request_id(call: Call) -> None:
    made = world()
    made.center.script["create"] = [FORBIDDEN]
    assert (await problem_of(call(made, cart(wanted())))).outcome is Outcome.REJECTED
    made.center.sell(NEXT, sku_id=SKU)
    await asyncio.sleep(60)
    assert (await call(made, cart(wanted()))).status == 201
    assert sent(made, "create") == [TODAY, TOMORROW]
    assert len({asked.request_id for asked in made.center.requests_for("create")}) == 2


@BY_KEY
@in_virtual_time
async def test_the_key_belongs_to_what_the_caller_wrote(call: Call) -> None:
    made = world()
    first = await call(made, cart(wanted()))
    made.center.sell(NEXT, sku_id=SKU)
    asked = len(made.center.asked)
    product, _, sku = SKU.partition(":")
    parts = {**wanted(productId=product, skuId=sku), "catalogItemId": None}
    again = await call(made, cart(parts))
    assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
    assert len(made.center.asked) == asked
    for other in (wanted(catalogItemId=TODAY), wanted(segment="education")):
        problem = await problem_of(call(made, cart(other)))
        assert problem.code == "idempotency_key_reused"


@BY_KEY
@pytest.mark.parametrize("recorded", [False, True])
@in_virtual_time
async def test_a_process_that_dies_before_the_items_are_recorded_has_sent_nothing(
    call: Call, recorded: bool
) -> None:
    made = world()
    made.store.fails("replace", "killed after" if recorded else "killed before")
    with pytest.raises(Killed):
        await call(made, cart(wanted()))
    await asyncio.sleep(LEASE)
    made.center.sell(NEXT, sku_id=SKU)
    made.center.script["create" if recorded else "read"] = [FORBIDDEN]
    problem = await problem_of(call(made, cart(wanted())))
    assert problem.outcome is (Outcome.UNKNOWN if recorded else Outcome.NOT_SENT)
    await asyncio.sleep(60)
    assert (await call(made, cart(wanted()))).status == 201
    assert set(sent(made, "create")) == {TODAY if recorded else TOMORROW}


# --- An item that is not there any more -------------------------------------------------------


@WAYS
@in_virtual_time
async def test_a_stale_item_is_found_anew_once(call: Call, operation: str) -> None:
    made = world()
    made.center.script[operation] = [rotating(made)]
    assert (await call(made, cart(wanted()))).status in (200, 201)
    assert sent(made, operation) == [TODAY, TOMORROW]
    requests = made.center.requests_for(operation)
    assert len({asked.request_id for asked in requests}) == 2
    assert len(made.center.requests_for("read")) == 2


@WAYS
@in_virtual_time
async def test_the_same_item_is_not_sent_again(call: Call, operation: str) -> None:
    made = world()
    made.center.script[operation] = [ITEM_GONE]
    problem = await problem_of(call(made, cart(wanted())))
    assert (problem.code, problem.outcome) == ("partner_center_invalid_request", Outcome.REJECTED)
    assert sent(made, operation) == [TODAY]


@WAYS
@pytest.mark.parametrize(
    ("now", "words"),
    [
        (availability("CFQ7TTC0NEXT", defaultCurrency="EUR"), "currencyCode: USD before, EUR now"),
        (availability("CFQ7TTC0NEXT", terms=terms(("P3Y", "Monthly"))), "P3Y with monthly"),
        (availability("CFQ7TTC0NEXT", segment="education"), "segment commercial"),
    ],
    ids=["currency", "term", "segment"],
)
@in_virtual_time
async def test_another_purchase_takes_no_items_place(
    call: Call, operation: str, now: dict[str, Any], words: str
) -> None:
    made = world()

    made.center.script[operation] = [rotating(made, now)]
    problem = await problem_of(call(made, cart(wanted())))
    assert (problem.code, problem.kind.status) == ("item_not_available", 422)
    assert words in problem.errors[0].detail
    assert sent(made, operation) == [TODAY]


@WAYS
@in_virtual_time
async def test_another_term_takes_no_items_place_where_the_line_names_none(
    call: Call, operation: str
) -> None:
    made = world()
    made.center.sell(availability(terms=terms(("P1M", "Monthly"))), sku_id=SKU)
    now = availability("CFQ7TTC0NEXT", terms=terms(("P1Y", "Monthly")))
    made.center.script[operation] = [rotating(made, now)]
    problem = await problem_of(call(made, cart(line(catalogItemId=SKU))))
    assert [(each.pointer, each.code) for each in problem.errors] == [
        ("/lineItems/0", "item_changed")
    ]
    assert "termDuration: P1M before, P1Y now" in problem.errors[0].detail
    assert sent(made, operation) == [TODAY]


@WAYS
@in_virtual_time
async def test_a_callers_own_id_is_never_replaced(call: Call, operation: str) -> None:
    made = world()
    made.center.script[operation] = [rotating(made)]
    problem = await problem_of(call(made, cart(wanted(catalogItemId=TODAY))))
    assert problem.outcome is Outcome.REJECTED
    assert sent(made, operation) == [TODAY]
    assert not made.center.requests_for("read")


@WAYS
@in_virtual_time
async def test_nothing_is_replaced_after_an_answer_that_was_lost(
    call: Call, operation: str
) -> None:
    made = world()
    made.center.script[operation] = [lost, rotating(made)]
    problem = await problem_of(call(made, cart(wanted())))
    assert problem.outcome is Outcome.UNKNOWN
    assert sent(made, operation) == [TODAY, TODAY]


PROMOTED = {"promotionId": "39NFJQT1PHSN:0008:39NFJQT1Q5J0"}


@pytest.mark.parametrize("applies", [True, False])
@in_virtual_time
async def test_an_orders_promotion_has_to_apply_to_what_its_cart_is_made_with_instead(
    applies: bool,
) -> None:
    made = world()
    verdict = {**PROMOTED, "isEligible": applies}
    made.center.documents[f"/customers/{CUSTOMER}/promotionEligibilities"] = {
        "items": [{"id": 0, "eligibilities": [verdict]}]
    }
    made.center.script["create"] = [rotating(made)]
    order = made.order(cart(wanted(**PROMOTED)))
    if applies:
        assert (await order).body["status"] == "completed"
    else:
        problem = await problem_of(order)
        assert (problem.code, problem.outcome) == ("item_not_available", Outcome.REJECTED)
    assert sent(made, "create") == [TODAY, TOMORROW][: 1 + applies]
    [asked] = made.center.requests_for("ask")
    assert asked.cart
    assert asked.cart["items"][0]["catalogItemId"] == TOMORROW


async def ordered_in_part(made: World, document: Any) -> None:
    made.center.script["checkout"] = [PARTIAL]
    assert (await made.order(document)).body["status"] == "partial"


async def checkout_in_doubt(made: World, document: Any) -> None:
    made.center.script["checkout"] = [BROKEN] * 5
    assert (await problem_of(made.order(document))).outcome is Outcome.UNKNOWN
    await asyncio.sleep(LONGEST_REQUEST.total_seconds())


async def ordered(made: World, document: Any) -> None:
    assert (await made.order(document)).body["status"] == "completed"


@pytest.mark.parametrize("before", [ordered_in_part, checkout_in_doubt, ordered])
@in_virtual_time
async def test_a_change_of_a_cart_that_may_be_ordered_is_not_made_with_another_item(
    before: Any,
) -> None:
    made = world()
    await before(made, cart(wanted()))
    cart_id = list(made.center.carts)[-1]
    made.center.script["update"] = [rotating(made)]
    problem = await problem_of(made.put(cart(wanted()), cart_id=cart_id))
    assert problem.outcome is Outcome.REJECTED
    assert sent(made, "update") == [TODAY]


# --- How often the catalogue is asked ---------------------------------------------------------


def large(made: World, skus: int = 10, lines: int = 50) -> Any:
    """A cart of many lines of a few SKUs, which are sold."""
    ids = [f"CFQ7TTC0LH{number:02}:0001" for number in range(skus)]
    for sku_id in ids:
        made.center.sell(availability(sku_id=sku_id), sku_id=sku_id)
    return cart(*(wanted(catalogItemId=ids[number % skus]) for number in range(lines)))


@pytest.mark.parametrize(
    ("places", "times"),
    [("144", {0.0: 10}), ("8", {0.0: 6, 1.0: 4})],  # Of 8 places one customer holds 6.
)
@in_virtual_time
async def test_fifty_lines_of_ten_skus_are_ten_requests_at_once_and_then_none(
    places: str, times: dict[float, int]
) -> None:
    made = world(CART_MAX_CONCURRENT_CALLS=places)
    document = large(made)
    made.center.seconds = 1.0
    await made.create(document)
    assert Counter(asked.time for asked in made.center.requests_for("read")) == times
    await made.create(document)
    assert len(made.center.requests_for("read")) == 10


@in_virtual_time
async def test_calls_at_the_same_time_share_one_request() -> None:
    made = world()
    made.center.seconds = 1.0
    await asyncio.gather(*(made.create(cart(wanted())) for _ in range(8)))
    assert len(made.center.requests_for("read")) == 1


@in_virtual_time
async def test_calls_at_the_same_time_share_a_failure() -> None:
    made = world(*[FORBIDDEN] * 2)
    made.center.seconds = 1.0
    problems = await asyncio.gather(
        *(made.create(cart(wanted())) for _ in range(8)), return_exceptions=True
    )
    assert {each.code for each in problems if isinstance(each, Problem)} == {
        "partner_center_forbidden"
    }
    assert len(problems) == 8
    assert len(made.center.requests_for("read")) == 1


@pytest.mark.parametrize(
    ("seconds", "reads"), [(59, 1), (60, 2)], ids=["young enough", "too old for a cart"]
)
@in_virtual_time
async def test_a_cart_is_made_from_what_was_read_within_a_minute(seconds: int, reads: int) -> None:
    made = world()
    await made.create(cart(wanted()))
    await asyncio.sleep(seconds)
    await made.create(cart(wanted()))
    assert len(made.center.requests_for("read")) == reads


async def stale_cart(made: World) -> None:
    made.center.script["create"] = [ITEM_GONE]
    await problem_of(made.create(cart(wanted(catalogItemId=TODAY))))


async def stale_change(made: World) -> None:
    made.center.script["update"] = [ITEM_GONE]
    await problem_of(made.put(cart(wanted(catalogItemId=TODAY))))


async def stale_checkout(made: World) -> None:
    made.center.script["checkout"] = [ITEM_GONE]
    await problem_of(made.check_out())


async def stale_line(made: World) -> None:
    error = {"errorCode": 400019, "errorDescription": "The availability was not found."}
    broken = {"id": CART_ID, "lineItems": [{"id": 0, "catalogItemId": TODAY, "error": error}]}
    made.center.script["create"] = [reply(201, broken)]
    await made.create(cart(wanted(catalogItemId=TODAY)))


async def stale_group(made: World) -> None:
    error = {"orderGroupId": "0", "code": "400019", "description": "Not found."}
    made.center.script["checkout"] = [reply(201, {"orders": [], "orderErrors": [error]})]
    await problem_of(made.check_out())


async def stale_promotion(made: World) -> None:
    gone = {**PROMOTED, "isEligible": False, "errors": [{"type": "InvalidCatalogItemId"}]}
    made.center.script["ask"] = [reply(200, {"items": [{"id": 0, "eligibilities": [gone]}]})]
    body = write_json(cart(wanted(catalogItemId=TODAY, **PROMOTED))).encode()
    await made.call("preflight_cart", {"customerId": CUSTOMER}, body=body)


async def another_refusal(made: World) -> None:
    made.center.script["create"] = [FORBIDDEN]
    await problem_of(made.create(cart(wanted(catalogItemId=TODAY))))


@pytest.mark.parametrize(
    ("happens", "reads"),
    [
        *((stale_cart, 2), (stale_change, 2), (stale_checkout, 2), (stale_line, 2)),
        *((stale_group, 2), (stale_promotion, 2), (another_refusal, 1)),
    ],
)
@in_virtual_time
async def test_any_refusal_of_a_stale_item_ends_what_was_read_for_the_customer(
    happens: Any, reads: int
) -> None:
    made = world()
    await made.create(cart(wanted()))
    other = CUSTOMER.replace("d", "e")
    await problem_of(made.create(cart(wanted()), customer=other))
    await happens(made)
    await made.create(cart(wanted()))
    await problem_of(made.create(cart(wanted()), customer=other))
    lists = [each for each in made.center.asked if each.path.endswith("/availabilities")]
    assert len(lists) == reads + 1


@in_virtual_time
async def test_nothing_that_was_read_outlives_the_month() -> None:
    made = world()
    made.clock.shift = 8.5 * 86400 - 30  # 2026-11-30T23:59:30Z
    await made.create(cart(wanted()))
    await asyncio.sleep(31)
    await made.create(cart(wanted()))
    assert len(made.center.requests_for("read")) == 2


@in_virtual_time
async def test_another_customer_and_another_segment_have_lists_of_their_own() -> None:
    made = world()
    await made.create(cart(wanted()))
    await problem_of(made.create(cart(wanted()), customer=CUSTOMER.replace("d", "e")))
    await problem_of(made.create(cart(wanted(segment="education"))))
    assert len(made.center.requests_for("read")) == 3


@in_virtual_time
async def test_a_sku_that_is_not_embedded_is_read() -> None:
    made = world()
    made.center.sell(availability(sku=None, terms=[]), sku_id=SKU)
    path = next(path for path in made.center.documents).removesuffix("/availabilities")
    made.center.documents[path] = {"id": "0001", "supportedBillingCycles": ["one_time"]}
    once = line(catalogItemId=SKU, billingCycle="one_time")
    assert (await made.create(cart(once))).status == 201
    assert [asked.path for asked in made.center.requests_for("read")][1:] == [path]


@in_virtual_time
async def test_all_pages_of_a_list_count() -> None:
    headers = [{"key": "MS-ContinuationToken", "value": "two"}]
    link = {"uri": "/x?seekOperation=Next", "headers": headers}
    page = {"items": [availability("CFQ7TTC0PAGE", segment="education")], "links": {"next": link}}
    made = world(reply(200, page))
    await made.create(cart(wanted()))
    first, second = made.center.requests_for("read")
    assert (first.path, second.query["seekOperation"]) == (second.path, "Next")
    assert (second.cart_id, second.query["targetSegment"]) == ("two", "commercial")
