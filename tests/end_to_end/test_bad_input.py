"""Bad input over the wire: each its documented answer, nothing reaches Partner Center."""

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.chain import CUSTOMER, FUNCTION_KEY, NOTHING, Chain, cart, line, problem

CARTS = f"/api/customers/{CUSTOMER}/carts"
KEY = {"x-functions-key": FUNCTION_KEY}


@pytest.fixture(autouse=True)
def _nothing_arrives(chain: Chain) -> Iterator[None]:
    yield
    assert chain.calls() == NOTHING
    assert chain.healthy()


NO_JSON: dict[str, bytes] = {
    "no body": b"",
    "white space": b" \r\n\t ",
    "byte order mark alone": b"\xef\xbb\xbf",
    "text": b"hello",
    "form": b"lineItems=1&quantity=2",
    "XML": b"<cart><lineItems/></cart>",
    "cut": b'{"lineItems": [',
    "two documents": b"{} {}",
    "trailing comma": b'{"lineItems": [],}',
    "single quotes": b"{'lineItems': []}",
    "comment": b'{"lineItems": [] /* none */}',
    "NaN": b'{"lineItems": [], "x": NaN}',
    "Infinity": b'{"lineItems": [], "x": -Infinity}',
    "raw control character": b'{"lineItems": "a\x01b"}',
    "NUL": b"\x00",
    "invalid UTF-8": b'{"lineItems": "\xff\xfe"}',
    "overlong UTF-8": b'{"lineItems": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"lineItems": "\xed\xa0\x80"}',
    "UTF-16": '{"lineItems": []}'.encode("utf-16"),
    "5 000 arrays": b"[" * 5000 + b"]" * 5000,
    "5 000 objects": b'{"lineItems":' * 5000 + b"1" + b"}" * 5000,
    "5 000 line items in one another": (
        b'{"lineItems":[{"addonItems":[' + b'{"addonItems":[' * 5000 + b"]}" * 5001 + b"]}"
    ),
    "100 000 open brackets": b"[" * 100_000,
    "33 levels": b"[" * 33 + b"]" * 33,
    "a number of 5 000 digits": b'{"lineItems": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON.keys())
def test_no_json(chain: Chain, body: bytes) -> None:
    _refused(chain, body, 400, "invalid_json")


REQUIRED = [
    ("/lineItems/0/catalogItemId", "required"),
    ("/lineItems/0/quantity", "required"),
    ("/lineItems/0/billingCycle", "required"),
]

INVALID: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "null": (None, [("", "wrong_type")]),
    "a number": (7, [("", "wrong_type")]),
    "a text": ("cart", [("", "wrong_type")]),
    "a list for the cart": ([cart()], [("", "wrong_type")]),
    "an empty object": ({}, [("/lineItems", "required")]),
    "no lines": ({"lineItems": []}, [("/lineItems", "too_short")]),
    "null for the lines": ({"lineItems": None}, [("/lineItems", "required")]),
    "an object for the lines": ({"lineItems": line()}, [("/lineItems", "wrong_type")]),
    "a text for a line": ({"lineItems": ["x"]}, [("/lineItems/0", "wrong_type")]),
    "a list for a line": ({"lineItems": [[]]}, [("/lineItems/0", "wrong_type")]),
    "an empty line": ({"lineItems": [{}]}, REQUIRED),
    "another customer": (
        {"CustomerId": "11111111-1111-4111-8111-111111111111", "lineItems": [line()]},
        [("/CustomerId", "customer_mismatch")],
    ),
    "a repeated member": (
        b'{"lineItems": [], "lineItems": []}',
        [("/lineItems", "duplicate_member")],
    ),
    "one in two spellings": (
        b'{"lineItems": [{"catalogItemId": "a", "CatalogItemID": "b", "quantity": 1,'
        b' "billingCycle": "none"}]}',
        [
            ("/lineItems/0/catalogItemId", "duplicate_member"),
            ("/lineItems/0/CatalogItemID", "duplicate_member"),
        ],
    ),
    "two lines of the same id": (
        {"lineItems": [line(id=1), line(addonItems=[line(id="1")])]},
        [("/lineItems/1/addonItems/0/id", "duplicate_id")],
    ),
    "a slip in a name": (
        {"lineItems": [line(customTermEndDte="2027-01-31T00:00:00Z")]},
        [("/lineItems/0/customTermEndDte", "misspelled_member")],
    ),
    "a lone surrogate": (
        b'{"lineItems": [{"catalogItemId": "a", "quantity": 1, "billingCycle": "none",'
        b' "friendlyName": "\\ud83d"}]}',
        [("/lineItems/0/friendlyName", "invalid_text")],
    ),
    "a lone surrogate as a name": (
        b'{"lineItems": [{"catalogItemId": "a", "quantity": 1, "billingCycle": "none",'
        b' "\\udc00": 1}]}',
        [("/lineItems/0", "invalid_name")],
    ),
    "a number beyond a double": (
        b'{"lineItems": [{"catalogItemId": "a", "quantity": 1e999, "billingCycle": "none"}]}',
        [("/lineItems/0/quantity", "out_of_range")],
    ),
}


