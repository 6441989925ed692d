"""What is sent for a caller's cart, and which values are refused. See also test_member_names."""

from decimal import Decimal
from typing import Any

import pytest

from cart_core.cart.request import CartRequest, CartRules, read_cart
from cart_core.cart.request_types import INT32_MAX
from cart_core.json_text import write_json
from cart_core.problem import Problem
from tests.kit.builders import (
    CART_ID,
    CUSTOMER,
    FULL_LINE,
    SEED_REQUEST,
    SEED_RESPONSE,
    cart,
    first_line,
    line,
    line_without,
    lines_of,
    places,
    read,
    refusal,
    shouted,
)
from tests.kit.ids import short

LINE = "/lineItems/0"
UNSET = "0001-01-01T00:00:00"
"""How .NET writes a date that nobody has set."""

(REQUESTED,) = SEED_REQUEST["LineItems"]
SEED_LINE = {name[0].lower() + name[1:]: value for name, value in REQUESTED.items()}


@pytest.mark.parametrize("unknown_members", ["forward", "reject"])
@pytest.mark.parametrize(
    ("document", "sent"), [(SEED_REQUEST, [SEED_LINE]), (SEED_RESPONSE, SEED_RESPONSE["lineItems"])]
)
def test_microsofts_request_is_sent_and_its_answer_can_be_sent_back(
    document: Any, sent: Any, unknown_members: str
) -> None:
    assert read(document, unknown_members=unknown_members) == CartRequest({"lineItems": sent}, ())


ASSIGNED = {
    **{"id": CART_ID, "creationTimeStamp": "x", "lastModifiedTimestamp": 1},
    **{"expirationTimestamp": 5, "lastModifiedUser": "someone", "STATUS": "Active"},
    **{"links": {"self": {"uri": "/x", "headers": []}}, "Attributes": {"etag": "x"}},
    **{"orderable": False, "warnings": [{"code": "x"}], "CustomerID": CUSTOMER.upper()},
}


@pytest.mark.parametrize(
    "members", [ASSIGNED, dict.fromkeys([*ASSIGNED, "partnerOnRecordAttestationAccepted"])]
)
def test_members_of_an_answer_and_nulls_are_not_sent(members: dict[str, Any]) -> None:
    assert read(cart(**members)) == CartRequest({"lineItems": [{"id": 0} | line()]}, ())


@pytest.mark.parametrize("accepted", [True, False])
def test_the_partners_attestation_is_sent(accepted: bool) -> None:
    body = read(cart(PARTNERonRecordAttestationAccepted=accepted)).body

    assert body["partnerOnRecordAttestationAccepted"] is accepted


def test_every_member_is_sent_under_its_documented_name_and_in_one_order() -> None:
    for given in (FULL_LINE, shouted(FULL_LINE)):
        accepted = read({"LineItems": [given | {"unheard": 1}]})
        assert write_json(accepted.body) == write_json({"lineItems": [FULL_LINE | {"unheard": 1}]})


READABLE = [
    *("a\u00a0b", "\u3000\u65e5", "\u0646\u0631\u0645\u200c\u0627\u0641", "\u200f\u05e2\u05d1"),
    *("\U0001f469\u200d\U0001f4bb", "\u2764\ufe0f", "co\u00adop"),
]
"""Texts for people, with characters that show nothing by themselves but shape what is seen."""

