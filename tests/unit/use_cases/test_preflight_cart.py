"""What is found about a cart before it is sent; what is not known never counts as passed."""

import asyncio
from typing import Any, get_args

import pytest

from cart_core.api.messages import Response
from cart_core.catalogue.preflight import Check
from cart_core.json_text import write_json
from cart_core.problem import Outcome
from tests.kit.builders import CUSTOMER, cart, line, places
from tests.kit.catalogue import SKU, availability, collection
from tests.kit.fakes import Killed, in_virtual_time
from tests.kit.partner_center import BROKEN, FORBIDDEN, refused
from tests.kit.world import KEYED, LEASE, World, problem_of

OF_CUSTOMER = f"/customers/{CUSTOMER}"
PRODUCT, _, PART = SKU.partition(":")
TODAY = f"{SKU}:CFQ7TTC0K971"
BASE = "CFQ7TTC0LFLX:0001"
APP_ONLY = refused(403, "900329")
GOOD: dict[str, Any] = {
    "": {
        **{"id": CUSTOMER, "relationshipToPartner": "reseller"},
        "billingProfile": {"defaultAddress": {"country": "US"}},
    },
    "/agreements": collection({"type": "MicrosoftCustomerAgreement"}),
    "/directSignedMicrosoftCustomerAgreementStatus": {"isSigned": False},
    "/validationStatus": {"status": "Allowed"},
    "/subscriptions": collection(),
    "/qualifications": [],
    "/subscriptions/customTermEndDates": collection(
        {"allowedCustomTermEndDate": "2027-01-31T00:00:00"}
    ),
}
"""What Partner Center answers of a customer against whom nothing stands."""


def wanted(**members: Any) -> dict[str, Any]:
    """A line that names the SKU."""
    return line(catalogItemId=SKU, termDuration="P1Y") | members


def world(sku: dict[str, Any] | None = None, **answers: Any) -> World:
    """A world with a customer, and the SKU; `answers` take the place of GOOD, by the path's end."""
    made = World()
    named = {f"/{name}": answer for name, answer in answers.items() if name != "customer"}
    given = {**GOOD, **named} | ({"": answers["customer"]} if "customer" in answers else {})
    for path, document in given.items():
        made.center.documents[OF_CUSTOMER + path] = document
    if not any("availabilities" in path for path in named):
        of_sku = {"supportedBillingCycles": ["monthly"], **(sku or {})}
        made.center.sell(availability(sku=of_sku), sku_id=SKU)
    return made


async def preflight(made: World, *lines: Any) -> Response:
    document = cart(*(lines or (wanted(),)))
    return await made.call(
        "preflight_cart", {"customerId": CUSTOMER}, body=write_json(document).encode()
    )


OF_ITEMS = ("quantity", "addon_base", "provisioning", "attestation", "registration", "inventory")
NOT_KNOWN = dict.fromkeys(OF_ITEMS, "unknown")
"""What is not known of a line whose SKU is not known."""


async def findings(made: World, *lines: Any) -> dict[str, tuple[str, str]]:
    """Severity and pointer of each finding by its check, without that of the credit."""
    body = (await preflight(made, *lines)).body
    found = {each["check"]: (each["severity"], each["pointer"]) for each in body["findings"]}
    assert found.pop("credit") == ("unknown", "")
    assert set(body["passed"]) == set(get_args(Check)) - found.keys() - {"credit"}
    blockers = [severity for severity, _ in found.values() if severity == "blocker"]
    assert body["blocked"] is bool(blockers)
    assert made.store.calls == []
    assert set(made.center.operations()) <= {"read", "ask"}
    return found


@in_virtual_time
async def test_nothing_stands_against_a_good_cart_but_its_credit_is_not_known() -> None:
    made = world()
    assert await findings(made) == {}
    # Without a type, the answers would be about an older agreement, and about nothing.
    asked = {each.path.rpartition("/")[2]: each.query for each in made.center.asked}
    assert asked["agreements"] == {"agreementType": "MicrosoftCustomerAgreement"}
    assert asked["validationStatus"] == {"type": "account"}


