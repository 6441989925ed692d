"""The route for webhooks, from any bytes to one of five statuses."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.api.invocation import answer
from cart_core.api.messages import Request, Response
from cart_core.api.webhooks import Webhooks
from tests.kit.requests import NEW
from tests.unit.storefronts.samples import sample
from tests.unit.storefronts.shop import SECRET, SHOP, Shop, signed

SOURCES = ("shop", "woo", "big", "pay", "erp")
ALL = SHOP + "".join(
    f'[{name}]\nplatform = "{platform}"\nsecrets = ["shop-secret"]\n{more}\n'
    for name, platform, more in (
        ("woo", "woocommerce", ""),
        ("big", "bigcommerce", 'store_hash = "abc123"\naccess_token = "t"'),
        ("pay", "stripe", 'api_key = "k"'),
    )
)
STATUSES = {200, 401, 411, 413, 503}


async def post(shop: Shop, source: str, headers: dict[str, str], body: bytes) -> Response:
    request = Request(headers, {"source": source}, body)
    return await answer("webhook", Webhooks(shop.intake), request, NEW)


async def test_every_refusal_looks_the_same() -> None:
    shop = Shop(ALL)
    body = json.dumps(sample("shopify")).encode()
    answers = [
        await post(shop, source, headers, body)
        for source, headers in (
            ("shop", {}),
            ("shop", signed(body, "another")),
            ("shop", {"x-shopify-hmac-sha256": signed(body)["x-shopify-hmac-sha256"] + ",x"}),
            ("nobody", signed(body)),
            ("", signed(body)),
            ("../shop", signed(body)),
        )
    ]

    assert {(each.status, *each.headers, *each.body) for each in answers} == {
        (401, "MS-CorrelationId")
    }
    assert (await post(shop, "shop", signed(body), body)).status == 200


HEADERS = st.dictionaries(
    st.sampled_from(
        (
            *("x-shopify-hmac-sha256", "x-wc-webhook-signature", "stripe-signature", "webhook-id"),
            *("webhook-timestamp", "webhook-signature", "svix-signature", "transfer-encoding"),
        )
    ),
    st.text(max_size=60) | st.sampled_from(["t=1,v1=" + "0" * 64, "v1," + "A" * 43 + "="]),
    max_size=8,
)
BODIES = st.binary(max_size=80) | st.sampled_from(
    [b"webhook_id=1", b"{}", b"[" * 5000, b"x" * 1_048_577, json.dumps(sample("shopify")).encode()]
)


@cache
def untouched_shop() -> Shop:
    return Shop(ALL)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(source=st.sampled_from(SOURCES) | st.text(max_size=8), headers=HEADERS, body=BODIES)
async def test_no_bytes_are_stored_without_a_signature(
    source: str, headers: dict[str, str], body: bytes
) -> None:
    shop = untouched_shop()

    answer = await post(shop, source, headers, body)

    assert answer.status in STATUSES
    assert not await shop.documents.list("")
    assert not shop.bell.rung


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
SAMPLE = sample("shopify")


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SAMPLE)), JSON)
async def test_any_signed_json_is_acknowledged(member: str, value: Any) -> None:
    body = json.dumps(SAMPLE | {member: value}).encode()

    assert (await post(Shop(ALL), "shop", signed(body, SECRET), body)).status == 200