SENT: dict[str, list[Any]] = {
    **{"catalogItemId": [UNSET, "A B"], "friendlyName": [UNSET, f" {UNSET} or so ", *READABLE]},
    **{"orderGroup": [UNSET], "promotionId": [UNSET], "purchaseSystem": [UNSET]},
    **{"id": [INT32_MAX], "termDuration": ["P3Y"], "attestationAccepted": [True]},
    **{"addonItems": [[]], "purchaseCommitment": [{"amount": 5}]},
}
NOT_SENT = [
    *((name, None) for name in (*FULL_LINE, "error") if name not in line()),
    *(("Error", {"code": "10001", "description": "no"}), ("PRICING", "whatever")),
    *(("CUSTOMTERMENDDATE", UNSET + end) for end in ("", "Z", ".0000000", "+00:00")),
]
CYCLES = {
    "monthly": ["monthly", "MONTHLY"],
    "one_time": ["one_time", "OneTime", "onetime", "ONE_TIME", "One-Time", "one time"],
    **{"none": ["None"], "triennial": ["Triennial"], "biennial": ["Biennial"]},
}


@pytest.mark.parametrize(
    ("name", "given", "sent"),
    [
        *((name, value, {name: value}) for name, values in SENT.items() for value in values),
        *((name, value, {}) for name, value in NOT_SENT),
        *(("billingCycle", x, {"billingCycle": cycle}) for cycle in CYCLES for x in CYCLES[cycle]),
        *(("id", value, {"id": int(value)}) for value in ("7", "0", str(INT32_MAX))),
        ("currencyCode", "eUr", {"currencyCode": "EUR"}),
        ("participants", {"k": "1"}, {"participants": [{"key": "k", "value": "1"}]}),
        ("renewsTo", [{"termDuration": "P1M"}], {"renewsTo": {"termDuration": "P1M"}}),
        ("provisioningContext", {"a": "b", "c": None}, {"provisioningContext": {"a": "b"}}),
        *(
            ("customTermEndDate", given, {"customTermEndDate": sent})
            for given, sent in [
                ("2022-02-19T01:30:00+01:30", "2022-02-19T00:00:00Z"),
                ("2022-02-19T00:00:00", "2022-02-19T00:00:00Z"),
                ("2022-02-19T00:00:00.25Z", "2022-02-19T00:00:00.250000Z"),
                (f"{UNSET}.0000001Z", "0001-01-01T00:00:00Z"),
                ("0001-01-01T00:00:01", "0001-01-01T00:00:01Z"),
            ]
        ),
    ],
)
def test_a_value_is_sent_in_partner_centers_spelling(
    name: str, given: Any, sent: dict[str, Any]
) -> None:
    accepted = read(cart(line(**{name: given})))

    assert accepted == CartRequest({"lineItems": [{"id": 0} | line() | sent]}, ())


@pytest.mark.parametrize(
    "amount", ["0.05", "0.10", "5", "123456789012.345", "1E+20", "0.000000000000001", "1e-7"]
)
def test_an_amount_is_sent_in_the_digits_that_were_given(amount: str) -> None:
    sent = read(cart(line(purchaseCommitment={"amount": Decimal(amount)}))).body

    assert f'"amount": {Decimal(amount)}' in write_json(sent)


@pytest.mark.parametrize("term", ["P2Y", "P6M", "P14D", "P2W", "P1Y6M", "PT12H", "P1DT2H30M"])
def test_a_term_that_is_not_documented_is_sent_with_a_warning(term: str) -> None:
    accepted = read(cart(line(TermDuration=term), line(renewsTo=[{"termDuration": term}])))

    assert accepted.body["lineItems"][0]["termDuration"] == term
    assert accepted.body["lineItems"][1]["renewsTo"] == {"termDuration": term}
    assert {(warning.pointer, warning.code) for warning in accepted.warnings} == {
        ("/lineItems/0/TermDuration", "unknown_term"),
        ("/lineItems/1/renewsTo/0/termDuration", "unknown_term"),
    }