OF_THE_CUSTOMER: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "no relationship": ({"customer": refused(403, "20002")}, {"relationship": "blocker"}),
    "no tenant": ({"customer": refused(404, "60003")}, {"relationship": "blocker"}),
    "another relationship": (
        {"customer": {"id": CUSTOMER, "relationshipToPartner": "advisor"}},
        {"relationship": "warning"},
    ),
    "not readable": ({"customer": BROKEN}, {"relationship": "unknown"}),
    "no agreement": ({"agreements": collection()}, {"agreement": "blocker"}),
    "signed directly": (
        {
            "agreements": collection(),
            "directSignedMicrosoftCustomerAgreementStatus": {"isSigned": True},
        },
        {},
    ),
    "an application without a user": (
        {"agreements": APP_ONLY, "validationStatus": APP_ONLY},
        {"agreement": "unknown", "account": "unknown"},
    ),
    "under review": ({"validationStatus": {"status": "UnderReview"}}, {"account": "blocker"}),
    "no validation": ({"validationStatus": refused(404, "600074")}, {}),
    "not ready": ({"validationStatus": {"status": "Not Ready"}}, {"account": "unknown"}),
    "no status": ({"validationStatus": {}}, {"account": "unknown"}),
    "an agreement of which nothing is told": (
        {"agreements": collection(), "directSignedMicrosoftCustomerAgreementStatus": {}},
        {"agreement": "unknown"},
    ),
}


@pytest.mark.parametrize(("answers", "found"), OF_THE_CUSTOMER.values(), ids=OF_THE_CUSTOMER)
@in_virtual_time
async def test_what_stands_against_the_customer(
    answers: dict[str, Any], found: dict[str, str]
) -> None:
    assert await findings(world(**answers)) == {
        check: (severity, "") for check, severity in found.items()
    }


def owned(seats: int, sku_id: str = SKU, status: str = "active") -> dict[str, Any]:
    """The customer's subscriptions."""
    return collection({"offerId": f"{sku_id}:OLD", "quantity": seats, "status": status})


