import pytest

from cart_core.api.messages import (
    Call,
    Request,
    body_flaws,
    cart_flaws,
    correlation_id,
    customer_flaws,
    customer_user,
    json_body,
    locale,
)
from cart_core.problem import Problem
from tests.kit.builders import CUSTOMER

NEW = "0a0a0a0a-0000-4000-8000-000000000000"
OTHER = "1b1b1b1b-1111-4111-8111-111111111111"
LIMIT = 1000


def request(body: bytes = b"{}", **headers: str) -> Request:
    return Request({name.replace("_", "-"): value for name, value in headers.items()}, {}, body)


# --- Body -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no-content-type"),
        pytest.param({"content_type": ""}, id="empty-content-type"),
        pytest.param({"content_type": "application/json"}, id="json"),
        pytest.param({"content_type": "Application/JSON"}, id="capitals"),
        pytest.param({"content_type": " application/json "}, id="spaces"),
        pytest.param({"content_type": "application/json; charset=utf-8"}, id="charset"),
        pytest.param({"content_type": "application/json;charset=UTF-8"}, id="charset-capitals"),
        pytest.param({"content_type": 'application/json; charset="utf-8"'}, id="charset-quoted"),
        pytest.param({"content_type": "application/json; odata=verbose"}, id="other-parameter"),
        pytest.param({"content_type": "application/vnd.cart.v1+json"}, id="suffix"),
        pytest.param({"content_type": "application/ld+JSON; profile=x"}, id="suffix-parameter"),
        pytest.param({"content_encoding": ""}, id="empty-encoding"),
    ],
)
def test_a_json_body_is_taken(headers: dict[str, str]) -> None:
    assert json_body(request(b'{"a":1}', **headers), LIMIT) == b'{"a":1}'


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/json",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/jsonp",
        "application/x-json",
        "application/json-seq",
        "application/json+xml",
        "application/problem",
        "json",
        "+json",
        "application/",
        "/json",
        "*/*",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        'application/json; charset="iso-8859-1"',
        "application/json; Charset=UTF-7",
        "application/vnd.cart+json; charset=windows-1252",
    ],
)
def test_another_media_type_is_refused(content_type: str) -> None:
    _refused(request(content_type=content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate", "zstd", "gzip, gzip", "x"])
def test_an_encoded_body_is_refused(encoding: str) -> None:
    _refused(request(content_encoding=encoding), 415, "unsupported_content_encoding")


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT])
def test_a_body_up_to_the_limit_is_taken(size: int) -> None:
    assert len(json_body(request(b"x" * size), LIMIT)) == size


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT * 100])
def test_a_body_beyond_the_limit_is_refused(size: int) -> None:
    problem = _refused(request(b"x" * size), 413, "body_too_large")

    assert str(LIMIT) in problem.detail


def _refused(wrong: Request, status: int, code: str) -> Problem:
    with pytest.raises(Problem) as refused:
        json_body(wrong, LIMIT)
    problem = refused.value
    assert (problem.kind.status, problem.code) == (status, code)
    assert (problem.outcome, problem.kind.retryable) == ("not_sent", False)
    return problem


# --- Customer, correlation id, locale ---------------------------------------------------------


@pytest.mark.parametrize(
    "customer", [CUSTOMER, CUSTOMER.upper(), "0" * 8 + "-0000" * 3 + "-" + "0" * 12]
)
def test_a_customer_is_a_guid_in_any_case(customer: str) -> None:
    assert customer_flaws(customer) == []