# --- Ids --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "sent"),
    [
        (cart(line(), line(), line()), [0, 1, 2]),
        (cart(line(id=1), line(), line()), [1, 0, 2]),
        (cart(line(), line(id="0"), line()), [1, 0, 2]),
        (cart(line(id=INT32_MAX), line()), [INT32_MAX, 0]),
        (cart(line(addonItems=[line(), line(addonItems=[line()])]), line()), [0, 1, 2, 3, 4]),
        (cart(line(addonItems=[line(id=0), line()]), line(id=2)), [1, 0, 3, 2]),
        (cart(line(id=5, addonItems=[line(), line()]), line(id=1)), [5, 0, 2, 1]),
    ],
)
def test_missing_ids_are_the_lowest_unused_in_document_order(document: Any, sent: Any) -> None:
    assert [item["id"] for item in lines_of(read(document).body)] == sent


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        (cart(line(id=1), line(id=1)), {"/lineItems/1/id"}),
        (cart(line(id=1), line(id="1")), {"/lineItems/1/id"}),
        (cart(line(id=1, addonItems=[line(id=1)])), {f"{LINE}/addonItems/0/id", f"{LINE}/id"}),
        (
            cart(line(addonItems=[line(id=1)]), line(addonItems=[line(Id=1)])),
            {"/lineItems/1/addonItems/0/Id"},
        ),
    ],
)
def test_an_id_that_is_given_twice_is_refused(document: Any, pointers: set[str]) -> None:
    (error,) = refusal(document).errors

    assert error.code == "duplicate_id"
    assert error.pointer in pointers


# --- What is refused --------------------------------------------------------------------------

ATTESTATION = "partnerOnRecordAttestationAccepted"
MISSING_IN_LINE_2 = {
    (f"/lineItems/2/{name}", "required") for name in ("catalogItemId", "quantity", "billingCycle")
}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        *((wrong, {("", "wrong_type")}) for wrong in (None, True, 1, 1.5, "cart", [], [cart()])),
        ({}, {("/lineItems", "required")}),
        ({"lineItems": None}, {("/lineItems", "required")}),
        ({"lineItems": []}, {("/lineItems", "too_short")}),
        *(({"LineItems": wrong}, {("/LineItems", "wrong_type")}) for wrong in (line(), "x", 1)),
        *(({"lineItems": [wrong]}, {(LINE, "wrong_type")}) for wrong in (None, "x", [line()])),
        ({"lineItems": [line(), 5, {}]}, {("/lineItems/1", "wrong_type"), *MISSING_IN_LINE_2}),
        *((cart(**{ATTESTATION: wrong}), {(f"/{ATTESTATION}", "wrong_type")}) for wrong in ("", 1)),
        *(
            (cart(CustomerId=wrong), {("/CustomerId", "customer_mismatch")})
            for wrong in (CART_ID, 5, "")
        ),
    ],
    ids=short,
)
def test_a_wrong_cart_is_refused(document: Any, expected: set[tuple[str, str]]) -> None:
    assert places(refusal(document)) == expected


NOT_TEXT: list[Any] = [True, 0, 1.5, [], ["x"], {}, {"a": "b"}]
NOT_NUMBER: list[Any] = [True, False, "", "2", "2.0", "x", [], [1], {}, 2.0, 0.5]
NOT_BOOL: list[Any] = [0, 1, "true", "yes", "", UNSET, [], {}]
NOT_OBJECT: list[Any] = [True, 1, 1.5, "x", "", UNSET, [1], ["x"]]
NOT_ARRAY: list[Any] = [True, 1, 1.5, "x", "", UNSET]
NOT_AN_ID = ["", "00", "01", "+1", "-1", " 1", "1 ", "1\n", "1.0", "1e1", "0x1", "\u0661", "x"]
NOT_A_DATE = [
    *("tomorrow", "2022-02-30T00:00:00Z", "2022-02-19", "20220219T000000Z"),
    *("9999-12-31T23:59:59-01:00", "2022-02-19T00:00:00+99:00"),
]
NOT_A_DURATION = [
    *("1Year", "P", "PT", "P1YT", "1Y", "PY", "P1M1Y", "-P1Y", "P1Y ", "P1H", "P\u0661Y", UNSET)
]
NOT_A_CYCLE = ["unknown", "weekly", "monthl", "month", "1", " ", "P1M", UNSET]