@pytest.mark.parametrize(("body", "errors"), INVALID.values(), ids=INVALID.keys())
def test_an_invalid_cart(chain: Chain, body: Any, errors: list[tuple[str, str]]) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    told = _refused(chain, content, 400, "invalid_request")

    found = [(error["pointer"], error["code"]) for error in told["errors"]]
    assert sorted(found) == sorted(errors)
    assert all(error["detail"] for error in told["errors"])
    assert told["detail"].startswith(f"{len(found)} problem")


WRONG_VALUES: list[tuple[str, list[Any]]] = [
    ("id", ["00", "-1", "1.0", "abc", "", -1, 1.5, True, 2**31, [], {}]),
    ("catalogItemId", ["", 7, True, [], {}, "a\r\nb", "a\x00b", "a\x7fb"]),
    ("quantity", [0, -1, 2**31, 10**30, 2.0, 1.5, True, "2", "", [], {}]),
    ("billingCycle", ["weekly", "", 1, True, [], {"name": "monthly"}]),
    ("termDuration", ["1 year", "P", "PT", "", "P1", 12, True, [], {}]),
    ("currencyCode", ["EURO", "", "E1R", "€", 978, True, [], {}]),
    ("friendlyName", [7, True, [], {}, "a\nb", "a\x1bb"]),
    ("participants", ["x", 7, [7], [{}], [{"key": "a"}], [{"key": 1, "value": "x"}], {"a": 1}]),
    ("provisioningContext", ["x", 7, [], {"scope": 1}, {"scope": ["a"]}, {"scope": "a\r\nb"}]),
    ("orderGroup", [0, [], {}]),
    ("addonItems", ["x", 7, {}, [7], [[]], [{}]]),
    ("renewsTo", ["P1Y", 7, [7], [{}, {}], {"termDuration": "soon"}]),
    ("promotionId", [7, [], {}]),
    ("customTermEndDate", ["tomorrow", "2027-02-30T00:00:00Z", "2027-01-31", 7, [], {}]),
    ("attestationAccepted", ["true", 1, [], {}]),
    ("purchaseCommitment", ["x", 7, [], {"amount": "1"}, {"amount": -1}, {"amount": True}]),
    ("purchaseSystem", [7, [], {}]),
]


@pytest.mark.parametrize(("member", "values"), WRONG_VALUES, ids=[name for name, _ in WRONG_VALUES])
def test_a_wrong_value(chain: Chain, member: str, values: list[Any]) -> None:
    for value in values:
        body = {"lineItems": [line(), {**line(), member: value}]}

        told = _refused(chain, json.dumps(body).encode(), 400, "invalid_request")

        assert told["errors"]
        for error in told["errors"]:
            assert error["pointer"].startswith(f"/lineItems/1/{member}"), value


def test_the_offending_value_is_not_echoed(chain: Chain) -> None:
    value = "a-value-that-must-not-come-back"
    body = {"lineItems": [line(id=value, quantity=value, termDuration=value, billingCycle=value)]}

    answer = chain.post(body)

    assert answer.status_code == 400
    assert value not in answer.text
    assert value not in chain.output()


