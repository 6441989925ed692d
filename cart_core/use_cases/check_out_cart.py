"""Check out a cart: buy what is in it, once, and answer with the orders.

The cart's id is the idempotency key. A completed checkout is answered from its record. After a
partial or a failed one, the same call tries to buy what is left.
"""

from dataclasses import dataclass

from cart_core import telemetry
from cart_core.call import Answer, Call
from cart_core.idempotency.plan import Keyed
from cart_core.use_cases.buying import Buying
from cart_core.use_cases.purchase import Purchase


@dataclass(frozen=True, slots=True)
class CheckOutCartCommand:
    """Which cart to buy, and for which of the customer's users (`user@domain`)."""

    cart_id: str
    customer_user: str | None = None


class CheckOutCart:
    """Checks carts out."""

    def __init__(self, buying: Buying) -> None:
        self._buying = buying

    async def __call__(self, call: Call, command: CheckOutCartCommand) -> Answer:
        """What was ordered (201), now or when the cart was checked out before.

        Raises Problem in every other case.
        """
        self._buying.require_allowed()
        purchase = Purchase(command.cart_id, command.customer_user)
        answer = await self._buying.buy(call, purchase)
        telemetry.count_purchase(answer.body["status"], call.caller_id, replayed=answer.replayed)
        return answer

    async def admit(self, call: Call, command: CheckOutCartCommand) -> None:
        """Raises Problem if the purchase must not be accepted now, to be made later."""
        await self._buying.admit(call, self.keyed(call, command))

    def keyed(self, call: Call, command: CheckOutCartCommand) -> Keyed:
        """What the command asks for; its key is the cart."""
        return self._buying.keyed(call, command.cart_id, command.customer_user)
