"""To put other lines in a cart: an answer may come back, with changes."""

import asyncio
import copy
import json
from typing import Any

import pytest

from cart_core.api.messages import Call, Request, Response
from cart_core.cart.request import MAX_UNKNOWN_MEMBERS
from cart_core.partner_center.exchange import Reply
from cart_core.problem import Outcome, Problem
from cart_core.use_cases.update_cart import UpdateCart
from tests.kit.builders import (
    CART_ID,
    CUSTOMER,
    MARKER,
    SEED_REQUEST,
    SEED_RESPONSE,
    cart,
    line,
    places,
    shown,
)
from tests.kit.fakes import in_virtual_time, monotonic
from tests.kit.purchases import (
    BROKEN,
    GONE,
    LOST,
    SUBMITTED,
    Answer,
    cart_document,
    refused,
    reply,
)
from tests.kit.signals import collected
from tests.unit.use_cases.test_get_cart import Desk as ReadingDesk

SAVED = reply(201, cart_document())
LINE = "/lineItems/0"


class Desk(ReadingDesk):
    """The function, and a Partner Center whose next answers are `answers`."""

    def __init__(self, *answers: Answer, **settings: str) -> None:
        super().__init__(*answers, **settings)
        self.update_cart = UpdateCart(
            self.settings, self.carts, new_guid=self.new_guid, monotonic=monotonic
        )

    async def put(
        self,
        document: Any = None,
        headers: dict[str, str] | None = None,
        *,
        customer: str = CUSTOMER,
        cart_id: str = CART_ID,
        call: Call | None = None,
    ) -> Response:
        body = json.dumps(cart() if document is None else document).encode()
        request = Request(headers or {}, {"customerId": customer, "cartId": cart_id}, body)
        return await self.update_cart(request, call or Call("correlation-1", monotonic()))

    async def refuses(self, document: Any = None, **members: Any) -> Problem:
        with pytest.raises(Problem) as caught:
            await self.put(document, **members)
        return caught.value

    @property
    def sent(self) -> dict[str, Any]:
        """The cart that was sent last."""
        return dict(self.center.asked[-1].cart or {})


def warnings(response: Response) -> list[tuple[str, str]]:
    return [(warning["pointer"], warning["code"]) for warning in response.body["warnings"]]


# --- a cart in its place ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201])
@in_virtual_time
async def test_a_cart_is_sent_and_comes_back_normalised(status: int) -> None:
    seen = Reply(status, {"ms-cv": "cv-1", "ms-serverid": "7"}, reply(200, SEED_RESPONSE).body)
    desk = Desk(seen)
    call = Call("correlation-1", monotonic())
    response = await desk.put(SEED_REQUEST, {"x-locale": "de-DE"}, call=call)
    (asked,) = desk.center.asked
    assert (asked.operation, asked.customer_id, asked.cart_id) == ("update", CUSTOMER, CART_ID)
    assert (asked.attempt.locale, asked.attempt.correlation_id) == ("de-DE", "correlation-1")
    assert list(desk.sent) == ["id", "lineItems"]
    assert desk.sent["id"] == CART_ID
    assert desk.sent["lineItems"][0]["catalogItemId"] == "DG7GMGF0DWTL:0001:DG7GMGF0DSJB"
    assert response.status == 200
    assert (response.body["id"], response.body["customerId"]) == (CART_ID, CUSTOMER)
    assert response.headers == {
        "MS-RequestId": asked.request_id,
        "MS-CorrelationId": "correlation-1",
        "MS-CV": "cv-1",
        "MS-ServerId": "7",
    }
    assert (call.customer_id, call.cart_id) == (CUSTOMER, CART_ID)
    assert call.may_have_effect


