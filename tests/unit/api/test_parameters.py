"""What the path and the headers of a request may be."""

import pytest

from cart_core.api.parameters import (
    cart_errors,
    correlation_errors,
    correlation_id,
    customer_errors,
    customer_user,
    idempotency_key,
    locale,
    valid_guid,
)
from cart_core.problem import Problem
from tests.kit.builders import CUSTOMER
from tests.kit.ids import short
from tests.kit.requests import NEW, OTHER

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


UNSET_GUID = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("guid", [CUSTOMER, CUSTOMER.upper(), UNSET_GUID[:-1] + "1"])
def test_the_ids_in_the_path_are_guids_in_any_case(guid: str) -> None:
    assert customer_errors(guid) == cart_errors(guid) == []
    assert valid_guid(guid) == guid.lower()


@pytest.mark.parametrize(
    "value",
    [
        *("", "me", "..", "a" * 100_000, CUSTOMER[:-1], CUSTOMER + "0", CUSTOMER.replace("-", "")),
        *("{" + CUSTOMER + "}", CUSTOMER.replace("d", "g"), "\0" + CUSTOMER, CUSTOMER + "x\n"),
        *(CUSTOMER.replace("0", digit) for digit in ("\uff10", "\u0660")),
        *("../" + CUSTOMER, CUSTOMER + "/../" + OTHER, "%2e%2e%2f" + CUSTOMER),
        *("a%2Fb", "a%252Fb", CUSTOMER + "%2F", "%2f" + CUSTOMER, CUSTOMER[:9] + "%2F" + CUSTOMER),
        *(CUSTOMER + end for end in ("%00", "?x=1", "#x", ";x", "\r\nX-Admin: 1")),
    ],
    ids=short,
)
def test_any_other_id_in_the_path_is_refused_and_any_other_correlation_id_ignored(
    value: str,
) -> None:
    (error,) = customer_errors(value)
    assert (error.pointer, error.code) == ("", "invalid_customer_id")
    assert error.detail == "The customerId in the path must be a GUID."
    (error,) = cart_errors(value)
    assert (error.pointer, error.code) == ("", "invalid_cart_id")
    assert error.detail == "The cartId in the path must be a GUID."
    assert valid_guid(value) is None
    assert correlation_id({"ms-correlationid": value}, NEW) == NEW


def test_a_guid_that_nobody_has_set_is_no_id() -> None:
    (customer,) = customer_errors(UNSET_GUID)
    (cart,) = cart_errors(UNSET_GUID)

    assert (customer.code, cart.code) == ("invalid_customer_id", "invalid_cart_id")
    assert "zeros" in customer.detail
    assert "zeros" in cart.detail
    assert valid_guid(UNSET_GUID) is None
    assert correlation_id({"ms-correlationid": UNSET_GUID}, NEW) == NEW
    other = {"ms-correlationid": UNSET_GUID, "x-ms-client-tracking-id": OTHER}
    assert correlation_id(other, NEW) == OTHER


@pytest.mark.parametrize("value", [f" {CUSTOMER}", f"{CUSTOMER}\n"], ids=short)
def test_blanks_around_an_id_in_the_path_are_refused(value: str) -> None:
    assert len(customer_errors(value)) == len(cart_errors(value)) == 1
    assert valid_guid(value) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, NEW),
        ({"ms-correlationid": OTHER}, OTHER),
        ({"ms-correlationid": f"\r\n{OTHER.upper()} "}, OTHER),
        ({"x-ms-client-tracking-id": OTHER}, OTHER),
        ({"ms-correlationid": OTHER, "x-ms-client-tracking-id": CUSTOMER}, OTHER),
        ({"ms-correlationid": "junk", "x-ms-client-tracking-id": OTHER}, OTHER),
        ({"x-ms-client-tracking-id": "08585-run-1CU12"}, NEW),
        ({"ms-requestid": OTHER}, NEW),
    ],
)
def test_the_correlation_id_is_the_callers_if_it_is_a_guid(
    headers: dict[str, str], expected: str
) -> None:
    assert correlation_id(headers, NEW) == expected


@pytest.mark.parametrize("header", ["ms-correlationid", "x-ms-client-tracking-id"])
@pytest.mark.parametrize(
    "value",
    [f"{OTHER},{OTHER}", f"{OTHER}, {CUSTOMER}", f"{OTHER},", f"junk,{OTHER}", f"{OTHER},,"],
    ids=short,
)
def test_of_two_correlation_ids_none_is_chosen(header: str, value: str) -> None:
    (error,) = correlation_errors({header: value})
    assert (error.pointer, error.code) == ("", "repeated_header")
    assert header in error.detail.lower()
    assert correlation_id({header: value}, NEW) == NEW


