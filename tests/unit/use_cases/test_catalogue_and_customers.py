"""What callers and pickers can look up: customers, products, SKUs, terms and billing cycles."""

import asyncio
import json
from typing import Any

import pytest

from cart_core.problem import Outcome, Problem
from tests.kit.builders import CUSTOMER, places
from tests.kit.catalogue import SKU, availability, collection
from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import BROKEN, FORBIDDEN, ITEM_GONE, NO_PRODUCT, refused, reply
from tests.kit.world import World, problem_of

OF_CUSTOMER = f"/customers/{CUSTOMER}"
PRODUCT, _, PART = SKU.partition(":")


def customer(**members: Any) -> dict[str, Any]:
    """A customer as Partner Center sends it."""
    return {
        "id": CUSTOMER,
        "companyProfile": {"companyName": "Contoso", "domain": "contoso.onmicrosoft.com"},
        "billingProfile": {"defaultAddress": {"country": "US"}},
        "relationshipToPartner": "reseller",
        **members,
    }


CONTOSO = {
    **{"id": CUSTOMER, "name": "Contoso", "domain": "contoso.onmicrosoft.com"},
    **{"country": "US", "relationship": "reseller"},
}


# --- Customers --------------------------------------------------------------------------------


@in_virtual_time
async def test_a_customer_is_read_by_its_tenant_id() -> None:
    world = World()
    world.center.documents[OF_CUSTOMER] = customer(Id=None, ID=CUSTOMER.upper())
    response = await world.read("get_customer", customer=CUSTOMER.upper())
    assert (response.status, response.body) == (200, CONTOSO)
    assert response.headers["MS-RequestId"] == world.center.asked[0].request_id


@pytest.mark.parametrize("document", [customer(id="someone else"), [], {"id": 5}], ids=str)
@in_virtual_time
async def test_another_document_is_no_customer(document: Any) -> None:
    world = World()
    world.center.documents[OF_CUSTOMER] = document
    problem = await problem_of(world.read("get_customer"))
    assert (problem.code, problem.outcome) == ("partner_center_unreadable", Outcome.REJECTED)


@in_virtual_time
async def test_a_domain_leads_to_its_tenant_and_that_to_the_customer() -> None:
    world = World()
    world.domains.tenants = {"contoso.example": CUSTOMER}
    world.center.documents[OF_CUSTOMER] = customer()
    response = await world.read("find_customers", customer="", domain="Contoso.Example")
    assert response.body == {"totalCount": 1, "customers": [CONTOSO]}
    assert [asked.path for asked in world.center.asked] == [OF_CUSTOMER]


@pytest.mark.parametrize("code", ["60003", "20002", None])
@in_virtual_time
async def test_a_domain_of_nobody_or_of_a_stranger_is_no_customer(code: str | None) -> None:
    world = World()
    if code:
        world.domains.tenants = {"contoso.example": CUSTOMER}
        world.center.documents[OF_CUSTOMER] = refused(403, code)
    response = await world.read("find_customers", customer="", domain="contoso.example")
    assert (response.status, response.body["customers"]) == (200, [])


@in_virtual_time
async def test_what_cannot_be_looked_up_is_never_told_as_nothing() -> None:
    world = World()
    world.domains.failure = Problem("token_unavailable", "The metadata cannot be read.")
    problem = await problem_of(world.read("find_customers", customer="", domain="contoso.example"))
    assert problem.kind.status == 503
    world.domains.failure, world.domains.tenants = None, {"contoso.example": CUSTOMER}
    world.center.script["read"] = [BROKEN] * 5
    problem = await problem_of(world.read("find_customers", customer="", domain="contoso.example"))
    assert (problem.kind.status, problem.outcome) == (502, Outcome.REJECTED)
    world.center.script["read"] = [refused(403, "900329")]
    problem = await problem_of(world.read("find_customers", customer="", domain="contoso.example"))
    assert problem.code == "partner_center_forbidden"
    world.center.script["read"] = [reply(200, collection()), *[BROKEN] * 9]
    problem = await problem_of(world.read("find_customers", customer="", search="con"))
    assert problem.kind.status == 502


@in_virtual_time
async def test_a_search_goes_by_name_and_domain_over_all_pages() -> None:
    other = CUSTOMER.replace("d", "e")
    link = {"next": {"uri": "/customers?seekOperation=Next", "headers": []}}
    world = World()
    by_name = CUSTOMER.replace("d", "f")
    world.center.script["read"] = [
        reply(200, collection(customer(), links=link, continuationToken="two")),
        reply(200, collection(customer(), customer(id=other, companyProfile={}))),
        reply(200, collection(customer(id=by_name))),
    ]
    response = await world.read("find_customers", customer="", search="CON")
    assert [each["id"] for each in response.body["customers"]] == [other, CUSTOMER, by_name]
    filters = [json.loads(each.query["filter"]) for each in world.center.asked]
    assert {each["Field"] for each in filters} == {"CompanyName", "Domain"}
    assert {(each["Value"], each["Operator"]) for each in filters} == {("CON", "starts_with")}
    [page] = [each for each in world.center.asked if each.cart_id]
    assert (page.cart_id, page.query["seekOperation"]) == ("two", "Next")


# --- Products and offers ----------------------------------------------------------------------


