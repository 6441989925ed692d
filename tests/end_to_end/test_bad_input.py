"""Bad input over the wire: each its documented answer, and nothing reaches Partner Center.

One row for each code and each place that can be wrong; the unit tests have the whole tables.
"""

import gzip
import json
from collections.abc import Iterator

import pytest

from tests.end_to_end.chain import CUSTOMER, KEY_HEADER, NO_CALLS, Chain, cart, line, problem

CARTS = f"/api/customers/{CUSTOMER}/carts"


@pytest.fixture(autouse=True)
def _nothing_arrives(chain: Chain) -> Iterator[None]:
    yield
    assert chain.calls() == NO_CALLS
    assert chain.healthy()


REFUSED: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "no body": (b"", {}, 400, "invalid_json"),
    "cut": (b'{"lineItems": [', {}, 400, "invalid_json"),
    "invalid UTF-8": (b'{"lineItems": "\xff\xfe"}', {}, 400, "invalid_json"),
    "100 000 open brackets": (b"[" * 100_000, {}, 400, "invalid_json"),
    "a number of 5 000 digits": (b"9" * 5000, {}, 400, "invalid_json"),
    "a list": (b"[]", {}, 400, "invalid_request"),
    "another media type": (
        b"<cart/>",
        {"Content-Type": "application/xml"},
        *(415, "unsupported_media_type"),
    ),
    "another character set": (
        b"{}",
        {"Content-Type": "application/json; charset=utf-16"},
        *(415, "unsupported_media_type"),
    ),
    "compressed": (
        gzip.compress(json.dumps(cart()).encode()),
        {"Content-Encoding": "gzip"},
        *(415, "unsupported_content_encoding"),
    ),
    "a byte too large": (b" " * 262_145, {}, 413, "body_too_large"),
    "20 MB": (b" " * 20_000_000, {}, 413, "body_too_large"),
}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"), REFUSED.values(), ids=REFUSED.keys()
)
def test_a_bad_body_is_refused(
    chain: Chain, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    error = problem(chain.post(body, headers=headers), status, code, "not_sent", False)

    assert error["partnerCenter"] is None


INVALID: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "nothing in it": ("{}", [("/lineItems", "required")]),
    "another customer": (
        json.dumps({"CustomerId": "11111111-1111-4111-8111-111111111111", **cart()}),
        [("/CustomerId", "customer_mismatch")],
    ),
    "a member in two spellings": (
        '{"lineItems": [{"catalogItemId": "a", "CatalogItemID": "b", "quantity": 1,'
        ' "billingCycle": "none"}]}',
        [
            ("/lineItems/0/catalogItemId", "duplicate_member"),
            ("/lineItems/0/CatalogItemID", "duplicate_member"),
        ],
    ),
    "an id twice": (
        json.dumps(cart(line(id=1), line(addonItems=[line(id="1")]))),
        [("/lineItems/1/addonItems/0/id", "duplicate_id")],
    ),
    "a misspelled name": (
        json.dumps(cart(customTermEndDte="2027-01-31T00:00:00Z")),
        [("/lineItems/0/customTermEndDte", "misspelled_member")],
    ),
    "a lone surrogate, as value and as name": (
        '{"lineItems": [{"catalogItemId": "a", "quantity": 1, "billingCycle": "none",'
        ' "friendlyName": "\\ud83d", "\\udc00": 1}]}',
        [("/lineItems/0", "invalid_name"), ("/lineItems/0/friendlyName", "invalid_text")],
    ),
    "a number beyond a double": (
        '{"lineItems": [{"catalogItemId": "a", "quantity": 1e999, "billingCycle": "none"}]}',
        [("/lineItems/0/quantity", "out_of_range")],
    ),
    "wrong values everywhere": (
        json.dumps(cart(line(), line(quantity="2", billingCycle=[], participants=7))),
        [
            ("/lineItems/1/billingCycle", "wrong_type"),
            ("/lineItems/1/participants", "wrong_type"),
            ("/lineItems/1/quantity", "wrong_type"),
        ],
    ),
}