def test_the_first_hundred_of_all_problems(chain: Chain) -> None:
    told = _refused(chain, json.dumps({"lineItems": [{}] * 500}).encode(), 400, "invalid_request")

    assert len(told["errors"]) == 100
    assert told["detail"].startswith("1500 problems")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "text/plain"}, "unsupported_media_type"),
        ({"Content-Type": "application/xml"}, "unsupported_media_type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "unsupported_media_type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "unsupported_media_type"),
        ({"Content-Type": "application/jsonp"}, "unsupported_media_type"),
        ({"Content-Type": "json"}, "unsupported_media_type"),
        ({"Content-Type": "application/json; charset=utf-16"}, "unsupported_media_type"),
        ({"Content-Type": "application/json; charset=iso-8859-1"}, "unsupported_media_type"),
        ({"Content-Encoding": "gzip"}, "unsupported_content_encoding"),
        ({"Content-Encoding": "br"}, "unsupported_content_encoding"),
        ({"Content-Encoding": "identity, gzip"}, "unsupported_content_encoding"),
    ],
)
def test_a_body_that_is_something_else(chain: Chain, headers: dict[str, str], code: str) -> None:
    content = json.dumps(cart()).encode()
    if "Content-Encoding" in headers:
        content = gzip.compress(content)

    _refused(chain, content, 415, code, headers)


@pytest.mark.parametrize("size", [262_145, 1_000_000, 20_000_000])
def test_a_body_that_is_too_large(chain: Chain, size: int) -> None:
    told = _refused(chain, b" " * size, 413, "body_too_large")

    assert "262144" in told["detail"]


def test_ten_thousand_lines_are_too_large_by_default(chain: Chain) -> None:
    body = json.dumps({"lineItems": [line()] * 10_000}).encode()

    _refused(chain, body, 413, "body_too_large")


@pytest.mark.parametrize(
    "customer",
    [
        "x",
        "d6bf25b7",
        "d6bf25b7e0a84f2da31b97b55cfc774d",
        f"%7B{CUSTOMER}%7D",
        f"{CUSTOMER}%0a",
        f"{CUSTOMER}%0d%0aX-Injected:%201",
        f"%20{CUSTOMER}",
        f"{CUSTOMER}%00"[:-3] + "%7f",
        CUSTOMER[:-1] + "%EF%BC%94",  # a full-width digit
        CUSTOMER[:-1] + "%D9%A4",  # an Arabic digit
        CUSTOMER[:-1] + "%FF",  # not UTF-8
        CUSTOMER[:-1] + "g",
        f"..%2f{CUSTOMER}",
        f"{CUSTOMER}%2f..%2f{CUSTOMER}",
        f"{CUSTOMER}%5c..",
        "%252e%252e",
        f"{CUSTOMER};x=1",
        f"{CUSTOMER}%3Fx=1",
        f"{CUSTOMER}%23",
        "0" * 4000,
        "'%20or%201=1--",
        "$%7Bjndi:ldap:x%7D",
    ],
)
def test_a_customer_id_that_is_none(chain: Chain, customer: str) -> None:
    answer = chain.send("POST", f"/api/customers/{customer}/carts", KEY, json.dumps(cart()))

    told = problem(answer)
    assert (answer.status_code, told["code"]) == (400, "invalid_request")
    assert [(e["pointer"], e["code"]) for e in told["errors"]] == [("", "invalid_customer_id")]
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        b"/api/customers/../carts",
        b"/api/customers/%2e%2e/carts",
        b"/api/customers/%2E%2E/%2e%2e/carts",
        b"/api/customers//carts",
        b"/api/customers/" + CUSTOMER.encode() + b"/carts/..",
        b"/api/customers/" + CUSTOMER.encode() + b"/carts/b4c8fdea-cbe4-4d17-9576-13fcacbf9605",
        b"/customers/" + CUSTOMER.encode() + b"/carts",
        b"/",
    ],
)
def test_a_path_that_leads_nowhere(chain: Chain, path: bytes) -> None:
    assert chain.raw(_request(path=path)) == (404, b"")