@in_virtual_time
async def test_products_are_looked_through_by_title_and_id() -> None:
    world = World()
    products: list[dict[str, Any]] = [
        {"id": "B", "title": "Visio Plan 1", "productType": {"id": "OnlineServicesNCE"}},
        {"id": "A", "title": "Microsoft 365 E5"},
        {"id": "VIS", "title": 5},
    ]
    world.center.documents[f"{OF_CUSTOMER}/products"] = collection(*products)
    response = await world.read("search_products", search="vis")
    assert [each["id"] for each in response.body["products"]] == ["VIS", "B"]
    assert response.body["totalCount"] == 2
    await world.read("search_products", search="e5")
    [asked] = world.center.asked
    assert asked.query == {"targetView": "OnlineServices", "targetSegment": "commercial"}


@in_virtual_time
async def test_all_products_of_a_view_are_there_to_choose_from() -> None:
    world = World()
    products = [{"id": f"P{number}"} for number in range(2001)]
    world.center.documents[f"{OF_CUSTOMER}/products"] = collection(*products)
    body = (await world.read("search_products")).body
    assert (body["totalCount"], len(body["products"])) == (2001, 2000)


@in_virtual_time
async def test_a_sku_is_offered_with_its_pairs() -> None:
    world = World()
    world.center.sell(
        availability(sku={"id": PART, "title": "Basic", "minimumQuantity": 1}),
        availability("CFQ7TTC0GONE", isPurchasable=False, terms=[{"duration": "P3Y"}]),
        availability("CFQ7TTC0EDUC", segment="education", terms=[{"duration": "P3Y"}]),
        sku_id=SKU,
    )
    read = world.read("list_offers", productId=PRODUCT.lower(), skuId="1", termDuration="P1Y")
    body = (await read).body
    [offer] = body["offers"]
    assert (offer["productId"], offer["skuId"], offer["title"]) == (PRODUCT, PART, "Basic")
    assert [tuple(pair.values()) for pair in offer["pairs"]] == [
        *(("P1M", "monthly"), ("P1Y", "annual"), ("P1Y", "monthly")),
    ]
    assert [each["termDuration"] for each in body["terms"]] == ["P1M", "P1Y"]
    assert body["billingCycles"] == [
        {"billingCycle": "annual", "title": "Annual"},
        {"billingCycle": "monthly", "title": "Monthly"},
    ]


@in_virtual_time
async def test_without_a_sku_the_skus_of_the_product_are_listed() -> None:
    world = World()
    attributes = {"isAddon": True, "prerequisiteSkus": ["A:0001"]}
    skus: list[dict[str, Any]] = [
        {"id": "0001", "title": "One"},
        {"id": "000b", "dynamicAttributes": attributes},
    ]
    world.center.documents[f"{OF_CUSTOMER}/products/{PRODUCT}/skus"] = collection(*skus)
    body = (await world.read("list_offers", productId=PRODUCT, segment="Education")).body
    assert [(each["skuId"], each["isAddon"], each["bases"]) for each in body["offers"]] == [
        *(("0001", False, []), ("000B", True, ["A:0001"])),
    ]
    assert {each["pairs"] for each in body["offers"]} == {None}
    assert world.center.asked[0].query == {"targetSegment": "education"}


@in_virtual_time
async def test_each_segment_has_skus_of_its_own_and_a_stale_item_ends_what_was_read() -> None:
    world = World()
    skus = collection({"id": "0001", "title": "One"})
    world.center.documents[f"{OF_CUSTOMER}/products/{PRODUCT}/skus"] = skus
    for segment in ("commercial", "education", "commercial"):
        await world.read("list_offers", productId=PRODUCT, segment=segment)
    assert len(world.center.asked) == 2
    world.center.script["create"] = [ITEM_GONE]
    await problem_of(world.create())
    await world.read("list_offers", productId=PRODUCT)
    assert len(world.center.requests_for("read")) == 3


@pytest.mark.parametrize(("seconds", "reads"), [(59, 1), (60, 2)])
@in_virtual_time
async def test_that_there_is_no_such_sku_counts_for_a_minute(seconds: int, reads: int) -> None:
    world = World()
    for pause in (seconds, 0):
        await problem_of(world.read("list_offers", productId=PRODUCT, skuId=PART))
        await asyncio.sleep(pause)
    assert len(world.center.asked) == reads


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (NO_PRODUCT, 404, "partner_center_not_found"),
        (refused(403, "400030"), 200, None),
        (FORBIDDEN, 403, "partner_center_forbidden"),
    ],
)
@pytest.mark.parametrize("part", ["", "0001"])
@in_virtual_time
async def test_what_is_not_offered(answer: Any, status: int, code: str | None, part: str) -> None:
    world = World()
    world.center.script["read"] = [answer]
    read = world.read("list_offers", productId=PRODUCT, skuId=part)
    if code is None:
        assert (await read).body["offers"] == []
        return
    problem = await problem_of(read)
    assert (problem.code, problem.kind.status) == (code, status)


@pytest.mark.parametrize(
    ("endpoint", "query"),
    [
        ("find_customers", {"domain": "contoso"}),
        ("find_customers", {"domain": " "}),  # A variable that is empty does not mean everybody.
        ("find_customers", {"domain": "a/../b.example"}),
        ("find_customers", {"domain": "contoso.example", "search": "c"}),
        ("find_customers", {"search": "c\x07d"}),
        ("search_products", {"view": "Everything"}),
        ("search_products", {"segment": "charity"}),
        ("list_offers", {}),
        ("list_offers", {"productId": "a:b"}),
        ("list_offers", {"productId": "A", "skuId": "../x"}),
    ],
)
@in_virtual_time
async def test_a_wrong_query_is_refused(endpoint: str, query: dict[str, str]) -> None:
    world = World()
    problem = await problem_of(world.read(endpoint, **query))
    assert places(problem) == {("", "invalid_parameter")}
    assert world.center.asked == []
