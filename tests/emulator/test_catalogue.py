"""The emulated catalogue and customers: each thing that is known to go wrong there goes wrong."""

from typing import Any

import httpx
import pytest
from partner_center_emulator.partner_center.products import PROMOTION

from tests.emulator.caller import CUSTOMER, PARTNER_CENTER, Caller, document, licence, refusal

OF_CUSTOMER = f"{PARTNER_CENTER}/v1/customers/{CUSTOMER}"
E5 = "products/CFQ7TTC0LFLZ/skus/0002"
OFFICE_E5 = "products/CFQ7TTC0LF8S/skus/0001"
BASIC = "CFQ7TTC0LH18:0001"


async def read(caller: Caller, path: str, root: str = OF_CUSTOMER) -> Any:
    """The document at a path."""
    answer = await caller.send("GET", f"{root}/{path}")
    assert answer.status_code == 200, answer.text
    return document(answer) if answer.content[3:4] == b"{" else answer.json()


async def items(caller: Caller, path: str, root: str = OF_CUSTOMER) -> list[dict[str, Any]]:
    """The items of the list at a path."""
    found: list[dict[str, Any]] = (await read(caller, path, root))["items"]
    return found


def pairs(availability: dict[str, Any]) -> list[tuple[str | None, str | None]]:
    return [(term.get("duration"), term.get("billingCycle")) for term in availability["terms"]]


async def test_a_pair_is_a_row_of_the_terms_and_the_sku_spells_its_cycles_otherwise(
    caller: Caller,
) -> None:
    [found] = await items(caller, f"{E5}/availabilities?targetSegment=commercial")
    assert pairs(found) == [("P1M", "Monthly"), ("P1Y", "Annual"), ("P1Y", "Monthly")]
    assert found["sku"]["supportedBillingCycles"] == ["monthly", "annual"]
    assert found["catalogItemId"] == "CFQ7TTC0LFLZ:0002:CFQ7TTC0MKD5"


async def test_an_availability_read_by_its_id_has_a_term_that_the_list_lacks(
    caller: Caller,
) -> None:
    found = await read(caller, f"{E5}/availabilities/CFQ7TTC0MKD5")
    assert ("P3Y", "Monthly") in pairs(found)


@pytest.mark.parametrize(
    ("query", "segments"),
    [
        ("", ["government", "commercial"]),
        ("?targetSegment=Commercial", ["commercial"]),
        ("?targetSegment=nonprofit", ["nonprofit"]),
        ("?targetSegment=education", []),
    ],
)
async def test_a_list_without_a_segment_has_all_but_nonprofit(
    caller: Caller, query: str, segments: list[str]
) -> None:
    found = await items(caller, f"{OFFICE_E5}/availabilities{query}")
    assert [each["segment"] for each in found] == segments


async def test_one_sku_is_spelt_as_in_the_tables_of_the_documentation(caller: Caller) -> None:
    [found] = await items(caller, "products/CFQ7TTC0LHSF/skus/0001/availabilities")
    assert (found["segment"], found["defaultCurrency"]) == ("Commercial", "USD")


async def test_a_product_is_called_like_its_first_sku_and_not_like_its_trial(
    caller: Caller,
) -> None:
    found = await items(caller, "products?targetView=OnlineServices")
    [premium] = [each for each in found if each["id"] == "CFQ7TTC0LCHC"]
    assert premium["title"] == "Microsoft 365 Business Premium"


async def test_some_availabilities_must_not_be_taken_or_cannot_be_told_apart(
    caller: Caller,
) -> None:
    premium = await items(caller, "products/CFQ7TTC0LCHC/skus/0002/availabilities")
    assert [each["isPurchasable"] for each in premium] == [False, True]
    exchange = await items(caller, "products/CFQ7TTC0LH16/skus/0001/availabilities")
    assert [each["isRenewable"] for each in exchange] == [False, True]
    storage = await items(caller, "products/CFQ7TTC0LHS9/skus/0001/availabilities")
    assert len({repr(pairs(each)) + str(each["isRenewable"]) for each in storage}) == 1
    [plan] = await items(caller, "products/DZH318Z0BPS6/skus/0001/availabilities")
    assert pairs(plan) == []
    [reservation] = await items(caller, "products/DZH318Z0BQ36/skus/004J/availabilities")
    assert pairs(reservation) == [("P3Y", None)]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("products/NOPE/skus/0001/availabilities", 404, "400013"),
        ("products/CFQ7TTC0LFLZ/skus/0009/availabilities", 404, "400018"),
        (f"{E5}/availabilities/CFQ7TTC0GONE", 404, "400019"),
        (f"{E5}/availabilities?targetSegment=charity", 403, "400030"),
    ],
)
async def test_what_the_catalogue_does_not_have(
    caller: Caller, path: str, status: int, code: str
) -> None:
    assert refusal(await caller.send("GET", f"{OF_CUSTOMER}/{path}")) == (status, code)


async def test_without_a_customer_the_country_is_required(caller: Caller) -> None:
    url = f"{PARTNER_CENTER}/v1/{E5}/availabilities"
    assert (await caller.send("GET", url)).status_code == 400
    [found] = await items(caller, f"{E5}/availabilities?country=DE", f"{PARTNER_CENTER}/v1")
    assert found["country"] == "DE"


