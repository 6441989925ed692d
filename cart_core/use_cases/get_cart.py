"""Get a cart: read it from Partner Center, answer with the normalised cart."""

from collections.abc import Callable

from cart_core.api.messages import Call, Request, Response, cart_flaws, customer_flaws
from cart_core.call import Errand
from cart_core.partner_center.carts import Carts
from cart_core.problem import invalid_request
from cart_core.settings import Settings


class GetCart:
    """The operation `GET /customers/{customerId}/carts/{cartId}`; `monotonic` gives seconds."""

    def __init__(
        self,
        settings: Settings,
        carts: Carts,
        *,
        new_guid: Callable[[], str],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._carts = carts
        self._new_guid = new_guid
        self._monotonic = monotonic

    async def __call__(self, request: Request, call: Call) -> Response:
        """The cart (200). Raises Problem for every other end."""
        errand = Errand.of(request, call, self._settings, self._monotonic)
        cart_id = request.path.get("cartId", "").lower()
        if flaws := customer_flaws(errand.customer_id) + cart_flaws(cart_id):
            raise invalid_request(flaws)
        call.customer_id, call.cart_id = errand.customer_id, cart_id
        call.request_id = self._new_guid()
        body = await self._carts.get(errand, cart_id, call.request_id)
        return Response(200, body, call.headers())