NO_GUIDS = [
    pytest.param("", id="empty"),
    pytest.param("me", id="word"),
    pytest.param(CUSTOMER[:-1], id="short"),
    pytest.param(CUSTOMER + "0", id="long"),
    pytest.param(CUSTOMER.replace("-", ""), id="without-hyphens"),
    pytest.param("{" + CUSTOMER + "}", id="braces"),
    pytest.param(CUSTOMER.replace("d", "g"), id="no-hexadecimal"),
    pytest.param(CUSTOMER + "\n", id="line-break"),
    pytest.param(CUSTOMER + "\r\nX-Admin: 1", id="crlf"),
    pytest.param("\0" + CUSTOMER, id="nul"),
    pytest.param(" " + CUSTOMER, id="space"),
    pytest.param(CUSTOMER.replace("0", "\uff10"), id="full-width-digit"),
    pytest.param(CUSTOMER.replace("0", "\u0660"), id="arabic-digit"),
    pytest.param("..", id="parent"),
    pytest.param("../" + CUSTOMER, id="parent-of"),
    pytest.param(CUSTOMER + "/../" + OTHER, id="traversal"),
    pytest.param("%2e%2e%2f" + CUSTOMER, id="encoded-traversal"),
    pytest.param(CUSTOMER + "%00", id="encoded-nul"),
    pytest.param(CUSTOMER + "?x=1", id="query"),
    pytest.param(CUSTOMER + "#x", id="fragment"),
    pytest.param(CUSTOMER + ";x", id="parameter"),
    pytest.param("a" * 100_000, id="huge"),
]


@pytest.mark.parametrize("customer", NO_GUIDS)
def test_anything_else_is_no_customer(customer: str) -> None:
    (flaw,) = customer_flaws(customer)

    assert "customerId" in flaw.detail
    assert flaw.pointer == ""
    assert len(customer) < 3 or customer not in flaw.detail


@pytest.mark.parametrize("cart_id", [OTHER, OTHER.upper()])
def test_a_cart_is_a_guid_in_any_case(cart_id: str) -> None:
    assert cart_flaws(cart_id) == []


@pytest.mark.parametrize("cart_id", NO_GUIDS)
def test_anything_else_is_no_cart(cart_id: str) -> None:
    (flaw,) = cart_flaws(cart_id)

    assert (flaw.pointer, flaw.code) == ("", "invalid_cart_id")
    assert flaw.detail == "The cartId in the path must be a GUID."


# --- What only a checkout has -----------------------------------------------------------------

USER = "megan@contoso.example"


@pytest.mark.parametrize(
    ("value", "user"),
    [
        pytest.param(USER, USER, id="name"),
        pytest.param(f" \t{USER} ", USER, id="blanks-around"),
        pytest.param("MeganB@Contoso.example", "MeganB@Contoso.example", id="case-is-kept"),
        pytest.param("a@b", "a@b", id="shortest"),
        pytest.param("!~#'*+/=?^_`{|}~.-@[1.2.3.4]", "!~#'*+/=?^_`{|}~.-@[1.2.3.4]", id="odd"),
        pytest.param("megan_x.de#EXT#@c.example", "megan_x.de#EXT#@c.example", id="guest"),
        pytest.param("a" * 254 + "@b", "a" * 254 + "@b", id="256-characters"),
        pytest.param("", None, id="empty"),
        pytest.param("  ", None, id="blank"),
    ],
)
def test_the_user_who_gets_the_licences(value: str, user: str | None) -> None:
    assert customer_user({"x-ms-customeruser-upn": value}) == (user, [])


