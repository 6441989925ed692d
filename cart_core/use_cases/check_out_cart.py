"""Check out a cart: buy what is in it, once, and answer with the orders.

The cart's id is the idempotency key. A completed checkout is answered from its record. After a
partial or a failed one, the same call tries to buy what is left.
"""

from dataclasses import dataclass
from functools import partial

from cart_core import telemetry
from cart_core.call import Answer, Call
from cart_core.idempotency.claim import Claim
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.runner import ExactlyOnce
from cart_core.use_cases.buying import Buying


@dataclass(frozen=True, slots=True)
class CheckOutCartCommand:
    """Which cart to buy, and for which of the customer's users (`user@domain`)."""

    cart_id: str
    customer_user: str | None = None


class CheckOutCart:
    """Checks carts out."""

    def __init__(self, once: ExactlyOnce, buying: Buying) -> None:
        self._once = once
        self._buying = buying
        self._plan = buying.plan("checkout")

    async def __call__(self, call: Call, command: CheckOutCartCommand) -> Answer:
        """What was ordered (201), now or when the cart was checked out before.

        Raises Problem in every other case.
        """
        self._buying.require_allowed()
        cart_id, user = command.cart_id, command.customer_user
        operation = OperationId("checkout_cart", call.customer_id, cart_id)
        content = {"customerId": call.customer_id, "cartId": cart_id, "customerUser": user}
        perform = partial(self._check_out, call, command)
        answer = await self._once.run(call, operation, self._plan, content, perform)
        telemetry.count_purchase(answer.body["status"], replayed=answer.replayed)
        return answer

    async def _check_out(self, call: Call, command: CheckOutCartCommand, claim: Claim) -> Answer:
        bought = await self._buying.buy(call, command.cart_id, command.customer_user, claim)
        return Answer.of(201, bought)