BLANK = [
    *(
        " ",
        " \u00a0 ",
        "\u2003",
        "\u3000",
        "\u00ad",
        "\u200d",
        "\u200e\u200f",
        "\u115f",
        "\u2800",
        "\u3164",
    ),
    *("\ufe0f", "\uffa0", "\t", "\u180e"),
]
NO_TEXT = [
    *BLANK,
    *(
        f"a{character}b"
        for character in "\0\t\r\n\x1b\x1f\x7f\x80\x85\x9f\u200b\u2028\u2029\u2060\u2064\ufeff"
        "\ufffa\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u206a\U0001d173\U000e0041"
    ),
]
"""What no text may be: blank, or with controls, invisible fillers or overrides of direction."""

NO_ID = [
    *NO_TEXT,
    *(" A", "A ", "\u00a0A", "A\u3000", "A\u00a0B", "A\u200dB", "A\u00adB", "A\u200eB", "A\ufe0f"),
]
"""What no id may be. White space around it is not taken away, because it may be a part of it."""

UNROLLED: list[Any] = [
    {"key": "transaction_reseller", "value": "1111111"},
    {"VALUE": "1111111", "Key": "transaction_reseller", "other": 1},
    *({"key": "transaction_reseller"}, {"value": None}, {"transaction_reseller": "1", "Value": ""}),
]
"""A participant where the list of them belongs. PowerShell unrolls a list of one element."""

TEXTS = [
    *("catalogItemId", "friendlyName", "currencyCode", "billingCycle", "termDuration"),
    *("orderGroup", "promotionId", "customTermEndDate", "purchaseSystem"),
]
WRONG_TYPES: dict[str, list[Any]] = dict.fromkeys(TEXTS, NOT_TEXT) | {
    "id": [True, 0.0, 1.5, UNSET, *NOT_AN_ID, [], {}],
    "quantity": NOT_NUMBER,
    "participants": [*NOT_ARRAY, [1], ["x"], [None], *UNROLLED],
    "provisioningContext": [*NOT_OBJECT, []],
    "addonItems": [*NOT_ARRAY, {}, [1], ["x"], [None]],
    "renewsTo": [*NOT_OBJECT, [], [None], [{}, {}], [[{}]]],
    "attestationAccepted": NOT_BOOL,
    "purchaseCommitment": [*NOT_OBJECT, [], [{}]],
}
REFUSED: dict[str, dict[str, list[Any]]] = {
    "wrong_type": WRONG_TYPES,
    "required": {"catalogItemId": [None], "quantity": [None], "billingCycle": [None]},
    "out_of_range": {
        "id": [-1, 2**31, "2147483648", 10**400],
        "quantity": [0, -1, 2**31, 2**63, 10**400],
    },
    "empty_text": {name: [""] for name in TEXTS},
    "invalid_text": {
        **{"catalogItemId": NO_ID, "orderGroup": [" A"], "promotionId": ["\x1b"]},
        **{"purchaseSystem": ["A\u200b"]},
        **{"friendlyName": [*NO_TEXT, "\ud800"]},
    },
    "unknown_value": {"billingCycle": NOT_A_CYCLE},
    "invalid_format": {
        "currencyCode": ["US", "USDX", "U$D", "840", "ÜSD", UNSET],
        "termDuration": NOT_A_DURATION,
        "customTermEndDate": NOT_A_DATE,
    },
}


@pytest.mark.parametrize(
    ("code", "name", "value"),
    [
        pytest.param(code, name, value, id=f"{name}-{ascii(value)[:40]}")
        for code, members in REFUSED.items()
        for name, values in members.items()
        for value in values
    ],
)
def test_a_wrong_value_is_refused_in_a_line_and_in_an_add_on(
    code: str, name: str, value: Any
) -> None:
    wrong = line(**{name: value})
    for document, where in (
        (cart(wrong), LINE),
        (cart(line(addonItems=[wrong])), f"{LINE}/addonItems/0"),
    ):
        (error,) = refusal(document).errors
        assert error.code == code
        assert error.pointer in {f"{where}/{name}", f"{where}/{name}/0"}
        assert error.detail


