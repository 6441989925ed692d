"""Place an order: create the cart and check it out, under one idempotency key.

The cart is written down before it is checked out. So whatever is lost or repeated, nothing but that
one cart is ever bought under a key, even where Partner Center makes two carts of one request.
"""

from collections.abc import Callable

from cart_core import telemetry
from cart_core.api.body import read_json
from cart_core.api.messages import Call, Request, Response, customer_flaws, customer_user, json_body
from cart_core.api.responses import to_response, to_store
from cart_core.call import Errand
from cart_core.cart.request import CartRequest, CartRules, read_cart
from cart_core.idempotency.decision import OperationId, caller_id, idempotency_key
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.runner import ExactlyOnce, Work
from cart_core.partner_center.carts import Carts
from cart_core.problem import Problem
from cart_core.settings import Settings
from cart_core.use_cases.buying import CheckoutProcedure, not_orderable
from cart_core.use_cases.purchase import purchase_plan, require_allowed


class PlaceOrder:
    """The operation `POST /customers/{customerId}/orders`; `monotonic` gives seconds."""

    def __init__(
        self,
        settings: Settings,
        once: ExactlyOnce,
        carts: Carts,
        procedure: CheckoutProcedure,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        # What nobody has documented must not be bought by accident.
        self._rules = CartRules(settings.max_quantity, settings.unknown_members or "reject")
        self._plan = purchase_plan(settings, "cart", "checkout")
        self._once = once
        self._carts = carts
        self._procedure = procedure
        self._monotonic = monotonic

    async def __call__(self, request: Request, call: Call) -> Response:
        """What was ordered (201), now or when this key was used before.

        Raises Problem for every other end.
        """
        require_allowed(self._settings)
        errand = Errand.of(request, call, self._settings, self._monotonic)
        customer = errand.customer_id
        user, user_flaws = customer_user(request.headers)
        document, flaws = read_json(json_body(request, self._settings.max_body_bytes))
        flaws = customer_flaws(customer) + user_flaws + flaws
        cart = read_cart(document, customer, self._rules, flaws)
        call.customer_id = customer
        key = idempotency_key(request.headers)
        if key is None:
            raise Problem(
                "idempotency_key_required",
                "Send an Idempotency-Key header: without one, a repeated request would buy again.",
            )

        async def work(todo: Work) -> StoredAnswer:
            return to_store(201, await self._order(errand, cart, user, todo), call)

        answer, call.replayed = await self._once.run(
            OperationId(
                "place_order",
                customer,
                caller_id(request.headers, self._settings.callers_known),
                key,
            ),
            self._plan,
            {"customerUser": user, "cart": cart.body},
            call.correlation_id,
            errand.deadline,
            work,
        )
        call.cart_id = answer.body["cartId"]
        telemetry.count_purchase(answer.body["status"], replayed=call.replayed)
        return to_response(answer, call)

    async def _order(
        self, errand: Errand, wanted: CartRequest, customer_user: str | None, todo: Work
    ) -> dict[str, object]:
        call = errand.call
        if "cart" in todo.results:
            cart_id = call.cart_id = todo.results["cart"]["cartId"]
        else:
            call.request_id, call.may_have_effect = todo.request_id, todo.resumed
            cart = await self._carts.create(errand, wanted, todo.request_id, resumed=todo.resumed)
            cart_id = call.cart_id = cart["id"]
            todo = await todo.finish({"cartId": cart_id})
            if not cart["orderable"]:
                raise not_orderable(cart)
        return await self._procedure.run(errand, cart_id, customer_user, todo, wanted.warnings)
