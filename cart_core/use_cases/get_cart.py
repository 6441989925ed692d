"""Get a cart as Partner Center has it now."""

from collections.abc import Callable
from dataclasses import dataclass

from cart_core.call import Answer, Call
from cart_core.partner_center.carts import Carts


@dataclass(frozen=True, slots=True)
class GetCartCommand:
    """Which cart to get."""

    cart_id: str


class GetCart:
    """Gets carts."""

    def __init__(self, carts: Carts, *, new_guid: Callable[[], str]) -> None:
        self._carts = carts
        self._new_guid = new_guid

    async def __call__(self, call: Call, command: GetCartCommand) -> Answer:
        """The cart (200). Raises Problem in every other case."""
        return Answer.of(200, await self._carts.get(call, command.cart_id, self._new_guid()))
