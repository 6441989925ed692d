"""The verifier: foreign vectors, foreign signers, and everything that is malformed."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
import stripe
import svix
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.storefronts.signatures import Scheme, matching_key, signing_key

NOW = 1_795_348_800
SHOPIFY, WOO, STANDARD = Scheme.SHOPIFY, Scheme.WOOCOMMERCE, Scheme.STANDARD_WEBHOOKS
SECRET = "a secret of thirty-two characters"
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

STRIPE_BODY = (
    json.dumps(
        {
            "id": "evt_123",
            "object": "event",
            "account": "acct_123",
            "api_version": "2017-05-25",
            "created": 1533204620,
            "data": {
                "object": {
                    "id": "cus_123",
                    "object": "customer",
                    "created": 123456789,
                    "email": "test@stripe.com",
                    "livemode": False,
                    "metadata": {},
                }
            },
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": "req_123", "idempotency_key": "idempotency-key-123"},
            "type": "customer.created",
        },
        indent=2,
    )
    + "\n"
)
STRIPE_V1 = "2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7"
STRIPE_V0 = "63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef"


def standard(message_id: str, timestamp: str, signature: str, family: str = "webhook") -> Any:
    return {
        f"{family}-id": message_id,
        f"{family}-timestamp": timestamp,
        f"{family}-signature": signature,
    }


VECTOR_5 = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330")
GOOD_5 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
TWIN_5 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="
BODY_5 = b'{"test": 2432232314}'
VECTOR_6 = ("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", "1649367553")
SECRET_6 = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY_6 = b'{"email":"test@example.com","username":"test_user"}'
GOOD_6 = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="

VECTORS: list[tuple[str, Scheme, str, dict[str, str], bytes, int, bool]] = [
    (
        "Shopify's JavaScript library",
        SHOPIFY,
        "test_secret_key",
        {"x-shopify-hmac-sha256": "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g="},
        b'{"foo": "bar"}',
        NOW,
        True,
    ),
    (
        "Shopify's PHP library",
        SHOPIFY,
        "7008c5f4da4718b9b45d26d3fcbbb157",
        {"shopify-hmac-sha256": "+R9TwYM4mbLTk3hEAOBkpA7zW2lc9vNFmVKs2u2jtyY="},
        b'{"foo":"bar"}',
        NOW,
        True,
    ),
    (
        "Shopify's Ruby library",
        SHOPIFY,
        "API_SECRET_KEY",
        {"x-shopify-hmac-sha256": "+ihUB5l+D7QrohDEi/6NcBcJRyKssyWqos13LmnsBbs="},
        b"{}",
        NOW,
        True,
    ),
    (
        "WooCommerce's core, whose test has an empty secret",
        WOO,
        "",
        {"x-wc-webhook-signature": "GBDo00G55h6IiV+6CxqivQPLbI//KzaOZm747971tPs="},
        b"secret",
        NOW,
        True,
    ),
    (
        "Standard Webhooks",
        STANDARD,
        STANDARD_SECRET,
        standard(*VECTOR_5, GOOD_5),
        BODY_5,
        1614265330,
        True,
    ),
    (
        "Svix's names",
        STANDARD,
        STANDARD_SECRET,
        standard(*VECTOR_5, GOOD_5, "svix"),
        BODY_5,
        1614265330,
        True,
    ),
    (
        "junk before the signature",
        STANDARD,
        STANDARD_SECRET,
        standard(*VECTOR_5, f"junk  v1,?? {GOOD_5}"),
        BODY_5,
        1614265330,
        True,
    ),
    (
        "300 s late",
        STANDARD,
        STANDARD_SECRET,
        standard(*VECTOR_5, GOOD_5),
        BODY_5,
        1614265630,
        True,
    ),
    (
        "301 s late",
        STANDARD,
        STANDARD_SECRET,
        standard(*VECTOR_5, GOOD_5),
        BODY_5,
        1614265631,
        False,
    ),
    (
        "301 s early",
        STANDARD,
        STANDARD_SECRET,
        standard(*VECTOR_5, GOOD_5),
        BODY_5,
        1614265029,
        False,
    ),
    (
        "its negative twin",
        STANDARD,
        STANDARD_SECRET,
        standard(*VECTOR_5, TWIN_5),
        BODY_5,
        1614265330,
        False,
    ),
    (
        "a fraction in the time",
        STANDARD,
        STANDARD_SECRET,
        standard(VECTOR_5[0], "1614265330.0", GOOD_5),
        BODY_5,
        1614265330,
        False,
    ),
    (
        "a header sent twice",
        STANDARD,
        STANDARD_SECRET,
        standard(*VECTOR_5, f"{GOOD_5}, {GOOD_5}"),
        BODY_5,
        1614265330,
        False,
    ),
    (
        "both families mixed",
        STANDARD,
        STANDARD_SECRET,
        {**standard(*VECTOR_5, GOOD_5, "svix"), "webhook-signature": GOOD_5},
        BODY_5,
        1614265330,
        False,
    ),
    (
        "Standard Webhooks' Rust library",
        STANDARD,
        SECRET_6,
        standard(*VECTOR_6, GOOD_6),
        BODY_6,
        1649367553,
        True,
    ),
    (
        "two signatures",
        STANDARD,
        SECRET_6,
        standard(*VECTOR_6, f"{TWIN_5} {GOOD_6}"),
        BODY_6,
        1649367553,
        True,
    ),
    (
        "another signature",
        STANDARD,
        SECRET_6,
        standard(*VECTOR_6, GOOD_5),
        BODY_6,
        1649367553,
        False,
    ),
    ("a bare version", STANDARD, SECRET_6, standard(*VECTOR_6, "v1,"), BODY_6, 1649367553, False),
    (
        "its first characters alone",
        STANDARD,
        SECRET_6,
        standard(*VECTOR_6, GOOD_6[:11]),
        BODY_6,
        1649367553,
        False,
    ),
    (
        "another version",
        STANDARD,
        SECRET_6,
        standard(*VECTOR_6, GOOD_6.replace("v1", "v1a")),
        BODY_6,
        1649367553,
        False,
    ),
    *(
        (
            f"Stripe, {what}",
            Scheme.STRIPE,
            "webhook_secret",
            {"stripe-signature": header},
            body.encode(),
            1533204620,
            good,
        )
        for what, header, body, good in (
            ("its .NET library", f"t=1533204620,v1={STRIPE_V1},v0={STRIPE_V0}", STRIPE_BODY, True),
            ("another v1 before", f"t=1533204620,v1={STRIPE_V0},v1={STRIPE_V1}", STRIPE_BODY, True),
            ("without the last newline", f"t=1533204620,v1={STRIPE_V1}", STRIPE_BODY[:-1], False),
            ("v0 alone", f"t=1533204620,v0={STRIPE_V1}", STRIPE_BODY, False),
            ("two times", f"t=1533204620,t=1533204620,v1={STRIPE_V1}", STRIPE_BODY, False),
            ("letters beyond ASCII", f"t=1533204620,v1=\u00e9{STRIPE_V1}", STRIPE_BODY, False),
            ("far too early", f"t=1633204620,v1={STRIPE_V1}", STRIPE_BODY, False),
            *(
                (f"malformed {header}", header, STRIPE_BODY, False)
                for header in (f"t=,v1={STRIPE_V1}", "t,v1=,v0=", "t,v1=,", "t,,", ",,", "t", "")
            ),
        )
    ),
]


@pytest.mark.parametrize(
    ("scheme", "secret", "headers", "body", "now", "good"),
    [case[1:] for case in VECTORS],
    ids=[case[0] for case in VECTORS],
)
def test_vectors_of_the_senders_own_suites(
    scheme: Scheme, secret: str, headers: dict[str, str], body: bytes, now: int, good: bool
) -> None:
    key = signing_key(scheme, secret)

    assert key is not None
    assert matching_key(scheme, headers, body, [key], now) == (0 if good else None)
    assert matching_key(scheme, headers, body, [b"other", key], now) == (1 if good else None)
    assert matching_key(scheme, headers, body + b" ", [key], now) is None
    assert matching_key(scheme, headers, body, [], now) is None


HEADER_OF = {SHOPIFY: "x-shopify-hmac-sha256", WOO: "x-wc-webhook-signature"}


def body_signature(key: str, body: bytes) -> str:
    return base64.b64encode(hmac.digest(key.encode(), body, "sha256")).decode()


@pytest.mark.parametrize("scheme", [SHOPIFY, WOO])
@pytest.mark.parametrize(
    "header",
    [
        "{0},{0}",
        "{0}, {0}",
        "{0} ",
        "{0}\n",
        "={0}",
        "",
        "\u00e9" * 44,
        "\ud800" * 44,
        "A" * 44,
        "A" * 1_000_000,
    ],
)
def test_a_malformed_or_doubled_header_is_refused(scheme: Scheme, header: str) -> None:
    headers = {HEADER_OF[scheme]: header.format(body_signature(SECRET, b"{}"))}

    assert matching_key(scheme, headers, b"{}", [SECRET.encode()], NOW) is None


def test_two_spellings_of_shopifys_header_have_to_agree() -> None:
    good = body_signature(SECRET, b"{}")
    names = ("x-shopify-hmac-sha256", "shopify-hmac-sha256")
    others = [body_signature(f"other {number}", b"{}") for number in range(16)]

    for other, found in ((good, 0), *((other, None) for other in others)):
        for values in ((good, other), (other, good)):
            headers = dict(zip(names, values, strict=True))
            assert matching_key(SHOPIFY, headers, b"{}", [SECRET.encode()], NOW) == found


@pytest.mark.parametrize(
    ("scheme", "secret", "key"),
    [
        (SHOPIFY, f" {SECRET}\r\n", SECRET.encode()),
        (WOO, "a&amp;b", b"a&b"),
        (Scheme.STRIPE, STANDARD_SECRET, STANDARD_SECRET.encode()),
        (Scheme.BIGCOMMERCE, "whsec_text", b"whsec_text"),
        (STANDARD, STANDARD_SECRET, base64.b64decode(STANDARD_SECRET[6:])),
        (STANDARD, STANDARD_SECRET[6:], base64.b64decode(STANDARD_SECRET[6:])),
        (STANDARD, "whsec_not base64!", None),
        (STANDARD, "whsec_caf\u00e9", None),
    ],
)
def test_the_key_that_a_secret_stands_for(scheme: Scheme, secret: str, key: bytes | None) -> None:
    assert signing_key(scheme, secret) == key


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.Webhook])
def test_what_foreign_libraries_sign_is_taken(library: Any) -> None:
    body = '{"type": "order.paid"}'
    signature = library(STANDARD_SECRET).sign("msg_1", datetime.fromtimestamp(NOW, UTC), body)
    key = signing_key(STANDARD, STANDARD_SECRET)

    headers = standard("msg_1", str(NOW), signature)
    assert key
    assert matching_key(STANDARD, headers, body.encode(), [key], NOW) == 0


def test_what_stripes_library_signs_is_taken() -> None:
    signature = stripe.WebhookSignature._compute_signature(f"{NOW}.{{}}", SECRET)
    header = f"t={NOW},v1={signature}"

    headers = {"stripe-signature": header}
    assert matching_key(Scheme.STRIPE, headers, b"{}", [SECRET.encode()], NOW) == 0


def test_bigcommerce_signs_with_the_text_of_its_client_secret() -> None:
    encoded = base64.b64encode(SECRET.encode()).decode()
    library = standardwebhooks.Webhook(encoded)
    headers = standard("1", str(NOW), library.sign("1", datetime.fromtimestamp(NOW, UTC), "{}"))

    assert matching_key(Scheme.BIGCOMMERCE, headers, b"{}", [SECRET.encode()], NOW) == 0


def header_texts() -> st.SearchStrategy[str]:
    pieces = st.sampled_from(
        ["v1,", "v1=", "t=", str(NOW), ",", " ", "=", ".", GOOD_5, STRIPE_V1, "A" * 44, "\x00"]
    )
    return st.one_of(st.text(max_size=80), st.lists(pieces, max_size=8).map("".join))


NAMES = (
    *HEADER_OF.values(),
    *("webhook-id", "webhook-timestamp", "webhook-signature"),
    *("svix-id", "svix-timestamp", "svix-signature", "stripe-signature"),
)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(
    scheme=st.sampled_from(Scheme),
    headers=st.dictionaries(st.sampled_from(NAMES), header_texts(), max_size=9),
    body=st.binary(max_size=64),
)
def test_no_header_and_no_body_is_taken_without_the_key(
    scheme: Scheme, headers: dict[str, str], body: bytes
) -> None:
    assert matching_key(scheme, headers, body, [hashlib.sha256(body).digest()], NOW) is None


def test_a_forged_delivery_costs_less_than_a_millisecond_of_cpu() -> None:
    body, keys = b"x" * 20_000, [b"k" * 32, b"j" * 32]
    headers = {"x-shopify-hmac-sha256": "A" * 43 + "="}
    began = time.process_time()
    for _ in range(100):
        assert matching_key(SHOPIFY, headers, body, keys, NOW) is None
    assert (time.process_time() - began) / 100 < 0.001
