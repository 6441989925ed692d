"""Create a cart, once for each idempotency key."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from cart_core import telemetry
from cart_core.call import Answer, Answered, Call
from cart_core.cart.answer import cart_path
from cart_core.cart.request import CartRequest
from cart_core.idempotency.claim import Claim
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.plan import RETENTION, Keyed, Plan
from cart_core.idempotency.runner import ExactlyOnce
from cart_core.partner_center.carts import Carts
from cart_core.problem import FieldError, Problem
from cart_core.use_cases.resolve_items import ResolveItems, Step, Unrecorded, when_sent

_PLAN: Final = Plan(["cart"], RETENTION)

_NOT_IDEMPOTENT: Final = FieldError(
    "", "not_idempotent", "Without an Idempotency-Key, a repeated request makes another cart."
)


@dataclass(frozen=True, slots=True)
class CreateCartCommand:
    """The cart to create. `key` is the caller's idempotency key."""

    cart: CartRequest
    key: str | None = None


class CreateCart:
    """Creates carts. With `key_required`, a command without a key is refused."""

    def __init__(
        self,
        once: ExactlyOnce,
        carts: Carts,
        resolve_items: ResolveItems,
        *,
        key_required: bool,
        new_guid: Callable[[], str],
    ) -> None:
        self._once = once
        self._carts = carts
        self._resolve_items = resolve_items
        self._key_required = key_required
        self._new_guid = new_guid

    async def __call__(self, call: Call, command: CreateCartCommand) -> Answer:
        """The created cart (201), or the one that an earlier call with this key created.

        Raises Problem in every other case.
        """
        cart, key = command.cart, command.key
        if key is None:
            if self._key_required:
                raise _key_required()
            answer = await self._create(
                call, cart.warned(_NOT_IDEMPOTENT), Unrecorded(self._new_guid)
            )
        else:
            asked = self.keyed(call, command)
            perform = partial(self._create_under_claim, call, cart)
            items = self._resolve_items.known(call, cart)
            answer = await self._once.run(
                call, asked, perform, sends=when_sent(cart, items), items=items
            )
        telemetry.count_cart(call.caller_id, replayed=answer.replayed)
        return answer

    def keyed(self, call: Call, command: CreateCartCommand) -> Keyed:
        """What the command asks for under its key. Raises Problem `idempotency_key_required`."""
        if command.key is None:
            raise _key_required()
        operation = OperationId("create_cart", call.customer_id, command.key)
        return Keyed(operation, _PLAN, command.cart.body)

    async def _create_under_claim(self, call: Call, cart: CartRequest, claim: Claim) -> Answer:
        # A cart buys nothing. So once no earlier request for it can be under way, a refusal is the
        # last word, and the key is free.
        in_doubt = claim.resumed and claim.under_way_for() > 0
        return await self._create(call, cart, claim, resumed=in_doubt)

    async def _create(
        self, call: Call, cart: CartRequest, step: Step, *, resumed: bool = False
    ) -> Answer:
        async def send(cart: CartRequest, request_id: str) -> Answered:
            return await self._carts.create(call, cart, request_id, resumed=resumed)

        created, _ = await self._resolve_items.send(call, cart, step, send)
        call.sent.cart_id = created.body["id"]
        return Answer.of(201, created, Location=cart_path(call.customer_id, created.body["id"]))


def _key_required() -> Problem:
    return Problem("idempotency_key_required", "Send an Idempotency-Key header.")