EMPTY_BLANK_OR_SPACED = {"a": "empty_text", "b": "invalid_text", "e": "invalid_text"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("renewsTo", {"termDuration": "year"}, {"termDuration": "invalid_format"}),
        ("RenewsTo", [{"TermDuration": 5}], {"0/TermDuration": "wrong_type"}),
        ("participants", [{"key": "x"}], {"0/value": "required"}),
        ("participants", [{"key": None, "value": "x"}], {"0/key": "required"}),
        ("participants", [{"key": "x", "Value": 5}], {"0/Value": "wrong_type"}),
        ("participants", [{"key": "", "value": "x"}], {"0/key": "empty_text"}),
        ("participants", [{"key": "x", "value": "\u3000"}], {"0/value": "invalid_text"}),
        ("participants", {" ": "5139005"}, {" ": "invalid_text"}),
        ("participants", [{"key": "x", "value": " 5139005"}], {"0/value": "invalid_text"}),
        *(
            ("provisioningContext", {name: "x", "scope": "y"}, {name: "invalid_name"})
            for name in (
                "",
                " ",
                "scope ",
                "\u00a0scope",
                "a\nb",
                "\u200b",
                "sc\u202eope",
                "a\x85b",
            )
        ),
        ("provisioningContext", {"a": "", "b": " c", "e": "\u200b"}, EMPTY_BLANK_OR_SPACED),
        ("participants", {"a/b": 5, "c~d": None}, {"a~1b": "wrong_type", "c~0d": "required"}),
        ("participants", {"e": {"value": 5}}, {"e": "wrong_type"}),
        ("ProvisioningContext", {"Scope": 1, "e": None}, {"Scope": "wrong_type"}),
        ("ProvisioningContext", {"a": True, "d": "\n"}, {"a": "wrong_type", "d": "invalid_text"}),
        ("provisioningContext", {"a/b~c": {}}, {"a~1b~0c": "wrong_type"}),
        ("purchaseCommitment", {"Amount": 0}, {"Amount": "out_of_range"}),
        ("purchaseCommitment", {"Amount": "0.05"}, {"Amount": "wrong_type"}),
        ("purchaseCommitment", {"Amount": True}, {"Amount": "wrong_type"}),
        *(
            ("purchaseCommitment", {"amount": Decimal(digits)}, {"amount": "out_of_range"})
            for digits in (
                "100000000000000000000.01",
                "1234567890123456",
                "0.1000000000000001",
                "-1",
            )
        ),
        ("purchaseCommitment", {"grain": " "}, {"grain": "invalid_text"}),
        ("purchaseCommitment", {"grain": ""}, {"grain": "empty_text"}),
        ("renewsTo", {"termDuration": ""}, {"termDuration": "empty_text"}),
        ("purchaseCommitment", {"currency": True}, {"currency": "wrong_type"}),
    ],
)
def test_a_wrong_value_inside_a_member_is_refused(
    name: str, value: Any, expected: dict[str, str]
) -> None:
    problem = refusal(cart(line(**{name: value})))

    assert places(problem) == {(f"{LINE}/{name}/{at}", code) for at, code in expected.items()}


@pytest.mark.parametrize(
    ("limit", "quantity", "accepted"),
    [(None, INT32_MAX, True), (25, 25, True), (25, 26, False), (1, 2, False)],
)
def test_the_operators_limit_holds_for_every_line(
    limit: int | None, quantity: int, accepted: bool
) -> None:
    document = cart(line(addonItems=[line(quantity=quantity)]))

    if accepted:
        read(document, max_quantity=limit)
    else:
        assert places(refusal(document, max_quantity=limit)) == {
            (f"{LINE}/addonItems/0/quantity", "out_of_range")
        }