ADD_ON = {"dynamicAttributes": {"isAddon": "True", "prerequisiteSkus": [BASE.lower()]}}
CHECKED = {
    "purchasePrerequisites": ["InventoryCheck"],
    "inventoryVariables": ["CustomerId", "AzureSubscriptionId", "ArmRegionName"],
    "dynamicAttributes": {"armRegionName": "westus2"},
}
OF_THE_LINES: dict[str, tuple[Any, dict[str, Any], dict[str, Any], dict[str, str]]] = {
    "wrong pair": (None, {}, {"termDuration": "P3Y"}, {"item": "blocker"}),
    "no such SKU": (None, {}, {"catalogItemId": "NOPE:0001"}, {"item": "blocker", **NOT_KNOWN}),
    "no whole id of today": (
        {"maximumQuantity": 3},
        {},
        {"catalogItemId": f"{SKU}:OLD", "quantity": 4},
        {"item": "warning", "qualification": "unknown", "quantity": "blocker"},
    ),
    "a whole id of no SKU": (
        None,
        {},
        {"catalogItemId": "NOPE:0001:OLD"},
        {"item": "unknown", "qualification": "unknown", **NOT_KNOWN},
    ),
    "a whole id of today": (None, {}, {"catalogItemId": TODAY}, {}),
    "a whole id with another pair": (
        None,
        {},
        {"catalogItemId": TODAY, "termDuration": "P3Y"},
        {"item": "blocker"},
    ),
    "a whole id without a term": (
        None,
        {},
        {"catalogItemId": TODAY, "termDuration": None},
        {"item": "unknown"},
    ),
    "a legacy offer": (
        None,
        {},
        {"catalogItemId": "031c9e47"},
        {"item": "unknown", "qualification": "unknown", **NOT_KNOWN},
    ),
    "a catalogue that cannot be read": (
        None,
        {f"products/{PRODUCT}/skus/{PART}/availabilities": BROKEN},
        {"promotionId": "P"},
        {"item": "unknown", "promotion": "unknown", **NOT_KNOWN},
    ),
    "below the minimum": ({"minimumQuantity": 5}, {}, {"quantity": 4}, {"quantity": "blocker"}),
    "above the maximum": ({"maximumQuantity": 3}, {}, {"quantity": 4}, {"quantity": "blocker"}),
    "with seats above the maximum": (
        {"maximumQuantity": 9},
        {"subscriptions": owned(5)},
        {"quantity": 5},
        {"quantity": "blocker"},
    ),
    "with the seats of two subscriptions above the maximum": (
        {"maximumQuantity": 9},
        {"subscriptions": collection(*owned(3)["items"], *owned(2)["items"])},
        {"quantity": 5},
        {"quantity": "blocker"},
    ),
    "with ended seats within the maximum": (
        {"maximumQuantity": 9},
        {"subscriptions": owned(5, status="deleted")},
        {"quantity": 5},
        {},
    ),
    "seats are not known": (
        {"maximumQuantity": 9},
        {"subscriptions": FORBIDDEN},
        {"quantity": 5},
        {"quantity": "unknown"},
    ),
    "no base": (ADD_ON, {}, {}, {"addon_base": "blocker"}),
    "only another SKU is owned": (
        ADD_ON,
        {"subscriptions": owned(1, "CFQ7TTC0HD33:0003")},
        {},
        {"addon_base": "blocker"},
    ),
    "the base is owned": (ADD_ON, {"subscriptions": owned(1, BASE)}, {}, {}),
    "whether the base is owned is not known": (
        ADD_ON,
        {"subscriptions": FORBIDDEN},
        {},
        {"addon_base": "unknown"},
    ),
    "no context": ({"provisioningVariables": ["Scope"]}, {}, {}, {"provisioning": "blocker"}),
    "a context": (
        {"provisioningVariables": ["Scope"]},
        {},
        {"provisioningContext": {"scope": "shared"}},
        {},
    ),
    "no attestation": (
        {"attestationProperties": {"enforceAttestation": True}},
        {},
        {},
        {"attestation": "blocker"},
    ),
    "a registration": (
        {"purchasePrerequisites": ["AzureSubscriptionRegistration"]},
        {},
        {},
        {"registration": "unknown"},
    ),
    "an end date": (None, {}, {"customTermEndDate": "2027-01-31T00:00:00Z"}, {}),
    "another end date": (
        None,
        {},
        {"customTermEndDate": "2027-01-30T00:00:00Z"},
        {"end_date": "blocker"},
    ),
    "a promotion that nobody judges": (
        None,
        {"promotionEligibilities": BROKEN},
        {"promotionId": "P"},
        {"promotion": "unknown"},
    ),
    "a promotion of which nothing is told": (
        None,
        {"promotionEligibilities": {"items": []}},
        {"promotionId": "P"},
        {"promotion": "unknown"},
    ),
    "only another promotion applies": (
        None,
        {
            "promotionEligibilities": {
                "items": [{"id": 0, "eligibilities": [{"promotionId": "Q", "isEligible": True}]}]
            }
        },
        {"promotionId": "P"},
        {"promotion": "unknown"},
    ),
    "a promotion that does not apply": (
        None,
        {
            "promotionEligibilities": {
                "items": [{"id": 0, "eligibilities": [{"promotionId": "P", "isEligible": False}]}]
            }
        },
        {"promotionId": "P"},
        {"promotion": "warning"},
    ),
}


