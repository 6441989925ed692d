"""Names of members: aliases, misspellings, and members that nobody documents."""

from typing import Any

import pytest

from cart_core.cart.request import CartRequest, CartRules, read_cart
from cart_core.problem import Problem
from tests.kit.builders import (
    CART_ID,
    CUSTOMER,
    cart,
    first_line,
    line,
    line_without,
    places,
    read,
    refusal,
)

LINE = "/lineItems/0"
RULES: list[dict[str, Any]] = [{}, {"unknown_members": "reject"}]


# --- The other name of catalogItemId ----------------------------------------------------------


@pytest.mark.parametrize("alias", ["catalogId", "CATALOGID"])
@pytest.mark.parametrize("also", [{}, {"catalogItemId": "A:1:B"}, {"catalogItemId": None}], ids=str)
def test_catalog_id_is_another_name_of_catalog_item_id(alias: str, also: dict[str, Any]) -> None:
    accepted = read(cart(line_without("catalogItemId") | {alias: "A:1:B"} | also))

    assert accepted.body["lineItems"] == [{"id": 0} | line()]
    assert accepted.warnings == ()


def test_two_names_must_not_disagree() -> None:
    given = line(catalogId="C:2:D")
    for item in (given, dict(reversed(given.items()))):
        assert places(refusal(cart(item))) == {(f"{LINE}/catalogId", "duplicate_member")}
    wrong = refusal(cart(line(catalogItemId=5, catalogId=5)))
    assert places(wrong) == {(f"{LINE}/catalogItemId", "wrong_type")}


# --- Misspellings -----------------------------------------------------------------------------

MISSPELLINGS = {
    "customTermEndDate": ["customTermEndDte", "customTermEndDates", "CustomTermEndDtae"],
    **{"billingCycle": ["billingCycel", "Billing Cycle"], "quantity": ["quantitiy", "Quantty"]},
    "termDuration": ["termDuraton", "termsDuration", "term_duration", "term-duration"],
    "catalogItemId": ["catalogItemID_", "catalogItemIds", "catalogItem"],
    **{"addonItems": ["addOnItem", "add_on_items"], "promotionId": ["promotonId"]},
    **{"participants": ["participant"], "renewsTo": ["renewTo"], "orderGroup": ["orderGroups"]},
}


@pytest.mark.parametrize(
    ("wrong", "right"), [(wrong, right) for right, some in MISSPELLINGS.items() for wrong in some]
)
def test_a_misspelt_member_is_refused_with_the_right_name(wrong: str, right: str) -> None:
    for rules in RULES:
        for item in (line(**{wrong: "x"}), line_without(right, **{wrong: "x"})):
            problem = refusal(cart(item), **rules)

            assert places(problem) == {(f"{LINE}/{wrong}", "misspelled_member")}
            assert f"'{right}'" in problem.errors[0].detail


@pytest.mark.parametrize(
    ("document", "pointer", "right"),
    [
        ({"lineItem": [line()]}, "/lineItem", "lineItems"),
        ({"line_items": [line()]}, "/line_items", "lineItems"),
        *(
            (cart(line(**{name: wrong})), f"{LINE}/{name}/{at}", right)
            for name, wrong, at, right in [
                ("participants", [{"key": "x", "value": "y", "values": 1}], "0/values", "value"),
                ("renewsTo", [{"termDurations": "P1Y"}], "0/termDurations", "termDuration"),
                ("purchaseCommitment", {"ammount": 1}, "ammount", "amount"),
                ("addonItems", [line(quantiyt=1)], "0/quantiyt", "quantity"),
            ]
        ),
    ],
)
def test_a_misspelling_is_refused_at_every_level(document: Any, pointer: str, right: str) -> None:
    problem = refusal(document)

    assert places(problem) == {(pointer, "misspelled_member")}
    assert f"'{right}'" in problem.errors[0].detail


@pytest.mark.parametrize(
    "name",
    [
        *("attestationProperties", "autoRenewEnabled", "billingPlan", "discounts"),
        *("externalReferenceId", "marketplaceTerms", "offerTitle", "resellerId", "tags"),
        *("scheduledNextTermInstructions", "termStartDate"),
        *("newDate", "termEndDate", "customTermEndDateUtc"),
    ],
)
def test_a_new_name_is_not_taken_for_a_misspelling(name: str) -> None:
    unset = "0001-01-01T00:00:00"  # not taken for no date, either

    assert first_line(cart(line(**{name: unset})))[name] == unset
    assert read(cart(**{name: unset})).body[name] == unset


# --- Members of orders ------------------------------------------------------------------------


def order(**members: Any) -> dict[str, Any]:
    """An order as Microsoft's SDK writes it."""
    line = {
        **{"LineItemNumber": 0, "OfferId": "A:1:B", "FriendlyName": None, "Quantity": 1},
        **{"PartnerIdOnRecord": "5139005", "ParentSubscriptionId": None, "SubscriptionId": None},
        **{"AdditionalPartnerIdsOnRecord": ["4847383"], "Attributes": {"ObjectType": "x"}},
    }
    return {
        **{"ReferenceCustomerId": CUSTOMER, "BillingCycle": "monthly", "Links": None},
        **{"TotalPrice": 5, "CreationDate": None, "Attributes": {"ObjectType": "Order"}},
        "LineItems": [line | {"BillingCycle": "monthly"}],
    } | members