@pytest.mark.parametrize(
    "headers",
    [
        *({}, {"ms-correlationid": OTHER}, {"ms-correlationid": ""}, {"ms-correlationid": "a,b"}),
        {"x-ms-client-tracking-id": "order 7, line 2"},
        {"ms-correlationid": OTHER, "x-ms-client-tracking-id": f"{OTHER},{OTHER}"},
    ],
    ids=short,
)
def test_what_is_no_list_of_correlation_ids_is_read_or_ignored(headers: dict[str, str]) -> None:
    assert correlation_errors(headers) == []


@pytest.mark.parametrize(
    "value", ["de-DE", "en", "zh-Hans-CN", " fr-FR ", "en" + "-abcdefgh" * 3 + "-abcde"]
)
def test_the_locale_is_the_callers_if_it_is_a_language_tag(value: str) -> None:
    assert locale({"x-locale": value}, "en-US") == value.strip()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "*",
        "de_DE",
        "de-DE,en;q=0.5",
        "de-DE,de-DE",
        "de-DE\r\nX-Admin: 1",
        "x" * 10_000,
        "en" + "-abcdefgh" * 3 + "-abcdef",
        "de" + "-x" * 4_000,
        "d\u00e9",
    ],
    ids=short,
)
def test_any_other_locale_is_ignored(value: str) -> None:
    assert locale({"x-locale": value}, "en-US") == locale({}, "en-US") == "en-US"


USER = "megan@contoso.example"


@pytest.mark.parametrize(
    ("value", "user"),
    [
        *((user, user) for user in (USER, "a@b", "a" * 254 + "@b")),
        *(
            (user, USER)
            for user in (USER.upper(), "Megan@Contoso.Example", "megan@CONTOSO.example")
        ),
        *((user, user) for user in ("!~#'*+/=?^_`{|}~.-@[1.2.3.4]", "megan_x.de#ext#@c.example")),
        *((f" \t{USER} ", USER), ("", None), ("  ", None)),
    ],
    ids=short,
)
def test_the_user_who_gets_the_licences_may_be_named(value: str, user: str | None) -> None:
    assert customer_user({"x-ms-customeruser-upn": value}) == (user, [])
    assert customer_user({}) == (None, [])


@pytest.mark.parametrize(
    "value",
    [
        *("megan", "@contoso.example", "megan@", "@", "a@b@c", "a@@b", f"{USER}, {USER}"),
        *(f"{USER},{USER}", f"{USER},", f",{USER}"),
        *("megan b@contoso.example", "megan@contoso.example\r\nX-Admin: 1", "megan@b\n\nx"),
        *("megan\x00@contoso.example", "megan\x7f@contoso.example", "m\u00e9gan@contoso.example"),
        *("megan\uff20contoso.example", "megan@contos\u043e.example"),
        *("a" * 255 + "@b", "@" * 100_000),
    ],
    ids=short,
)
def test_what_names_no_user_is_refused_and_not_ignored(value: str) -> None:
    user, (error,) = customer_user({"x-ms-customeruser-upn": value})
    assert user is None
    assert (error.pointer, error.code) == ("", "invalid_customer_user")
    assert error.detail == "The header x-ms-customeruser-upn must be a name like 'user@domain'."