@pytest.mark.parametrize(
    ("sku", "answers", "members", "found"), OF_THE_LINES.values(), ids=OF_THE_LINES
)
@in_virtual_time
async def test_what_stands_against_a_line(
    sku: Any, answers: dict[str, Any], members: dict[str, Any], found: dict[str, str]
) -> None:
    made = world(sku, **answers)
    assert await findings(made, wanted(**members)) == {
        check: (severity, "/lineItems/0") for check, severity in found.items()
    }


@in_virtual_time
async def test_the_lines_of_one_sku_are_summed() -> None:
    made = world({"maximumQuantity": 5})
    assert await findings(made, wanted(quantity=3), wanted(quantity=2)) == {}
    found = await findings(made, wanted(quantity=3), wanted(quantity=3))
    assert found == {"quantity": ("blocker", "/lineItems/0")}


@in_virtual_time
async def test_a_whole_id_counts_as_a_line_of_its_sku() -> None:
    made = world({"maximumQuantity": 5})
    found = await findings(made, wanted(quantity=3, catalogItemId=TODAY), wanted(quantity=3))
    assert found == {"quantity": ("blocker", "/lineItems/0")}


@pytest.mark.parametrize("base", [BASE, f"{BASE}:CFQ7TTC0K971", f"{BASE}:OLD"])
@pytest.mark.parametrize("listed", [True, False])
@in_virtual_time
async def test_the_base_may_be_in_the_cart(base: str, listed: bool) -> None:
    made = world(ADD_ON)
    if listed:
        made.center.sell(availability(sku_id=BASE), sku_id=BASE)
    found = await findings(made, wanted(catalogItemId=base, addonItems=[wanted()]))
    assert found.get("addon_base") in (None, ("unknown", "/lineItems/0"))


@in_virtual_time
async def test_what_may_not_go_into_a_cart_is_a_blocker() -> None:
    made = world()
    made.center.sell(availability(isPurchasable=False), availability("OTHER"), sku_id=SKU)
    assert await findings(made, wanted(catalogItemId=TODAY)) == {
        "item": ("blocker", "/lineItems/0")
    }


@in_virtual_time
async def test_end_dates_are_asked_for_once_for_each_term() -> None:
    made = world()
    made.center.seconds = 1.0
    dated = wanted(customTermEndDate="2027-01-31T00:00:00Z")
    await findings(made, *[dated] * 5, *[dated | {"termDuration": "P1M"}] * 5)
    asked = [each for each in made.center.asked if each.path.endswith("customTermEndDates")]
    assert sorted(each.query["term_duration"] for each in asked) == ["P1M", "P1Y"]
    assert len({each.time for each in asked}) == 1


@pytest.mark.parametrize(
    ("qualifications", "severity"),
    [
        ([{"qualification": "Education", "vettingStatus": "Approved"}], None),
        ([{"qualification": "Education", "vettingStatus": "InReview"}], "blocker"),
        ([{"qualification": "Nonprofit", "vettingStatus": "Approved"}], "blocker"),
        (
            [
                {"qualification": "Education", "vettingStatus": "Approved"},
                {"qualification": "Education", "vettingStatus": "Denied"},
            ],
            None,
        ),
        (BROKEN, "unknown"),
    ],
    ids=str,
)
@in_virtual_time
async def test_a_segment_needs_an_approved_qualification(
    qualifications: Any, severity: str | None
) -> None:
    made = world(qualifications=qualifications)
    made.center.sell(availability(segment="education"), sku_id=SKU)
    found = await findings(made, wanted(segment="education"))
    assert found == ({"qualification": (severity, "/lineItems/0")} if severity else {})


