"""Update a cart: replace all of its lines.

No idempotency key is needed, because to replace a cart twice has the same effect as to do it once.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cart_core.call import Answer, Call
from cart_core.cart.request import CartRequest
from cart_core.partner_center.carts import Carts


@dataclass(frozen=True, slots=True)
class UpdateCartCommand:
    """Which cart to update, and the cart that is to replace it."""

    cart_id: str
    cart: CartRequest


class UpdateCart:
    """Updates carts."""

    def __init__(self, carts: Carts, *, new_guid: Callable[[], str]) -> None:
        self._carts = carts
        self._new_guid = new_guid

    async def __call__(self, call: Call, command: UpdateCartCommand) -> Answer:
        """The cart as it is now (200). Raises Problem in every other case."""
        request_id = self._new_guid()
        updated = await self._carts.update(call, command.cart_id, command.cart, request_id)
        return Answer.of(200, updated)
