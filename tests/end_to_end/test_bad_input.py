"""Bad input over the wire: nothing reaches Partner Center, and nothing of it comes back.

Here is what a server or a codec could stumble over. The unit tests have the tables of all that can
be wrong with a body, a cart, a path or a header; test_documented_statuses has the other codes.
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


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        pytest.param(b"[" * 100_000, {}, 400, "invalid_json", id="100 000 open brackets"),
        pytest.param(b" " * 20_000_000, {}, 413, "body_too_large", id="20 MB"),
        pytest.param(
            gzip.compress(json.dumps(cart()).encode()),
            {"Content-Encoding": "gzip"},
            *(415, "unsupported_content_encoding"),
            id="compressed",
        ),
    ],
)
def test_a_bad_body_is_refused(
    chain: Chain, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    error = problem(chain.post(body, headers=headers), status, code, "not_sent", False)

    assert error["partnerCenter"] is None


def test_no_value_of_a_bad_cart_comes_back(chain: Chain) -> None:
    value = "a-value-that-must-not-come-back"
    document = cart(line(friendlyName=value, **{"promotionId": "\ud83d", "\udc00": 1}))

    answer = chain.post(document, headers={"Accept": "application/problem+json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert value not in answer.text
    assert value not in chain.output()


@pytest.mark.parametrize(
    "customer",
    [
        *(f"{CUSTOMER}%0d%0aX-Injected:%201", CUSTOMER[:-1] + "%FF", f"..%2f{CUSTOMER}"),
        *("a%2Fb", "a%252Fb"),
    ],
)
def test_a_customer_id_must_be_a_guid(chain: Chain, customer: str) -> None:
    answer = chain.post(customer=customer)

    error = problem(answer, 400, "invalid_request", "not_sent", False)
    assert [each["code"] for each in error["errors"]] == ["invalid_customer_id"]
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize(
    "header",
    [
        b"X-Locale: en\x01US",
        b"X-Locale: en-US\r\n X-Injected: 1",
        b"MS-CorrelationId: \xff\xfe\xfd",
        b"x-ms-client-tracking-id: aaaaaaaa-1111-4111-8111-bbbbbbbbbbbb\x0bX-Injected: 1",
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
