"""What an order comes to: for whom, what, when, and why a person is needed."""

from datetime import timedelta
from typing import Any

import pytest

from cart_core.storefronts.customers import PUBLIC_MAIL, CustomerRules
from cart_core.storefronts.order import Buyer, Ignored, Line
from cart_core.storefronts.resolution import Parked, Parts, Refused, Verdict, resolve
from tests.unit.storefronts.builders import (
    CONTOSO,
    CREATED,
    FABRIKAM,
    LINE,
    RULES,
    SINCE,
    SKU,
    KnownCustomers,
    order,
    rules,
)

UNKNOWN_SKU = Line("2", "CFQ7TTC0LH18", 1)
FOREIGN_LINE = Line("3", "HOST-10GB", 1)


@pytest.mark.parametrize(
    ("members", "rule", "result"),
    [
        ({"test": True}, "paid", Ignored.TEST),
        ({"draft": True}, "placed", Ignored.DRAFT),
        ({"created": SINCE - timedelta(seconds=1)}, "paid", Ignored.BEFORE_SINCE),
        ({"created": SINCE - timedelta(1), "cancelled": True}, "paid", Ignored.BEFORE_SINCE),
        ({"cancelled": True}, "paid", Verdict.CANCELLED),
        ({"cancelled": True, "paid": False}, "placed", Verdict.CANCELLED),
        ({"paid": False}, "paid", Verdict.WAITING),
        ({"paid": False, "on_terms": True}, "paid", Verdict.WAITING),
        ({"paid": False}, "paid_or_terms", Verdict.WAITING),
        ({"paid": False, "on_terms": True}, "paid_or_terms", "bought"),
        ({"paid": False}, "placed", "bought"),
        ({}, "paid", "bought"),
        ({"created": SINCE}, "paid", "bought"),
        ({"lines": ()}, "paid", Verdict.NOTHING),
        ({"lines": (Line("1", SKU, 0),)}, "paid", Verdict.NOTHING),
        ({"lines": (FOREIGN_LINE, Line("4", None, 1), Line("5", "", 2))}, "paid", Verdict.NOTHING),
    ],
)
async def test_an_order_that_is_not_released_is_not_looked_into(
    members: dict[str, Any], rule: Any, result: Any
) -> None:
    found = await resolve(order(**members), rules(release=rule), KnownCustomers())

    assert isinstance(found, Parts) if result == "bought" else found == result


@pytest.mark.parametrize(
    ("members", "rule", "codes"),
    [
        ({"lines": (LINE, UNKNOWN_SKU)}, "ignore", [("sku_resembles", "2")]),
        ({"lines": (LINE, Line("2", SKU, None))}, "ignore", [("quantity_unknown", "2")]),
        ({"lines": (LINE, FOREIGN_LINE)}, "park", [("foreign_line", "3")]),
        ({"edited": True}, "ignore", [("order_edited", None)]),
        (
            {"lines": (UNKNOWN_SKU, FOREIGN_LINE), "edited": True},
            "park",
            [("order_edited", None), ("sku_resembles", "2"), ("foreign_line", "3")],
        ),
    ],
)
async def test_one_line_that_is_not_certain_parks_the_whole_order(
    members: dict[str, Any], rule: Any, codes: list[tuple[str, str | None]]
) -> None:
    found = await resolve(order(**members), rules(foreign_lines=rule), KnownCustomers())

    assert isinstance(found, Parked)
    assert [(reason.code, reason.line) for reason in found.reasons] == codes
    assert all(reason.as_json()["advice"] for reason in found.reasons)


async def test_foreign_lines_are_left_out_or_refuse_the_order() -> None:
    both = order(lines=(LINE, FOREIGN_LINE))

    found = await resolve(both, RULES, KnownCustomers())
    assert isinstance(found, Parts)
    assert [part.as_json() for part in found.parts] == [
        {
            "customerId": CONTOSO,
            "lines": ["1"],
            "cart": {
                "lineItems": [
                    {
                        "catalogItemId": "CFQ7TTC0LH18:0001",
                        "quantity": 2,
                        "billingCycle": "monthly",
                        "termDuration": "P1Y",
                    }
                ]
            },
        }
    ]
    refused = await resolve(both, rules(foreign_lines="refuse"), KnownCustomers())
    assert refused == Refused(("3",))


LOCATION, COMPANY, ACCOUNT = "company_location", "company", "customer"
ROWS = {(LOCATION, "7"): "fabrikam.com", (COMPANY, "8"): "contoso.com", (ACCOUNT, "9"): CONTOSO}