def test_a_path_that_only_looks_different(chain: Chain) -> None:
    """Dots resolve before routes do, so that this is the ordinary path; its body is refused."""
    path = b"/api/x/../Customers/./%s/carts" % CUSTOMER.encode()

    status, body = chain.raw(_request(path=path, body=b"{}"))

    assert (status, json.loads(body)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("customer", [f"{CUSTOMER}%00", "0" * 100_000])
def test_what_the_server_itself_refuses(chain: Chain, customer: str) -> None:
    status, _ = chain.raw(_request(path=b"/api/customers/%s/carts" % customer.encode()))

    assert 400 <= status < 500


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
@pytest.mark.parametrize("key", [{}, KEY], ids=["without a key", "with a key"])
def test_a_wrong_method(chain: Chain, method: str, key: dict[str, str]) -> None:
    answer = chain.send(method, CARTS, key)

    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_wrong_method_for_health(chain: Chain, method: str) -> None:
    assert chain.send(method, "/api/health").status_code == 404


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, ""),
        ({"x-functions-key": ""}, ""),
        ({"x-functions-key": "wrong"}, ""),
        ({"x-functions-key": FUNCTION_KEY[:-1]}, ""),
        ({"x-functions-key": FUNCTION_KEY.upper()}, ""),
        ({"Authorization": f"Bearer {FUNCTION_KEY}"}, ""),
        ({}, "?code=wrong"),
        ({}, "?code="),
    ],
)
def test_no_key(chain: Chain, headers: dict[str, str], query: str) -> None:
    answer = chain.send("POST", CARTS + query, headers, json.dumps(cart()))

    assert (answer.status_code, answer.content) == (401, b"")


@pytest.mark.parametrize(
    "header",
    [
        b"X-Locale: en-US\x00",
        b"X-Locale: en\x01US",
        b"X-Locale: en-US\rX-Injected: 1",
        b"X-Locale: en-US\nX-Injected: 1",
        b"X-Locale: en-US\r\n X-Injected: 1",
        b"X-Lo\x01cale: en-US",
        b"MS-CorrelationId: \x7f\x7f",
        b"MS-CorrelationId: \xff\xfe\xfd",
        b"MS-CorrelationId: " + b"a" * 31_000,
        b"x-ms-client-tracking-id: aaaaaaaa-1111-4111-8111-bbbbbbbbbbbb\x0bX-Injected: 1",
        b"Accept: application/problem\x0c+json",
        b"Content-Type: application/json\x00",
    ],
)
def test_control_characters_in_headers(chain: Chain, header: bytes) -> None:
    """Refused by the server or unharmful to us: in both cases a 4xx for this body, and no more."""
    status, body = chain.raw(_request(header + b"\r\n", body=b"{}"))

    assert 400 <= status < 500
    if body.startswith(b"{"):
        assert json.loads(body)["code"] in ("invalid_request", "unsupported_media_type")


@pytest.mark.parametrize(
    "request_text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS greeting
        b"POST\r\n\r\n",
        b"POST " + CARTS.encode() + b" HTTP/9.9\r\n\r\n",
        b"POST " + CARTS.encode() + b" HTTP/1.1\r\nContent-Length: minus one\r\n\r\n",
        b"POST "
        + CARTS.encode()
        + b" HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http(chain: Chain, request_text: bytes) -> None:
    status, _ = chain.raw(request_text)

    assert 400 <= status < 500


def test_a_caller_that_goes_away_in_the_middle_of_the_body(chain: Chain) -> None:
    address = urlsplit(chain.function.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(_request(body=json.dumps(cart()).encode())[:-1])


def _refused(
    chain: Chain, body: bytes, status: int, code: str, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    answer = chain.post(body, headers=headers)
    told = problem(answer)
    assert (answer.status_code, told["code"]) == (status, code)
    assert (told["outcome"], told["retryable"]) == ("not_sent", False)
    assert told["partnerCenter"] is None
    return told


def _request(header: bytes = b"", *, path: bytes = CARTS.encode(), body: bytes = b"{}") -> bytes:
    head = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nx-functions-key: %s\r\nConnection: close\r\n"
    length = b"Content-Length: %d\r\n" % len(body)
    return head % (path, FUNCTION_KEY.encode()) + length + header + b"\r\n" + body