def test_no_user_need_be_named() -> None:
    assert customer_user({}) == (None, [])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("megan", id="no-domain"),
        pytest.param("@contoso.example", id="no-name"),
        pytest.param("megan@", id="empty-domain"),
        pytest.param("@", id="neither"),
        pytest.param("a@b@c", id="two-domains"),
        pytest.param("a@@b", id="two-signs"),
        pytest.param("megan b@contoso.example", id="space"),
        pytest.param("megan@contoso.example\r\nX-Admin: 1", id="crlf"),
        pytest.param("megan@contoso.example\n\nx", id="line-feeds"),
        pytest.param("megan\x00@contoso.example", id="nul"),
        pytest.param("megan\x7f@contoso.example", id="delete"),
        pytest.param("m\u00e9gan@contoso.example", id="latin-1"),
        pytest.param("megan\uff20contoso.example", id="full-width-sign"),
        pytest.param("megan@contos\u043e.example", id="cyrillic"),
        pytest.param("a" * 255 + "@b", id="257-characters"),
        pytest.param("@" * 100_000, id="huge"),
        pytest.param(f"{USER}, {USER}", id="two-headers"),
    ],
)
def test_what_is_no_user_is_refused_not_ignored(value: str) -> None:
    user, flaws = customer_user({"x-ms-customeruser-upn": value})

    (flaw,) = flaws
    assert user is None
    assert (flaw.pointer, flaw.code) == ("", "invalid_customer_user")
    assert value not in flaw.detail or value == "@"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b" ", b"\r\n", b" { \n } \t", b"{" + b" " * 100_000 + b"}"]
)
def test_a_checkout_may_come_with_nothing_or_an_empty_object(body: bytes) -> None:
    assert body_flaws(request(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"lineItems": []}',
        b"[]",
        b"null",
        b'""',
        b"0",
        b"{",
        b"{}{}",
        b"{{}}",
        b"}{",
        b"x",
        b"\x00",
        b"\xff",
        b"\x0b{}",
        b" " * 100_000 + b"x",
        b"{" * 100_000,
    ],
    ids=lambda body: repr(body[:8]),
)
def test_a_checkout_with_anything_else_is_refused(body: bytes) -> None:
    """It would not be looked at, and whoever sent it expects something of it."""
    (flaw,) = body_flaws(request(body))

    assert (flaw.pointer, flaw.code) == ("", "unexpected_body")


def test_a_new_call_has_sent_nothing() -> None:
    assert not Call(NEW, began=0.0).may_have_effect


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, NEW, id="none"),
        pytest.param({"ms-correlationid": OTHER}, OTHER, id="ms"),
        pytest.param({"ms-correlationid": OTHER.upper()}, OTHER, id="ms-capitals"),
        pytest.param({"x-ms-client-tracking-id": OTHER}, OTHER, id="logic-apps"),
        pytest.param(
            {"ms-correlationid": OTHER, "x-ms-client-tracking-id": CUSTOMER}, OTHER, id="both"
        ),
        pytest.param(
            {"ms-correlationid": "junk", "x-ms-client-tracking-id": OTHER}, OTHER, id="ms-wrong"
        ),
        pytest.param({"x-ms-client-tracking-id": "08585-run-1CU12"}, NEW, id="run-name"),
        pytest.param({"ms-requestid": OTHER}, NEW, id="a-request-id-is-never-used"),
    ],
)
def test_the_correlation_id_is_the_callers_where_it_is_a_guid(
    headers: dict[str, str], expected: str
) -> None:
    assert correlation_id(headers, NEW).lower() == expected


@pytest.mark.parametrize(
    "wrong", [value for value in NO_GUIDS if value.id not in {"line-break", "space"}]
)
def test_another_correlation_id_is_never_an_error(wrong: str) -> None:
    assert correlation_id({"ms-correlationid": wrong}, NEW) == NEW


@pytest.mark.parametrize("padded", [f" {OTHER}", f"{OTHER}\n", f"\r\n{OTHER} "])
def test_a_correlation_id_is_sent_on_without_what_surrounds_it(padded: str) -> None:
    assert correlation_id({"ms-correlationid": padded}, NEW) in {OTHER, NEW}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("de-DE", "de-DE"),
        ("en", "en"),
        ("zh-Hans-CN", "zh-Hans-CN"),
        (" fr-FR ", "fr-FR"),
        ("", "en-US"),
        ("*", "en-US"),
        ("de_DE", "en-US"),
        ("de-DE,en;q=0.5", "en-US"),
        ("de-DE\r\nX-Admin: 1", "en-US"),
        ("x" * 10_000, "en-US"),
        ("d\u00e9", "en-US"),
    ],
)
def test_the_locale_is_the_callers_where_it_is_a_language(value: str, expected: str) -> None:
    assert locale({"x-locale": value}, "en-US") == expected
    assert locale({}, "en-US") == "en-US"