@pytest.mark.parametrize(
    ("attributes", "properties", "buyer", "result"),
    [
        ({"tenant": "contoso.com"}, {}, Buyer(), CONTOSO),
        ({" TENANT ": f" {CONTOSO.upper()} "}, {}, Buyer(), CONTOSO),
        ({"tenant": "contoso.com"}, {"Domain": "fabrikam.com"}, Buyer(), FABRIKAM),
        ({"tenant": "contoso.com", "domain": "Contoso.com"}, {}, Buyer(), CONTOSO),
        ({"tenant": "contoso.com", "domain": "fabrikam.com"}, {}, Buyer(), "customer_ambiguous"),
        ({"tenant": "stranger.com"}, {}, Buyer(), "customer_not_found"),
        ({"tenant": "contoso.com"}, {}, Buyer(company="8"), CONTOSO),
        ({"tenant": "fabrikam.com"}, {}, Buyer(company="8"), "customer_differs"),
        ({"tenant": "stranger.com"}, {}, Buyer(company="8"), "customer_not_found"),
        ({"tenant": " "}, {}, Buyer(company="8"), CONTOSO),
        ({}, {}, Buyer(company_location="7", company="8"), FABRIKAM),
        ({}, {}, Buyer(company_location="70", company="8"), CONTOSO),
        ({}, {}, Buyer(customer="9"), CONTOSO),
        ({}, {}, Buyer(customer="10"), "customer_unknown"),
        ({"company": "Contoso"}, {}, Buyer(), "customer_unknown"),
        ({}, {}, Buyer(customer="10", email="a@contoso.com"), "customer_unknown"),
        ({}, {}, Buyer(email="a@contoso.com", email_verified=True), "customer_unknown"),
        ({}, {}, Buyer(customer="10", email="a@Contoso.com", email_verified=True), CONTOSO),
        (
            {},
            {},
            Buyer(customer="10", email="@contoso.com", email_verified=True),
            "customer_unknown",
        ),
        (
            {},
            {},
            Buyer(customer="10", email="a@gmail.com", email_verified=True),
            "customer_unknown",
        ),
        ({}, {}, Buyer(customer="9", email="a@fabrikam.com", email_verified=True), CONTOSO),
    ],
)
async def test_the_places_where_the_customer_is_found(
    attributes: dict[str, str], properties: dict[str, str], buyer: Buyer, result: str
) -> None:
    customer_rules = CustomerRules(("tenant", "domain"), ROWS, by_email_domain=True)  # type: ignore[arg-type]  # the keys of a table
    line = Line("1", SKU, 1, properties)
    found = await resolve(
        order(attributes=attributes, lines=(line,), buyer=buyer),
        rules(customers=customer_rules),
        KnownCustomers(),
    )

    if isinstance(found, Parts):
        assert [part.customer_id for part in found.parts] == [result]
    else:
        assert isinstance(found, Parked)
        assert [(reason.code, reason.line) for reason in found.reasons] == [(result, "1")]


async def test_an_email_domain_counts_only_where_it_is_switched_on() -> None:
    buyer = Buyer(customer="10", email="a@contoso.com", email_verified=True)

    found = await resolve(order(attributes={}, buyer=buyer), RULES, KnownCustomers())

    assert isinstance(found, Parked)
    assert "gmail.com" in PUBLIC_MAIL


async def test_lines_of_two_tenants_are_two_parts_and_each_tenant_is_asked_for_once() -> None:
    customers = KnownCustomers()
    lines = tuple(
        Line(str(place), SKU, place, {"tenant": tenant})
        for place, tenant in enumerate(("contoso.com", "fabrikam.com", "contoso.com"), 1)
    )

    found = await resolve(order(lines=lines), RULES, customers)

    assert isinstance(found, Parts)
    assert {part.customer_id: [line.quantity for line in part.lines] for part in found.parts} == {
        CONTOSO: [1, 3],
        FABRIKAM: [2],
    }
    assert customers.asked == ["contoso.com", "fabrikam.com"]


async def test_one_tenant_that_is_no_customer_parks_the_other_tenants_lines_too() -> None:
    lines = (LINE, Line("2", SKU, 1, {"tenant": "stranger.com"}))

    found = await resolve(order(lines=lines, changed=CREATED), RULES, KnownCustomers())

    assert isinstance(found, Parked)
    assert [reason.line for reason in found.reasons] == ["2"]