async def test_rotated_ids_are_refused_in_carts_and_checkouts(caller: Caller) -> None:
    shelf = caller.cloud.partner_center.shelf
    before = shelf.current(BASIC)[0]
    cart = await caller.create(licence(before))
    async with httpx.AsyncClient(base_url=caller.cloud.control_url, trust_env=False) as control:
        assert (await control.post("rotate-availabilities", json={"sku": BASIC})).json() is None
    after = shelf.current(BASIC)[0]
    assert (after != before, after.rpartition(":")[0]) == (True, BASIC)
    assert refusal(await caller.check_out(cart["id"])) == (400, "400019")
    assert refusal(await caller.put(cart["id"], licence(before))) == (400, "400019")
    assert (await caller.put(cart["id"], licence(after))).status_code == 201
    [order] = document(await caller.check_out(cart["id"]))["orders"]
    assert order["lineItems"][0]["offerId"] == after
    # Only the pairs of the list can be bought, with any id that was issued.
    refused = await caller.create(licence("CFQ7TTC0MM8R:0002:CFQ7TTC0CP01", termDuration="P1M"))
    assert refused["lineItems"][0]["error"]["errorCode"] == 400039
    assert {each["offerId"] for each in await items(caller, "subscriptions")} >= {after}


async def test_an_application_without_a_user_sees_neither_agreements_nor_vetting(
    caller: Caller,
) -> None:
    paths = (
        "agreements?agreementType=*",
        "directSignedMicrosoftCustomerAgreementStatus",
        "validationStatus?type=account",
    )
    for path in paths:
        url = f"{OF_CUSTOMER}/{path}"
        assert refusal(await caller.send("GET", url)) == (403, "900329")
        user = await caller.bearer_of_user()
        assert (await caller.client.get(url, headers=user)).status_code == 200
    user = await caller.bearer_of_user()
    default = await caller.client.get(f"{OF_CUSTOMER}/agreements", headers=user)
    assert document(default)["items"] == []  # The default is an agreement of the past.


@pytest.mark.parametrize(
    ("field", "value", "names"),
    [
        ("Domain", "contoso.example", ["Contoso Australia"]),  # A prefix, and no second domain.
        ("CompanyName", "contoso", ["Contoso", "Contoso Australia", "Contoso Pharma"]),
        ("CompanyName", "Pharma", []),
    ],
)
@pytest.mark.parametrize("page_size", [0, 1])
async def test_customers_are_found_by_a_prefix_page_by_page(
    caller: Caller, field: str, value: str, names: list[str], page_size: int
) -> None:
    caller.cloud.partner_center.customers.page_size = page_size
    query = f'filter={{"Field":"{field}","Value":"{value}","Operator":"starts_with"}}'
    found: list[str] = []
    headers: dict[str, str] = {}
    while True:
        url = f"{PARTNER_CENTER}/v1/customers?{query}"
        page = document(await caller.send("GET", url, headers))
        found += [each["companyProfile"]["companyName"] for each in page["items"]]
        if "next" not in page["links"]:
            break
        headers = {"MS-ContinuationToken": page["continuationToken"]}
    assert found == names


async def test_a_verified_domain_leads_to_its_tenant(caller: Caller) -> None:
    metadata = "https://login.microsoftonline.com/{}/v2.0/.well-known/openid-configuration"
    for domain, tenant in (("contoso-mail.example", CUSTOMER), ("nobody.example", None)):
        answer = await caller.client.get(metadata.format(domain))
        assert (tenant in answer.text) if tenant else (answer.status_code == 400)


@pytest.mark.parametrize(
    ("members", "type_"),
    [
        ({}, None),
        ({"quantity": 101}, "SeatCount"),
        ({"termDuration": "P1M"}, "Term"),
        ({"promotionId": "X:1:Y"}, "InvalidPromotion"),
        ({"catalogItemId": "CFQ7TTC0LFLX:0001:CFQ7TTC0GONE"}, "InvalidCatalogItemId"),
    ],
)
async def test_a_promotion_is_judged(
    caller: Caller, members: dict[str, Any], type_: str | None
) -> None:
    item = {
        **{"id": 0, "catalogItemId": "CFQ7TTC0LFLX:0001:CFQ7TTC0LB30", "quantity": 1},
        **{"termDuration": "P1Y", "billingCycle": "annual", "promotionId": PROMOTION},
        **members,
    }
    url = f"{OF_CUSTOMER}/promotionEligibilities"
    [judged] = document(await caller.send("POST", url, json={"items": [item]}))["items"]
    [eligibility] = judged["eligibilities"]
    assert eligibility["isEligible"] is (type_ is None)
    assert [error["type"] for error in eligibility["errors"]] == ([type_] if type_ else [])


async def test_an_unknown_item_is_left_out_of_the_inventory(caller: Caller) -> None:
    targets = [
        {"productId": "DZH318Z0BQ36", "skuId": "004J"},
        {"productId": "DZH318Z0BQ3V", "skuId": "00G1"},
        {"productId": "NOPE", "skuId": "0001"},
    ]
    url = f"{PARTNER_CENTER}/v1/extensions/product/checkInventory?country=US"
    answer = await caller.send("POST", url, json={"targetItems": targets})
    answered = answer.content.decode("utf-8-sig")
    assert [each["isRestricted"] for each in httpx.Response(200, text=answered).json()] == [
        True,
        False,
    ]
