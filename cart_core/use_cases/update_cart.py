"""Update a cart: replace all of its lines, while nobody buys it.

No idempotency key is needed, because to replace a cart twice has the same effect as to do it once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cart_core.call import Answer, Call
from cart_core.cart.expected_lines import expected_lines
from cart_core.cart.request import CartRequest
from cart_core.idempotency.claim import Claims
from cart_core.idempotency.hold import hold
from cart_core.idempotency.plan import Plan
from cart_core.partner_center.carts import Carts
from cart_core.use_cases.buying import purchase_of
from cart_core.use_cases.resolve_items import ResolveItems, Unrecorded


@dataclass(frozen=True, slots=True)
class UpdateCartCommand:
    """Which cart to update, and the cart that is to replace it."""

    cart_id: str
    cart: CartRequest


class UpdateCart:
    """Updates carts. `purchase_plan` is the plan of buying one."""

    def __init__(
        self,
        claims: Claims,
        purchase_plan: Plan,
        carts: Carts,
        resolve_items: ResolveItems,
        *,
        new_guid: Callable[[], str],
    ) -> None:
        self._claims = claims
        self._purchase_plan = purchase_plan
        self._carts = carts
        self._resolve_items = resolve_items
        self._new_guid = new_guid

    async def __call__(self, call: Call, command: UpdateCartCommand) -> Answer:
        """The cart as it is now (200). Raises Problem in every other case.

        The cart is read first, to warn of lines that the command does not repeat. An order that
        bought nothing yet is held to the new lines from now on.
        """
        purchase = purchase_of(call.customer_id, command.cart_id)
        held = await hold(self._claims, call, purchase, self._purchase_plan)
        lines = None
        try:
            current = await self._carts.get(call, command.cart_id, self._new_guid())
            cart = command.cart.replacing(current.body)
            # Items that went stale are not replaced in a cart that is ordered, or may be.
            step = Unrecorded(self._new_guid, doubted=held is None or held.may_be_ordered)
            updated, sent = await self._resolve_items.send(
                call, cart, step, partial(self._carts.update, call, command.cart_id)
            )
            lines = expected_lines(sent.body["lineItems"])
        finally:
            if held:
                await held.release(lines, doubted=call.sent.doubted)
        return Answer.of(200, updated)
