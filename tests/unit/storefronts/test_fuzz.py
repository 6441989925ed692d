"""Signed bodies and fetched orders of any platform with anything changed in them, at any depth."""

import copy
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_core.storefronts import bigcommerce, stripe
from cart_core.storefronts.json_body import read_body
from cart_core.storefronts.order import StorefrontOrder
from cart_core.storefronts.order_record import State, record_name
from cart_core.storefronts.platforms import platform_of
from local.storefronts import local_secret, order_id_of, sign
from tests.unit.storefronts.builders import CONTOSO, FABRIKAM
from tests.unit.storefronts.samples import FOLDER, sample_sources
from tests.unit.storefronts.shop import Shop

SOURCES = sample_sources()
BODIES = {
    "shop": "shopify",
    "woo": "woocommerce",
    "big": "bigcommerce",
    "pay": "stripe",
    "erp": "standard-webhooks",
}
FETCHED = {
    "big": ("bigcommerce-order", "bigcommerce-products"),
    "pay": ("stripe-session", "stripe-line-items"),
}
REMOVED = object()

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=20)  # lone surrogates too
    | st.sampled_from([CONTOSO, FABRIKAM, "", "0", 0, -1, 1.5, 2**63, "2026-12-02T15:15:04Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


def document(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value in a document, but for the document itself."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in members:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


@st.composite
def changed(draw: st.DrawFn, name: str) -> Any:
    """A sample in which up to three values are others, or not there."""
    found = document(name)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(sorted(places(found), key=str) or [()]))
        if not path:
            return found
        *way, last = path
        holder = found
        for key in way:
            holder = holder[key]
        value = draw(st.just(REMOVED) | JSON)
        if value is REMOVED:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(value)
    return found


class Api:
    """A shop's API that answers with anything."""

    def __init__(self, source: str, order: Any, lines: Any) -> None:
        self._answers = source, order, lines

    async def fetch(self, order_id: str) -> StorefrontOrder:
        source, order, lines = (json.dumps(each).encode() for each in self._answers)
        read = bigcommerce.order_of if json.loads(source) == "big" else stripe.order_of
        items = read_body(b'{"lines": ' + lines + b"}")["lines"]
        return read(read_body(order), items)


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
@settings(max_examples=400, deadline=None)
@given(data=st.data())
async def test_whatever_a_shop_signs_is_acknowledged_and_bought_only_as_a_whole_order(
    name: str, data: st.DataObject
) -> None:
    source = SOURCES[name]
    shop = Shop()
    if name in FETCHED:
        shop.fetched = {name: Api(name, *(data.draw(changed(each)) for each in FETCHED[name]))}
    shop.secrets.values |= {secret: local_secret(secret) for secret in source.secrets}
    shop.configure({name: source})
    body = json.dumps(data.draw(changed(BODIES[name]))).encode()
    signed = sign(platform_of(source).scheme, local_secret(source.secrets[0]), body, shop.now)
    headers = {each.lower(): value for each, value in signed.items()}

    receipt = await shop.intake(name, headers, body)

    assert receipt.status == 200
    if receipt.verdict != "stored":
        assert not await shop.documents.list("orders/")
        return
    order_id = order_id_of(source, body)
    assert receipt.order_id == order_id
    record = await shop.orders.work(record_name(name, order_id or ""))
    assert record
    assert record.state in get_args(State)
    assert bool(record.reasons) == (record.state in ("parked", "refused"))
    for (customer, _), cart in shop.buyer.accepted.items():
        assert customer in (CONTOSO, FABRIKAM)
        assert all(0 < line["quantity"] < 1_000_000_000 for line in cart["lineItems"])
        assert await shop.orders.may_buy(record.name, customer)