@pytest.mark.parametrize(
    ("answer", "severity"),
    [
        ([{"productId": SKU.partition(":")[0], "isRestricted": False}], None),
        ([{"productId": SKU.partition(":")[0], "isRestricted": True}], "blocker"),
        ([], "unknown"),  # An item that is left out is not one in stock.
        ([{"productId": PRODUCT, "skuId": "0009", "isRestricted": False}], "unknown"),
        ([{"productId": PRODUCT, "skuId": PART}], "unknown"),
        (BROKEN, "unknown"),
    ],
    ids=str,
)
@in_virtual_time
async def test_the_inventory_is_asked_for(answer: Any, severity: str | None) -> None:
    made = world(CHECKED)
    made.center.documents["/extensions/product/checkInventory"] = answer
    context = {"subscriptionId": "s"}
    found = await findings(made, wanted(provisioningContext=context))
    assert found == ({"inventory": (severity, "/lineItems/0")} if severity else {})
    [asked] = made.center.requests_for("ask")[:1]
    assert asked.query == {"country": "US"}
    assert asked.cart
    assert asked.cart["inventoryContext"] == {
        **{"customerId": CUSTOMER, "azureSubscriptionId": "s", "armRegionName": "westus2"},
    }


@in_virtual_time
async def test_an_inventory_that_cannot_be_asked_for_is_not_known() -> None:
    made = world(CHECKED)
    assert await findings(made, wanted()) == {"inventory": ("unknown", "/lineItems/0")}
    assert made.center.requests_for("ask") == []


# --- An order that is looked at first ---------------------------------------------------------


async def order(made: World, *lines: Any, preflight: str = "true") -> Response:
    return await made.call(
        "place_order",
        {"customerId": CUSTOMER},
        KEYED,
        write_json(cart(*lines)).encode(),
        query={"preflight": preflight},
    )


@in_virtual_time
async def test_a_blocker_ends_an_order_before_its_cart_is_made() -> None:
    made = world({"maximumQuantity": 3})
    problem = await problem_of(order(made, wanted(quantity=4)))
    assert (problem.code, problem.kind.status) == ("preflight_failed", 422)
    assert problem.outcome is Outcome.NOT_SENT
    assert places(problem) == {("/lineItems/0", "quantity")}
    assert made.center.carts == {}
    assert (await order(made, wanted(quantity=3))).body["status"] == "completed"


@pytest.mark.parametrize("item", [SKU, f"{SKU}:CFQ7TTC0K971"])
@in_virtual_time
async def test_an_order_that_was_begun_is_answered_or_resumed_first(item: str) -> None:
    made = world({"maximumQuantity": 3})
    placed = wanted(catalogItemId=item, quantity=3)
    made.center.script["checkout"] = [FORBIDDEN]
    await problem_of(order(made, placed))
    # Its own seats, and more, would stand against it from now on.
    made.center.documents[f"{OF_CUSTOMER}/subscriptions"] = owned(3)
    first = await order(made, placed)
    assert first.body["status"] == "completed"
    for again in (await order(made, placed), await order(made, placed, preflight="false")):
        assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")


@pytest.mark.parametrize("item", [SKU, f"{SKU}:CFQ7TTC0K971"])
@in_virtual_time
async def test_a_process_that_dies_while_it_looks_has_sent_nothing(item: str) -> None:
    made = world({"maximumQuantity": 3})
    made.center.script["read"] = [Killed()]
    with pytest.raises(Killed):
        await order(made, wanted(catalogItemId=item))
    await asyncio.sleep(LEASE)
    made.center.documents[f"{OF_CUSTOMER}/subscriptions"] = owned(3)
    problem = await problem_of(order(made, wanted(catalogItemId=item)))
    assert (problem.code, problem.outcome) == ("preflight_failed", Outcome.NOT_SENT)


@pytest.mark.parametrize("value", ["yes", "1", "true,true"])
@in_virtual_time
async def test_any_value_but_true_and_false_is_refused(value: str) -> None:
    made = world()
    problem = await problem_of(order(made, wanted(), preflight=value))
    assert places(problem) == {("", "invalid_parameter")}
    assert (made.store.calls, made.center.asked) == ([], [])