@pytest.mark.parametrize(
    ("value", "key"),
    [
        pytest.param(KEY, KEY, id="bare"),
        pytest.param(f'"{KEY}"', KEY, id="quoted"),
        pytest.param(f" \t{KEY} ", KEY, id="blanks-around"),
        pytest.param(f' "{KEY}" ', KEY, id="blanks-around-the-quotes"),
        pytest.param("x", "x", id="one-character"),
        pytest.param('"x"', "x", id="one-quoted-character"),
        pytest.param("!~", "!~", id="first-and-last-visible"),
        pytest.param(r'"a\"b"', 'a"b', id="escaped-quote"),
        pytest.param(r'"a\\b"', r"a\b", id="escaped-backslash"),
        pytest.param(r'"\\\""', r"\"", id="escapes-side-by-side"),
        pytest.param(r"a\b", r"a\b", id="a-bare-backslash-is-itself"),
        pytest.param("order/17;try=2.x:y", "order/17;try=2.x:y", id="punctuation"),
        pytest.param('"order/17;try=2,x:y"', "order/17;try=2,x:y", id="a-quoted-comma"),
        pytest.param('","', ",", id="nothing-but-a-quoted-comma"),
        pytest.param("k" * 255, "k" * 255, id="255-characters"),
        pytest.param('"' + "k" * 255 + '"', "k" * 255, id="255-quoted-characters"),
        pytest.param('"' + r"\"" * 255 + '"', '"' * 255, id="255-escaped-characters"),
        pytest.param("MiXeD", "MiXeD", id="case-counts"),
        pytest.param('a"b', 'a"b', id="a-quote-inside-a-bare-key"),
        pytest.param('abc"', 'abc"', id="a-quote-at-the-end-of-a-bare-key"),
        pytest.param("k;p=1", "k;p=1", id="no-parameter-but-a-bare-key"),
    ],
)
def test_a_key_is_read_bare_or_quoted(value: str, key: str) -> None:
    assert idempotency_key({"idempotency-key": value}) == key
    assert idempotency_key({"webhook-id": value}) == key


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param(" ", id="blank"),
        pytest.param('""', id="empty-in-quotes"),
        pytest.param("k" * 256, id="256-characters"),
        pytest.param('"' + "k" * 256 + '"', id="256-quoted-characters"),
        pytest.param("a b", id="a-space-inside"),
        pytest.param('"a b"', id="a-quoted-space"),
        pytest.param('" a"', id="a-quoted-space-in-front"),
        pytest.param(f"{KEY}, {KEY}", id="two-keys"),
        pytest.param("a,b", id="two-short-keys"),
        pytest.param("dup,dup", id="one-key-twice"),
        pytest.param("dup,", id="a-key-and-an-empty-one"),
        pytest.param(",", id="two-empty-keys"),
        pytest.param(f'"{KEY}", "{KEY}"', id="two-quoted-keys"),
        pytest.param(f'"{KEY}",{KEY}', id="a-quoted-and-a-bare-key"),
        pytest.param(f'{KEY},"{KEY}"', id="a-bare-and-a-quoted-key"),
        pytest.param("a\x00b", id="nul"),
        pytest.param("a\tb", id="tab"),
        pytest.param("a\x7f", id="delete"),
        pytest.param("a\x1f", id="a-control-at-the-end"),
        pytest.param("\x1ca", id="a-control-in-front"),
        pytest.param("a\n", id="line-feed"),
        pytest.param("a\r\nx: y", id="another-header"),
        pytest.param("schlüssel", id="latin-1"),
        pytest.param("a\xa0", id="no-break-space"),
        pytest.param("\u0661", id="another-script's-digit"),
        pytest.param('"\u00e9"', id="quoted-latin-1"),
        pytest.param('"', id="one-quote"),
        pytest.param('"""', id="three-quotes"),
        pytest.param('"abc', id="no-closing-quote"),
        pytest.param(r'"abc\"', id="an-escaped-closing-quote"),
        pytest.param('"a"b', id="text-after-the-quotes"),
        pytest.param('"a"b"', id="a-quote-that-is-not-escaped"),
        pytest.param(r'"a\x"', id="an-escape-that-does-not-exist"),
        pytest.param('"a\\', id="a-backslash-at-the-end"),
        pytest.param('"k";p=1', id="a-parameter"),
        pytest.param('"k" ;p', id="a-parameter-after-a-space"),
        pytest.param('"k","l"', id="a-list"),
    ],
)
@pytest.mark.parametrize("header", ["idempotency-key", "webhook-id"])
def test_what_is_no_key_is_refused_not_ignored(header: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        idempotency_key({header: value})
    assert caught.value.code == "invalid_idempotency_key"


def test_a_refused_key_is_not_repeated() -> None:
    with pytest.raises(Problem) as caught:
        idempotency_key({"idempotency-key": "planted marker"})
    assert "planted" not in caught.value.detail


def test_a_webhooks_id_serves_where_there_is_no_key() -> None:
    assert idempotency_key({}) is None
    assert idempotency_key({"webhook-id": "msg_1"}) == "msg_1"
    assert idempotency_key({"webhook-id": "msg_1,msg_1", "idempotency-key": "mine"}) == "mine"


def test_a_bad_key_is_not_replaced_by_a_webhooks_id() -> None:
    with pytest.raises(Problem):
        idempotency_key({"webhook-id": "msg_1", "idempotency-key": "a b"})
    with pytest.raises(Problem):
        idempotency_key({"webhook-id": "msg_1", "idempotency-key": ""})