def test_an_order_is_told_that_this_takes_a_cart_and_where_its_members_belong() -> None:
    for rules in RULES:
        errors = refusal(order(), **rules).errors

        assert {error.code for error in errors} == {"order_member"}
        assert {error.pointer.rpartition("/")[2] for error in errors} == {
            *("BillingCycle", "TotalPrice", "LineItemNumber", "OfferId", "PartnerIdOnRecord"),
            "AdditionalPartnerIdsOnRecord",
        }
        told = " ".join(error.detail for error in errors)
        assert "a cart is needed: use 'catalogItemId'." in told
        for name in ("each line its own 'billingCycle'", "use 'id'", "'transaction_reseller'"):
            assert name in told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        *(("parentSubscriptionId", "'provisioningContext'"), ("SUBSCRIPTIONID", "leave it out")),
        *(("transactionType", "leave it out"), ("offerID", "'catalogItemId'")),
    ],
)
def test_a_member_of_an_order_is_refused_in_a_cart(name: str, told: str) -> None:
    (error,) = refusal(cart(line(addonItems=[line(**{name: "x"})]))).errors

    assert (error.pointer, error.code) == (f"{LINE}/addonItems/0/{name}", "order_member")
    assert told in error.detail
    assert read(cart(line(**{name: None}))).body == read(cart()).body


def test_the_order_of_another_customer_is_a_mismatch() -> None:
    wrong = refusal(order(ReferenceCustomerId=CART_ID))
    assert ("/ReferenceCustomerId", "customer_mismatch") in places(wrong)
    assert read(cart(referenceCustomerId=CUSTOMER.upper())).body == read(cart()).body


@pytest.mark.parametrize("name", ["lastModifiedUsr", "orderabel", "Statuss", "Linkss", "warning"])
def test_a_member_that_is_not_sent_is_never_meant(name: str) -> None:
    assert read(cart(**{name: 1})).body[name] == 1
    assert places(refusal(cart(**{name: 1}), unknown_members="reject")) == {
        (f"/{name}", "unknown_member")
    }


# --- Members that nobody documents ------------------------------------------------------------

UNKNOWN: dict[str, Any] = {
    "marketplaceTerms": {"accepted": True, "when": None, "list": [1, 2.5, "x"]},
    "x": None,
    "Zone": "eu",
    "autoRenew": False,
    "a/b~c": [],
}


@pytest.mark.parametrize(
    ("document", "where"),
    [
        (cart(**UNKNOWN), ""),
        (cart(line(**UNKNOWN)), LINE),
        (cart(line(AddonItems=[line(**UNKNOWN)])), f"{LINE}/AddonItems/0"),
        (cart(line(participants=[UNKNOWN | {"key": "k", "value": "v"}])), f"{LINE}/participants/0"),
        (cart(line(renewsTo=[UNKNOWN])), f"{LINE}/renewsTo/0"),
        (cart(line(purchaseCommitment=UNKNOWN)), f"{LINE}/purchaseCommitment"),
    ],
    ids=["cart", "line", "add-on", "participant", "renewsTo", "purchaseCommitment"],
)
def test_an_unknown_member_is_sent_with_a_warning_or_refused(document: Any, where: str) -> None:
    names = ("marketplaceTerms", "x", "Zone", "autoRenew", "a~1b~0c")
    expected = {(f"{where}/{name}", "unknown_member") for name in names}

    accepted = read(document)

    body: Any = accepted.body
    for step in where.replace("AddonItems", "addonItems").split("/")[1:]:
        if isinstance(body, list):
            body = body[int(step)]
        elif step in body:
            body = body[step]
    assert {name: body[name] for name in UNKNOWN} == UNKNOWN
    assert {(warning.pointer, warning.code) for warning in accepted.warnings} == expected
    assert places(refusal(document, unknown_members="reject")) == expected


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"zone": ""}, "invalid_text"),
        ({"zone": " "}, "invalid_text"),
        ({"zone": "a\u200bb"}, "invalid_text"),
        ({"zone": {"a": [1, {"b": "\u202e"}]}}, "invalid_text"),
        ({"zone": ["x", ""]}, "invalid_text"),
        ({"zone": {" ": 1}}, "invalid_text"),
        ({"": 1}, "invalid_name"),
        ({"\u200b": 1}, "invalid_name"),
        ({"zo\x01ne": 1}, "invalid_name"),
        ({"zone ": 1}, "invalid_name"),
    ],
)
def test_no_unknown_member_hides_anything_unless_the_cart_has_it(
    members: dict[str, Any], code: str
) -> None:
    [name] = members
    assert places(refusal(cart(line(**members)))) == {(f"{LINE}/{name}", code)}
    again = read_cart(cart(line(**members)), CUSTOMER, CartRules(), [], cart_id=CART_ID)
    assert again.body["lineItems"][0][name] == members[name]


def test_at_most_two_hundred_unknown_names_are_compared() -> None:
    def replace(count: int) -> CartRequest:
        names = {f"quant{number}ty": number for number in range(count)}
        return read_cart(cart(line(**names)), CUSTOMER, CartRules(), [], cart_id=CART_ID)

    assert len(replace(200).warnings) == 100
    with pytest.raises(Problem) as refused:
        replace(201)
    assert places(refused.value) == {(f"{LINE}/quant200ty", "unknown_member")}


def test_a_cart_carries_at_most_a_hundred_unknown_members() -> None:
    def document(count: int) -> Any:
        return cart(line(**{f"x{number}": number for number in range(count - 1)}), y=1)

    assert len(read(document(100)).warnings) == 100
    (error,) = refusal(document(101)).errors
    assert error.code == "unknown_member"
    assert "100" in error.detail
