"""Lines that name a SKU, from end to end: the emulator's availabilities change in between."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from partner_center_emulator.watch.disturbances import Disturbance

from tests.end_to_end.chain import CUSTOMER, KEY_HEADER, Chain, cart, line, problem, until

E5 = {"productId": "CFQ7TTC0LFLZ", "skuId": "0002"}
E5_ID = "CFQ7TTC0LFLZ:0002"


def by_sku(**members: Any) -> dict[str, Any]:
    """A line that names the SKU of Microsoft 365 E5."""
    paid = {"billingCycle": "annual", "termDuration": "P1Y"}
    return {**line(**paid), **E5, **members, "catalogItemId": members.get("catalogItemId")}


def test_an_order_by_sku_buys_the_availability_of_the_moment(buying: Chain) -> None:
    shelf = buying.cloud.partner_center.shelf
    shelf.rotate(E5_ID)
    key = str(uuid.uuid4())
    answer = buying.order(key, cart(by_sku(quantity=3)))
    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    [order] = answer.json()["orders"]
    assert order["lineItems"][0]["offerId"] == shelf.current(E5_ID)[0]
    [read, create, _] = buying.sent()
    assert read.path.endswith("/products/CFQ7TTC0LFLZ/skus/0002/availabilities")
    assert read.query == "targetSegment=commercial"
    assert json.loads(create.body)["lineItems"][0]["catalogItemId"] == shelf.current(E5_ID)[0]
    shelf.rotate(E5_ID)
    again = buying.order(key, cart(by_sku(quantity=3)))
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (answer.json(), "true")


def test_an_item_that_went_stale_in_between_is_found_anew(buying: Chain) -> None:
    first = buying.post(cart(by_sku()))
    buying.cloud.partner_center.shelf.rotate(E5_ID)
    second = buying.post(cart(by_sku()))
    ids = [each.json()["lineItems"][0]["catalogItemId"] for each in (first, second)]
    assert [first.status_code, second.status_code, ids[1]] == [
        *(201, 201),
        buying.cloud.partner_center.shelf.current(E5_ID)[0],
    ]
    assert ids[0] != ids[1]


def test_a_pair_that_is_not_offered_is_told_with_those_that_are(buying: Chain) -> None:
    document = cart(by_sku(termDuration="P3Y", billingCycle="monthly"))
    error = problem(buying.post(document), 422, "item_not_available", "not_sent", False)
    # By its id the availability has this pair. The list counts.
    [entry] = error["unavailableItems"]
    assert (entry["pointer"], entry["failure"]) == ("/lineItems/0", "term_not_offered")
    assert [tuple(pair.values()) for pair in entry["offered"]] == [
        *(("P1M", "monthly"), ("P1Y", "annual"), ("P1Y", "monthly")),
    ]
    assert buying.sent("create") == []


def test_a_catalogue_that_throttles_says_when_to_come_again(buying: Chain) -> None:
    throttled = Disturbance(
        "partner_center", path="availabilities", status=429, headers={"Retry-After": "57"}
    )
    buying.cloud.disturbances.inject(throttled)
    document = cart(by_sku(productId="CFQ7TTC0LF8S", skuId="0001"))
    customer = str(uuid.uuid4())
    answer = buying.post(document, customer=customer)
    problem(answer, 429, "partner_center_throttled", "not_sent", True)
    assert answer.headers["Retry-After"] == "57"


def test_an_item_that_goes_stale_before_the_checkout_is_replaced_in_the_cart(buying: Chain) -> None:
    customer, shelf = str(uuid.uuid4()), buying.cloud.partner_center.shelf
    # The checkout is refused, and so is its item from then on.
    stale = {"code": "400019", "description": "The availability was not found."}
    buying.cloud.disturbances.inject(
        Disturbance("partner_center", path="/checkout$", status=400, body=stale, delay=0.5)
    )
    with ThreadPoolExecutor() as pool:
        ordering = pool.submit(buying.order, str(uuid.uuid4()), cart(by_sku()), customer=customer)
        until(lambda: buying.sent("checkout"))
        shelf.rotate(E5_ID)
        answer = ordering.result()
    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert [each["code"] for each in answer.json()["warnings"]] == ["item_replaced"]
    [order] = answer.json()["orders"]
    assert order["lineItems"][0]["offerId"] == shelf.current(E5_ID)[0]
    first, second = buying.sent("checkout")
    assert first.headers["ms-requestid"] != second.headers["ms-requestid"]
    assert first.headers["ms-correlationid"] == second.headers["ms-correlationid"]
    assert len(buying.orders()) == 1


# --- Nobody types an id ----------------------------------------------------------------------


def read(chain: Chain, path: str) -> Any:
    """What a route answers to a GET with the function key."""
    answer = chain.send("GET", f"/api/{path}", KEY_HEADER)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_from_a_domain_to_a_cart_nobody_types_an_id(buying: Chain) -> None:
    [customer] = read(buying, "customers?domain=contoso-mail.example")["customers"]
    assert (customer["id"], customer["country"]) == (CUSTOMER, "US")
    of_customer = f"customers/{customer['id']}"
    [product] = read(buying, f"{of_customer}/products?search=business%20basic")["products"]
    [sku] = read(buying, f"{of_customer}/offers?productId={product['id']}")["offers"]
    offer = f"{of_customer}/offers?productId={product['id']}&skuId={sku['skuId']}"
    [*_, term] = read(buying, offer)["terms"]
    assert term == {"termDuration": "P1Y", "title": "One year"}
    [cycle, _] = read(buying, f"{offer}&termDuration=P1Y")["billingCycles"]
    chosen = {"productId": product["id"], "skuId": sku["skuId"], **cycle}
    item = {**chosen, "termDuration": "P1Y", "quantity": 1}
    answer = buying.post({"lineItems": [{k: v for k, v in item.items() if k != "title"}]})
    assert (answer.status_code, answer.json()["orderable"]) == (201, True)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("search=CONTOSO", ["Contoso", "Contoso Australia", "Contoso Pharma"]),
        ("search=fabrikam.ex", ["Fabrikam School"]),
        ("domain=stranger.example", []),  # A tenant without a relationship.
        ("domain=nobody.example", []),
        ("domain=contoso.example", ["Contoso"]),  # Not the one whose domain begins like it.
    ],
)
def test_customers_are_found(buying: Chain, query: str, names: list[str]) -> None:
    buying.cloud.partner_center.customers.page_size = 1
    found = read(buying, f"customers?{query}")["customers"]
    buying.cloud.partner_center.customers.page_size = 0
    assert [customer["name"] for customer in found] == names


def test_where_the_metadata_cannot_be_read_nothing_is_told_as_nothing(buying: Chain) -> None:
    failing = Disturbance("entra", path="openid-configuration", status=503)
    buying.cloud.disturbances.inject(failing)
    answer = buying.send("GET", "/api/customers?domain=contoso.example", KEY_HEADER)
    problem(answer, 503, "token_unavailable", "not_sent", True)


def test_an_application_without_a_user_cannot_see_what_stands_against_a_customer(
    buying: Chain,
) -> None:
    adventure_works = "c0c0c0c0-0000-4000-8000-00000000000c"
    document = cart(by_sku(quantity=1))
    answer = buying.ask("POST", "carts/preflight", document, customer=adventure_works)
    assert (answer.status_code, answer.json()["blocked"]) == (200, False)
    found = {each["check"]: each["severity"] for each in answer.json()["findings"]}
    assert found == dict.fromkeys(("agreement", "account", "credit"), "unknown")
    assert not {"agreement", "account", "credit"} & set(answer.json()["passed"])
    assert buying.cloud.partner_center.carts == {}