@in_virtual_time
async def test_an_answer_with_a_change_is_sent_as_it_came_but_for_what_is_assigned() -> None:
    desk = Desk(reply(200, SEED_RESPONSE), reply(200, SEED_RESPONSE))
    answer = (await desk.get()).body
    answer["lineItems"][0]["quantity"] = 7
    assert warnings(await desk.put(answer)) == []
    (sent,) = desk.sent["lineItems"]
    assert sent == {
        "id": 0,
        "catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
        "friendlyName": "My offer purchase",
        "quantity": 7,
        "currencyCode": "USD",
        "billingCycle": "one_time",
        "participants": [],
        "provisioningContext": SEED_RESPONSE["lineItems"][0]["provisioningContext"],
        "orderGroup": "0",
        "addonItems": [],
    }
    assert list(desk.sent) == ["id", "lineItems"]


@pytest.mark.parametrize("given", [CART_ID, CART_ID.upper(), None, ...], ids=repr)
@in_virtual_time
async def test_the_id_that_is_sent_is_the_paths(given: Any) -> None:
    desk = Desk(SAVED)
    members = {} if given is ... else {"Id": given}
    await desk.put(cart(**members), cart_id=CART_ID.upper())
    assert desk.center.asked[0].cart_id == CART_ID
    assert desk.sent["id"] == CART_ID
    assert "Id" not in desk.sent


@pytest.mark.parametrize("name", ["id", "Id", "ID"])
@pytest.mark.parametrize("given", [CUSTOMER, "", f" {CART_ID}", MARKER, 5, True, [], {}], ids=repr)
@in_virtual_time
async def test_the_id_of_another_cart_is_refused(given: Any, name: str) -> None:
    desk = Desk()
    problem = await desk.refuses(cart(**{name: given}))
    assert (problem.code, problem.outcome) == ("invalid_request", Outcome.NOT_SENT)
    assert places(problem) == {(f"/{name}", "cart_mismatch")}
    assert MARKER not in shown(problem)
    assert desk.center.asked == []


@in_virtual_time
async def test_all_that_is_wrong_is_told_at_once() -> None:
    desk = Desk()
    document = cart(line(quantity=0, customTermEndDte="x"), id=MARKER, customerId=MARKER)
    problem = await desk.refuses(document, customer="me", cart_id="last")
    assert places(problem) == {
        ("", "invalid_customer_id"),
        ("", "invalid_cart_id"),
        ("/id", "cart_mismatch"),
        ("/customerId", "customer_mismatch"),
        (f"{LINE}/quantity", "out_of_range"),
        (f"{LINE}/customTermEndDte", "misspelled_member"),
    }
    assert len(problem.errors) == 6
    assert desk.center.asked == []


@pytest.mark.parametrize("body", [[], "x", 1, None], ids=repr)
@in_virtual_time
async def test_what_is_no_object_is_told_beside_a_wrong_path(body: Any) -> None:
    request = Request({}, {"customerId": CUSTOMER, "cartId": "x"}, json.dumps(body).encode())
    with pytest.raises(Problem) as caught:
        await Desk().update_cart(request, Call("correlation-1", monotonic()))
    assert places(caught.value) == {("", "invalid_cart_id"), ("", "wrong_type")}


# --- members that nobody documents ------------------------------------------------------------


@pytest.mark.parametrize("rule", ["reject", "forward", ""])
@in_virtual_time
async def test_unknown_members_come_back_whatever_the_setting_is(rule: str) -> None:
    new = SEED_RESPONSE | {"renewalTerms": {"a": 1}}
    new["lineItems"] = [SEED_RESPONSE["lineItems"][0] | {"cadence": None, "Zone": [2]}]
    desk = Desk(reply(200, new), reply(200, new), CART_UNKNOWN_MEMBERS=rule)
    answer = (await desk.get()).body
    response = await desk.put(answer)
    assert desk.sent["renewalTerms"] == {"a": 1}
    assert (desk.sent["lineItems"][0]["cadence"], desk.sent["lineItems"][0]["Zone"]) == (None, [2])
    assert warnings(response) == [
        ("/renewalTerms", "unknown_member"),
        (f"{LINE}/cadence", "unknown_member"),
        (f"{LINE}/Zone", "unknown_member"),
    ]


