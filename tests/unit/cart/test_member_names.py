"""Names of members: aliases, misspellings, and members that nobody documents."""

from typing import Any

import pytest

from cart_core.cart.request import CartRequest, CartRules, read_cart
from cart_core.problem import Problem
from tests.kit.builders import (
    CART_ID,
    CUSTOMER,
    FULL_LINE,
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
    "billingCycle": ["billingCycel", "bilingCycle", "Billing Cycle"],
    "quantity": ["quantitiy", "Quantty"],
    "termDuration": ["termDuraton", "termsDuration", "term_duration", "term-duration"],
    "catalogItemId": ["catalogItemID_", "catalogItemIds", "catalogItem"],
    "addonItems": ["addOnItem", "add_on_items"],
    "promotionId": ["promotionID_", "promotonId"],
    **{"friendlyName": ["friendlyNmae"], "currencyCode": ["curencyCode"]},
    **{"participants": ["participant"], "provisioningContext": ["provisoningContext"]},
    **{"orderGroup": ["orderGroups"], "renewsTo": ["renewTo"]},
    **{"attestationAccepted": ["atestationAccepted"], "purchaseSystem": ["purchaseSytem"]},
    "purchaseCommitment": ["purchaseComitment"],
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
        *("attestationProperties", "autoRenewEnabled", "billingPlan", "discounts", "offerId"),
        *("externalReferenceId", "marketplaceTerms", "productId", "resellerId", "tags"),
        *("scheduledNextTermInstructions", "subscriptionId", "termStartDate", "totalPrice"),
        *("newDate", "termEndDate", "customTermEndDateUtc"),
    ],
)
def test_a_new_name_is_not_taken_for_a_misspelling(name: str) -> None:
    unset = "0001-01-01T00:00:00"  # not taken for no date, either

    assert first_line(cart(line(**{name: unset})))[name] == unset
    assert read(cart(**{name: unset})).body[name] == unset


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


def test_at_most_two_hundred_unknown_names_are_compared() -> None:
    def replace(count: int) -> CartRequest:
        names = {f"quant{number}ty": number for number in range(count)}
        documented = dict.fromkeys(first_line(cart(FULL_LINE)))
        return read_cart(
            cart(documented | line() | names), CUSTOMER, CartRules(), [], cart_id=CART_ID
        )

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
