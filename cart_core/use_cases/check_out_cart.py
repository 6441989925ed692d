"""Check a cart out: buy what is in it, once, and answer with the orders.

The cart's id is the idempotency key. A checkout that was completed is answered from memory; after a
partial one, or one that failed, the same call goes on.
"""

from collections.abc import Callable

from cart_core import telemetry
from cart_core.api.messages import (
    Call,
    Request,
    Response,
    body_flaws,
    cart_flaws,
    customer_flaws,
    customer_user,
)
from cart_core.api.responses import to_response, to_store
from cart_core.call import Errand
from cart_core.idempotency.decision import OperationId
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.runner import ExactlyOnce, Work
from cart_core.problem import invalid_request
from cart_core.settings import Settings
from cart_core.use_cases.buying import CheckoutProcedure
from cart_core.use_cases.purchase import purchase_plan, require_allowed


class CheckoutCart:
    """`POST /customers/{customerId}/carts/{cartId}/checkout`; `monotonic` gives seconds."""

    def __init__(
        self,
        settings: Settings,
        once: ExactlyOnce,
        procedure: CheckoutProcedure,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._plan = purchase_plan(settings, "checkout")
        self._once = once
        self._procedure = procedure
        self._monotonic = monotonic

    async def __call__(self, request: Request, call: Call) -> Response:
        """What was ordered (201), now or when the cart was checked out before.

        Raises Problem for every other end.
        """
        require_allowed(self._settings)
        errand = Errand.of(request, call, self._settings, self._monotonic)
        customer, cart_id = errand.customer_id, request.path.get("cartId", "").lower()
        user, flaws = customer_user(request.headers)
        if flaws := customer_flaws(customer) + cart_flaws(cart_id) + flaws + body_flaws(request):
            raise invalid_request(flaws)
        call.customer_id, call.cart_id = customer, cart_id

        async def work(todo: Work) -> StoredAnswer:
            return to_store(201, await self._procedure.run(errand, cart_id, user, todo), call)

        answer, call.replayed = await self._once.run(
            OperationId("checkout_cart", customer, None, cart_id),
            self._plan,
            {"customerId": customer, "cartId": cart_id, "customerUser": user},
            call.correlation_id,
            errand.deadline,
            work,
        )
        telemetry.count_purchase(answer.body["status"], replayed=call.replayed)
        return to_response(answer, call)