@pytest.mark.parametrize("add_ons", [0, 1, 300])
def test_a_cart_has_at_most_five_hundred_lines(add_ons: int) -> None:
    def document(count: int) -> Any:
        first = line(addonItems=[line()] * add_ons)
        return cart(first, *[line()] * (count - 1 - add_ons))

    assert len(list(lines_of(read(document(500)).body))) == 500
    (error,) = refusal(document(501)).errors
    assert (error.code, "500" in error.detail) == ("too_long", True)


def test_add_ons_may_nest_as_deep_as_json_may() -> None:
    def document(levels: int) -> Any:
        item = line()
        for _ in range(levels):
            item = line(addonItems=[item])
        return cart(item)

    item = first_line(document(14))
    while "addonItems" in item:
        (item,) = item["addonItems"]
    assert item["id"] == 14
    assert refusal(document(15)).code == "invalid_json"


# --- A cart that replaces another one ---------------------------------------------------------


def replaced(document: Any) -> CartRequest:
    return read_cart(document, CUSTOMER, CartRules(), [], cart_id=CART_ID)


@pytest.mark.parametrize("members", [{}, {"Id": CART_ID.upper()}, {"id": None}], ids=str)
def test_a_cart_that_replaces_another_one_is_sent_with_its_id(members: dict[str, Any]) -> None:
    request = replaced(cart(line(), {"id": 3} | line(), **members))
    current = {"lineItems": [{"id": number, "catalogItemId": "A:1:B"} for number in (0, 2)]}
    changed = request.replacing(current)

    lines = [{"id": 1} | line(), {"id": 3} | line()]  # Not 0, which is gone, and not 2.
    sent = {"id": CART_ID, "lineItems": lines}
    assert write_json(changed.body) == write_json(sent)
    [dropped] = changed.warnings
    assert (dropped.code, dropped.pointer) == ("line_dropped", "")
    assert "Line 2 of the cart (A:1:B)" in dropped.detail


@pytest.mark.parametrize(
    ("lines", "dropped"),
    [
        ([line(id=0), line(id=1, catalogItemId="C:1:D")], []),
        ([line(catalogItemId="c:1:d"), line()], []),
        ([line(id=1)], ["Line 0"]),
        ([line(), line()], ["Line 1"]),
        ([line(id=5)], ["Line 0", "Line 1"]),
        ([line(id=0, addonItems=[line(id=1)])], []),
        ([line(id=0), line(catalogItemId="C:1:D", addonItems=[line(catalogItemId="E:1:F")])], []),
    ],
)
@pytest.mark.parametrize("depth", ["lines", "add-ons"])
def test_a_line_that_is_not_repeated_is_warned_of(
    lines: list[Any], dropped: list[str], depth: str
) -> None:
    current: list[Any] = [
        {"id": 0, "catalogItemId": "A:1:B"},
        {"id": 1, "catalogItemId": "C:1:D"},
    ]
    if depth == "add-ons":
        current[0]["addonItems"] = [current.pop()]
    warnings = replaced(cart(*lines)).replacing({"lineItems": current}).warnings

    assert [warning.detail.split(" of ")[0] for warning in warnings] == dropped


@pytest.mark.parametrize("other", [CUSTOMER, "", f" {CART_ID}", 5, True, [], {}], ids=str)
def test_the_id_of_another_cart_is_refused(other: Any) -> None:
    with pytest.raises(Problem) as refused:
        replaced(cart(ID=other))

    assert places(refused.value) == {("/ID", "cart_mismatch")}


