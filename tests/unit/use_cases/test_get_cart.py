"""Getting a cart. test_every_endpoint has the other rules, test_carts what a failure means."""

from tests.kit.builders import CART_ID, CUSTOMER, SEED_RESPONSE
from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import ACTIVE, reply
from tests.kit.world import World


@in_virtual_time
async def test_a_cart_is_read_and_comes_back_normalised() -> None:
    world = World(reply(200, SEED_RESPONSE))
    response = await world.get()
    [asked] = world.center.asked
    assert (asked.operation, asked.customer_id, asked.cart_id) == ("get", CUSTOMER, CART_ID)
    assert (response.body["id"], response.body["warnings"]) == (CART_ID, [])


@in_virtual_time
async def test_headers_and_bodies_that_mean_nothing_here_are_not_looked_at() -> None:
    world = World(ACTIVE)
    headers = {"content-type": "text/plain", "content-encoding": "gzip", "idempotency-key": "a b"}
    response = await world.get(headers | {"x-ms-customeruser-upn": "nobody"}, b"\xff" * 1_000_000)
    assert response.status == 200
