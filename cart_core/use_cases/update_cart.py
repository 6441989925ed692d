"""Update a cart: validate what shall be in it, put it in the cart's place, answer with the cart.

No idempotency key is needed: the whole cart is replaced, and to do so twice is to do it once.
"""

from collections.abc import Callable

from cart_core.api.body import read_json
from cart_core.api.messages import Call, Request, Response, cart_flaws, customer_flaws, json_body
from cart_core.call import Errand
from cart_core.cart.request import CartRules, read_cart
from cart_core.partner_center.carts import Carts
from cart_core.settings import Settings


class UpdateCart:
    """The operation `PUT /customers/{customerId}/carts/{cartId}`; `monotonic` gives seconds."""

    def __init__(
        self,
        settings: Settings,
        carts: Carts,
        *,
        new_guid: Callable[[], str],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        # Members that Partner Center added to the cart itself may come back.
        self._rules = CartRules(settings.max_quantity, "forward")
        self._carts = carts
        self._new_guid = new_guid
        self._monotonic = monotonic

    async def __call__(self, request: Request, call: Call) -> Response:
        """The cart as it is now (200). Raises Problem for every other end."""
        errand = Errand.of(request, call, self._settings, self._monotonic)
        customer, cart_id = errand.customer_id, request.path.get("cartId", "").lower()
        document, flaws = read_json(json_body(request, self._settings.max_body_bytes))
        flaws = customer_flaws(customer) + cart_flaws(cart_id) + flaws
        cart = read_cart(document, customer, self._rules, flaws, cart_id=cart_id)
        call.customer_id, call.cart_id = customer, cart_id
        call.request_id = self._new_guid()
        body = await self._carts.update(errand, cart_id, cart, call.request_id)
        return Response(200, body, call.headers())