@pytest.mark.parametrize("name", [*FULL_LINE, "catalogId", "pricing", "error"])
def test_a_name_like_a_documented_one_may_come_back_beside_it(name: str) -> None:
    for near in (f"{name}s", name[:-1], f"{name[0]}{name}", f"{name}_"):
        given = FULL_LINE | {"renewsTo": None, near: {"any": 1}}
        accepted = replaced(cart(given))

        assert accepted.body["lineItems"][0][near] == {"any": 1}
        (warning,) = accepted.warnings
        assert (warning.pointer, warning.code) == (f"{LINE}/{near}", "unknown_member")


def test_a_name_like_a_documented_one_is_refused_where_that_one_is_missing() -> None:
    there, missing = line(renewsTo=None), line(renewsTwo=None)
    slips = [line_without("quantity", quantitty=1), line_without("catalogItemId", catalogIds="x")]
    with pytest.raises(Problem) as refused:
        replaced(cart(there | {"addonItems": [missing]}, *slips))

    assert places(refused.value) == {
        (f"{LINE}/addonItems/0/renewsTwo", "misspelled_member"),
        ("/lineItems/1/quantitty", "misspelled_member"),
        ("/lineItems/2/catalogIds", "misspelled_member"),
    }


# --- Lines that name a SKU --------------------------------------------------------------------

BY_SKU = {"quantity": 1, "billingCycle": "monthly"}


@pytest.mark.parametrize(
    "item",
    [
        {"catalogItemId": "CFQ7TTC0LH18:0001"},
        {"catalogItemId": "cfq7ttc0lh18:1"},  # A spreadsheet has dropped the zeros.
        {"catalogId": "CFQ7TTC0LH18:0001"},
        {"productId": "CFQ7TTC0LH18", "skuId": "0001"},
        {"PRODUCTID": "cfq7ttc0lh18", "SkuId": "1", "catalogItemId": None},
    ],
    ids=str,
)
def test_a_sku_is_one_request_however_it_is_written(item: dict[str, Any]) -> None:
    request = read(cart({**BY_SKU, **item, "segment": "Education"}))
    assert request.body["lineItems"] == [
        {**BY_SKU, "id": 0, "catalogItemId": "CFQ7TTC0LH18:0001", "segment": "education"}
    ]


@pytest.mark.parametrize(
    ("item", "errors"),
    [
        ({}, {("catalogItemId", "required")}),
        ({"productId": "A"}, {("skuId", "required")}),
        ({"skuId": "1"}, {("productId", "required")}),
        (
            {"productId": "A:1", "skuId": 1},
            {("productId", "invalid_format"), ("skuId", "wrong_type")},
        ),
        ({"productId": "", "skuId": "1"}, {("productId", "empty_text")}),
        (
            {"productId": "A", "skuId": "1", "catalogItemId": "A:1"},
            {("productId", "duplicate_member"), ("skuId", "duplicate_member")},
        ),
        ({"catalogItemId": "A:1:B", "segment": "education"}, {("segment", "unexpected_segment")}),
        ({"catalogItemId": "A:1", "segment": "charity"}, {("segment", "unknown_value")}),
    ],
    ids=short,
)
def test_a_sku_is_named_whole_and_once(item: dict[str, Any], errors: set[tuple[str, str]]) -> None:
    problem = refusal(cart({**BY_SKU, **item}))
    assert places(problem) == {(f"/lineItems/0/{name}", code) for name, code in errors}


def test_the_lines_that_name_a_sku_are_known() -> None:
    addons = [line(), {**BY_SKU, "productId": "B", "skuId": "2"}]
    request = read({"LineItems": [line(AddOnItems=addons), line(catalogItemId="A:0001")]})
    assert {path: request.locate(path) for path in request.sku_lines} == {
        **{(0, 1): "/LineItems/0/AddOnItems/1", (1,): "/LineItems/1"},
    }


def test_an_answer_that_has_the_names_of_a_sku_beside_the_item_is_put_back() -> None:
    sent = replaced(cart(line(id=1, productId="X", skuId=5, segment="new"))).body["lineItems"]
    assert sent == [line(id=1)]