@in_virtual_time
async def test_an_answer_with_a_great_many_unknown_members_comes_back_too() -> None:
    lines = [line(id=number, a=1, b=2) for number in range(MAX_UNKNOWN_MEMBERS)]
    seen = reply(200, {"id": CART_ID, "lineItems": lines})
    desk = Desk(seen, seen)
    response = await desk.put((await desk.get()).body)
    assert [sent["b"] for sent in desk.sent["lineItems"]] == [2] * MAX_UNKNOWN_MEMBERS
    assert len(response.body["warnings"]) == 100


NEAR_MISSES = [
    ("quantity", "quantitty", 3),
    ("quantity", "quantities", 3),
    ("catalogItemId", "catalogItemIds", []),
    ("catalogItemId", "catalogIds", []),
    ("customTermEndDate", "customTermEndDates", []),
    ("renewsTo", "renewsTwo", "x"),
    ("purchaseSystem", "purchaseSystems", []),
    ("purchaseCommitment", "purchaseCommitments", []),
    ("addonItems", "addonItem", {}),
    ("pricing", "pricings", []),
    ("error", "errors", []),
]


@pytest.mark.parametrize(("documented", "near", "value"), NEAR_MISSES)
@in_virtual_time
async def test_a_name_like_a_documented_one_comes_back_beside_it(
    documented: str, near: str, value: Any
) -> None:
    seen = reply(200, {"id": CART_ID, "lineItems": [line(id=0, **{near: value})]})
    desk = Desk(seen, seen)
    answer = (await desk.get()).body
    assert documented in answer["lineItems"][0]
    response = await desk.put(answer)
    assert warnings(response) == [(f"{LINE}/{near}", "unknown_member")]
    assert desk.sent["lineItems"][0][near] == value


@pytest.mark.parametrize(
    ("documented", "near"),
    [
        ("quantity", "quantitty"),
        ("billingCycle", "billing_cycles"),
        ("catalogItemId", "catalogItemIdd"),
        ("customTermEndDate", "customTermEndDte"),
        ("renewsTo", "renewsToo"),
        ("purchaseSystem", "purchaseSystm"),
    ],
)
@in_virtual_time
async def test_a_slip_where_the_documented_member_is_missing_is_refused(
    documented: str, near: str
) -> None:
    """What is meant as a change must not be lost among what nobody documents."""
    desk = Desk(reply(200, cart_document()))
    answer = (await desk.get()).body
    item = answer["lineItems"][0] | line()
    item[near] = item.pop(documented, None)
    problem = await desk.refuses(cart(item))
    assert places(problem) == {(f"{LINE}/{near}", "misspelled_member")}
    assert f"'{documented}'" in problem.errors[0].detail
    assert len(desk.center.asked) == 1


@in_virtual_time
async def test_a_slip_is_told_by_the_object_that_it_is_in() -> None:
    """The other line has the member; this one has not."""
    good, bad = line(customTermEndDate=None), line(customTermEndDte="2027-01-31T00:00:00Z")
    problem = await Desk().refuses(cart(good, bad))
    assert places(problem) == {("/lineItems/1/customTermEndDte", "misspelled_member")}
    add_on = line(customTermEndDate=None, addonItems=[bad])
    problem = await Desk().refuses(cart(add_on))
    assert places(problem) == {(f"{LINE}/addonItems/0/customTermEndDte", "misspelled_member")}


@in_virtual_time
async def test_a_documented_member_is_there_in_any_spelling() -> None:
    desk = Desk(SAVED)
    response = await desk.put(cart(line(CUSTOMTERMENDDATE=None, customTermEndDates=1)))
    assert warnings(response) == [(f"{LINE}/customTermEndDates", "unknown_member")]