@pytest.mark.parametrize(("body", "errors"), INVALID.values(), ids=INVALID.keys())
def test_all_that_is_wrong_with_a_cart_is_listed(
    chain: Chain, body: str, errors: list[tuple[str, str]]
) -> None:
    error = problem(chain.post(body), 400, "invalid_request", "not_sent", False)

    assert sorted((each["pointer"], each["code"]) for each in error["errors"]) == sorted(errors)
    assert all(each["detail"] for each in error["errors"])


def test_the_first_hundred_of_1500_errors_are_listed(chain: Chain) -> None:
    error = problem(chain.post({"lineItems": [{}] * 500}), 400, "invalid_request")

    assert len(error["errors"]) == 100
    assert error["detail"].startswith("1500 problems")


def test_a_wrong_value_comes_back_neither_in_the_answer_nor_in_the_log(chain: Chain) -> None:
    value = "a-value-that-must-not-come-back"

    answer = chain.post(cart(line(id=value, quantity=value, termDuration=value)))

    assert answer.status_code == 400
    assert value not in answer.text
    assert value not in chain.output()


@pytest.mark.parametrize(
    "customer",
    [
        "x",
        f"{CUSTOMER}%0d%0aX-Injected:%201",
        CUSTOMER[:-1] + "%EF%BC%94",  # a full-width digit
        CUSTOMER[:-1] + "%FF",  # not UTF-8
        f"..%2f{CUSTOMER}",
        "0" * 4000,
    ],
)
def test_a_customer_id_must_be_a_guid(chain: Chain, customer: str) -> None:
    answer = chain.post(customer=customer)

    error = problem(answer, 400, "invalid_request", "not_sent", False)
    assert [each["code"] for each in error["errors"]] == ["invalid_customer_id"]
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "carts"),
        ("GET", f"carts/{CUSTOMER}"),
        ("PUT", f"carts/{CUSTOMER}"),
        ("POST", f"carts/{CUSTOMER}/checkout"),
        ("POST", "orders"),
    ],
)
def test_every_route_needs_the_key_and_knows_its_methods(
    chain: Chain, method: str, path: str
) -> None:
    path = f"/api/customers/{CUSTOMER}/{path}"

    for headers in ({}, {"x-functions-key": "wrong"}):
        answer = chain.send(method, path, headers, json.dumps(cart()))
        assert (answer.status_code, answer.content) == (401, b"")
    answer = chain.send("DELETE", path, KEY_HEADER)
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    "header",
    [
        b"X-Locale: en\x01US",
        b"X-Locale: en-US\r\n X-Injected: 1",
        b"MS-CorrelationId: \xff\xfe\xfd",
        b"MS-CorrelationId: " + b"a" * 31_000,
        b"x-ms-client-tracking-id: aaaaaaaa-1111-4111-8111-bbbbbbbbbbbb\x0bX-Injected: 1",
        b"Accept: application/problem\x0c+json",
    ],
)
def test_a_hostile_header_does_no_harm(chain: Chain, header: bytes) -> None:
    """Either the server refuses it, or the answer is the one to the empty cart."""
    status, body = chain.raw(
        b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nx-functions-key: %s\r\nConnection: close\r\n"
        b"Content-Length: 2\r\n%s\r\n\r\n{}"
        % (CARTS.encode(), KEY_HEADER["x-functions-key"].encode(), header)
    )

    assert 400 <= status < 500
    if body.startswith(b"{"):
        assert json.loads(body)["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [("*/*", "application/json"), ("application/problem+json", "application/problem+json")],
)
def test_the_media_type_of_an_error(chain: Chain, accept: str, media_type: str) -> None:
    answer = chain.post("{}", headers={"Accept": accept})

    assert answer.json()["code"] == "invalid_request"
    assert answer.headers["Content-Type"] == media_type
