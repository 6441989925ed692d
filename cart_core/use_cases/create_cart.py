"""Create a cart: validate it, send it to Partner Center once, answer with the normalised cart."""

from collections.abc import Callable
from typing import Final

from cart_core import telemetry
from cart_core.api.body import read_json
from cart_core.api.messages import Call, Request, Response, customer_flaws, json_body
from cart_core.api.responses import to_response, to_store
from cart_core.call import Errand
from cart_core.cart.answer import cart_path
from cart_core.cart.request import CartRequest, CartRules, read_cart
from cart_core.idempotency.decision import OperationId, caller_id, idempotency_key
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.runner import RETENTION, ExactlyOnce, Plan, Work
from cart_core.partner_center.carts import Carts
from cart_core.problem import FieldError, Problem
from cart_core.settings import Settings

_PLAN: Final = Plan(["cart"], RETENTION)

_NOT_IDEMPOTENT: Final = FieldError(
    "", "not_idempotent", "Without an Idempotency-Key, a repeated request makes another cart."
)


class CreateCart:
    """The operation `POST /customers/{customerId}/carts`; `monotonic` gives seconds."""

    def __init__(
        self,
        settings: Settings,
        once: ExactlyOnce,
        carts: Carts,
        *,
        new_guid: Callable[[], str],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._rules = CartRules(settings.max_quantity, settings.unknown_members or "forward")
        self._once = once
        self._carts = carts
        self._new_guid = new_guid
        self._monotonic = monotonic

    async def __call__(self, request: Request, call: Call) -> Response:
        """The created cart (201), or the one that an earlier request with this key created.

        Raises Problem for every other end.
        """
        errand = Errand.of(request, call, self._settings, self._monotonic)
        customer = errand.customer_id
        document, flaws = read_json(json_body(request, self._settings.max_body_bytes))
        cart = read_cart(document, customer, self._rules, customer_flaws(customer) + flaws)
        call.customer_id = customer
        key = idempotency_key(request.headers)
        if key is None:
            if self._settings.require_idempotency_key:
                raise Problem("idempotency_key_required", "Send an Idempotency-Key header.")
            cart = cart.warned(_NOT_IDEMPOTENT)
            answer = await self._create(errand, cart, self._new_guid())
        else:
            operation = OperationId(
                "create_cart",
                customer,
                caller_id(request.headers, self._settings.callers_known),
                key,
            )

            async def work(todo: Work) -> StoredAnswer:
                return await self._create(errand, cart, todo.request_id, resumed=todo.resumed)

            answer, call.replayed = await self._once.run(
                operation, _PLAN, cart.body, call.correlation_id, errand.deadline, work
            )
        call.cart_id = answer.body["id"]
        telemetry.count_cart(replayed=call.replayed)
        return to_response(answer, call)

    async def _create(
        self, errand: Errand, cart: CartRequest, request_id: str, *, resumed: bool = False
    ) -> StoredAnswer:
        call = errand.call
        call.request_id, call.may_have_effect = request_id, resumed
        body = await self._carts.create(errand, cart, request_id, resumed=resumed)
        return to_store(201, body, call, Location=cart_path(errand.customer_id, body["id"]))