# --- the rest as for a new cart ---------------------------------------------------------------


@in_virtual_time
async def test_the_operators_limits_hold() -> None:
    desk = Desk(SAVED, CART_MAX_QUANTITY="5", CART_MAX_BODY_BYTES="1024")
    problem = await desk.refuses(cart(line(quantity=6)))
    assert places(problem) == {(f"{LINE}/quantity", "out_of_range")}
    problem = await desk.refuses(cart(line(friendlyName="x" * 1024)))
    assert problem.code == "body_too_large"
    problem = await desk.refuses(headers={"content-type": "text/plain"})
    assert problem.code == "unsupported_media_type"
    assert desk.center.asked == []
    assert (await desk.put(cart(line(quantity=5)))).status == 200


@pytest.mark.parametrize("key", ["order-17", "a b", ""])
@in_virtual_time
async def test_a_key_is_not_needed_and_makes_no_difference(key: str) -> None:
    desk = Desk(SAVED, SAVED, CART_REQUIRE_IDEMPOTENCY_KEY="true")
    headers = {"idempotency-key": key}
    first, second = await desk.put(headers=headers), await desk.put(headers=headers)
    assert len({asked.request_id for asked in desk.center.asked}) == 2
    assert warnings(first) == warnings(second) == []
    assert "Idempotent-Replayed" not in second.headers


@in_virtual_time
async def test_what_is_unsound_of_a_line_is_told_of_the_cart_as_it_is_now() -> None:
    response = await Desk(reply(201, cart_document(faulty=True))).put()
    assert response.status == 200
    assert response.body["orderable"] is False


@in_virtual_time
async def test_the_tries_of_one_call_have_one_request_id_and_one_cart() -> None:
    desk = Desk(LOST, BROKEN, SAVED)
    document = cart(line(), line())
    before = copy.deepcopy(document)
    response = await desk.put(document)
    assert {asked.request_id for asked in desk.center.asked} == {response.headers["MS-RequestId"]}
    assert [asked.cart for asked in desk.center.asked] == [desk.sent] * 3
    assert document == before


@pytest.mark.parametrize(
    ("answers", "status", "code", "outcome"),
    [
        ([GONE], 404, "partner_center_not_found", "rejected"),
        ([SUBMITTED], 400, "partner_center_invalid_request", "rejected"),
        ([refused(403)], 403, "partner_center_forbidden", "rejected"),
        ([LOST] * 5, 502, "partner_center_no_answer", "unknown"),
        ([LOST, SUBMITTED], 502, "partner_center_no_answer", "unknown"),
        ([reply(201, {})] * 5, 502, "partner_center_unreadable", "unknown"),
    ],
    ids=["404", "ordered", "403", "lost", "lost and ordered", "unreadable"],
)
@in_virtual_time
async def test_a_failure_says_whether_the_cart_may_have_changed(
    answers: list[Answer], status: int, code: str, outcome: str
) -> None:
    desk = Desk(*answers)
    call = Call("correlation-1", monotonic())
    problem = await desk.refuses(call=call)
    assert (problem.code, problem.kind.status) == (code, status)
    assert problem.outcome == outcome
    assert len(desk.center.asked) == len(answers)
    assert call.request_id == desk.center.asked[0].request_id
    assert call.cart_id == CART_ID


@in_virtual_time
async def test_the_deadline_runs_from_the_arrival() -> None:
    desk = Desk(SAVED, CART_DEADLINE_SECONDS="20")
    call = Call("correlation-1", monotonic())
    await asyncio.sleep(19.5)
    await desk.put(call=call)
    assert desk.center.asked[0].attempt.timeout == 0.5
    await asyncio.sleep(0.5)
    problem = await desk.refuses(call=call)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)


@in_virtual_time
async def test_it_counts_as_no_new_cart() -> None:
    with collected() as signals:
        await Desk(SAVED).put()
    assert set(signals.metrics()) == {"partner_center.latency"}
