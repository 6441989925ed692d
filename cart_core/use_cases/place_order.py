"""Place an order: create a cart and check it out, under one idempotency key.

The cart's id is recorded before the cart is checked out. So whatever is lost or repeated, nothing
but that one cart is ever bought under a key, even if Partner Center makes two carts of one request.
The purchase itself has a record of its own, which it shares with everybody who buys or changes that
cart.
"""

from dataclasses import dataclass
from functools import partial

from cart_core import telemetry
from cart_core.call import Answer, Answered, Call
from cart_core.cart.expected_lines import expected_lines
from cart_core.cart.request import CartRequest
from cart_core.idempotency.claim import Claim
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.plan import Keyed, Sends
from cart_core.idempotency.runner import ExactlyOnce
from cart_core.partner_center.carts import Carts
from cart_core.problem import FieldError, Problem
from cart_core.use_cases.buying import Buying
from cart_core.use_cases.duplicate_orders import DuplicateOrders
from cart_core.use_cases.preflight_cart import PreflightCart
from cart_core.use_cases.purchase import Purchase, Renew
from cart_core.use_cases.renew_items import RenewItems
from cart_core.use_cases.resolve_items import ResolveItems, when_sent, with_resolved


@dataclass(frozen=True, slots=True)
class PlaceOrderCommand:
    """The cart to buy, and for which of the customer's users (`user@domain`).

    `key` is the caller's idempotency key. With `preflight`, blockers end the order before its cart
    is made; that is no part of what is ordered.
    """

    cart: CartRequest
    key: str | None
    customer_user: str | None = None
    preflight: bool = False


class PlaceOrder:
    """Places orders."""

    def __init__(
        self,
        once: ExactlyOnce,
        carts: Carts,
        resolve_items: ResolveItems,
        renew_items: RenewItems,
        buying: Buying,
        duplicates: DuplicateOrders,
        preflight: PreflightCart,
    ) -> None:
        self._once = once
        self._duplicates = duplicates
        self._carts = carts
        self._resolve_items = resolve_items
        self._renew_items = renew_items
        self._preflight = preflight
        self._buying = buying
        self._plan = buying.plan_of("cart")

    async def __call__(self, call: Call, command: PlaceOrderCommand) -> Answer:
        """What was ordered (201), now or when this key was used before.

        Raises Problem in every other case.
        """
        self._buying.require_allowed()
        perform = partial(self._order, call, command)
        asked = self.keyed(call, command)
        items = self._resolve_items.known(call, command.cart)
        answer = await self._once.run(
            *(call, asked, perform),
            sends=Sends.AFTER_A_LOOK if command.preflight else when_sent(command.cart, items),
            items=items,
        )
        telemetry.count_purchase(answer.body["status"], call.caller_id, replayed=answer.replayed)
        return answer

    async def admit(self, call: Call, command: PlaceOrderCommand) -> None:
        """Raises Problem if the order must not be accepted now, to be placed later."""
        lines = command.cart.body["lineItems"]
        await self._buying.admit(call, self.keyed(call, command), lines)

    def keyed(self, call: Call, command: PlaceOrderCommand) -> Keyed:
        """What the command asks for under its key. Raises Problem `idempotency_key_required`."""
        if command.key is None:
            raise Problem(
                "idempotency_key_required",
                "Send an Idempotency-Key header: without one, a repeated request would buy again.",
            )
        operation = OperationId("place_order", call.customer_id, command.key)
        content = {"customerUser": command.customer_user, "cart": command.cart.body}
        return Keyed(operation, self._plan, content)

    async def _order(self, call: Call, command: PlaceOrderCommand, claim: Claim) -> Answer:
        asked, created = command.cart, None
        has_cart, guard = "cart" in claim.results, self._buying.guard
        nothing_bought = not claim.resumed and not claim.earlier_answer
        if call.worked_off and nothing_bought:  # It may have been stopped since it was accepted.
            guard.check_quantity(asked.body["lineItems"], accepted=True)
            await guard.admit(call, claim.operation)
        if not has_cart:
            if not claim.resumed:
                if not call.worked_off:
                    guard.check_quantity(asked.body["lineItems"])
                # What may have been sent is resumed first: its own seats would stand against it.
                if command.preflight:
                    await self._preflight.require_no_blocker(call, asked)
                if not call.worked_off:
                    await guard.admit(call, claim.operation)
            if command.preflight and not asked.sku_lines:
                await claim.begin()
            created = await self._create(call, asked, claim)
        recorded = claim.results["cart"]
        resolved = with_resolved(asked, claim.items or [])
        found = tuple(FieldError(**warning) for warning in recorded.get("warnings", ()))
        if has_cart and not found:
            found = await self._placed_since(claim)
        purchase = Purchase(
            recorded["cartId"],
            command.customer_user,
            expected_lines(resolved.body["lineItems"]),
            created.body if created else None,
            (*asked.warnings, *found),
            self._renewal(call, asked, claim, recorded["cartId"]),
        )
        call.sent.cart_id = purchase.cart_id
        with Problem.completing(trace=created.trace if created else None):
            return await self._buying.buy(call, purchase)

    async def _placed_since(self, claim: Claim) -> tuple[FieldError, ...]:
        """The warnings about an order that has its cart, and was refused until now.

        Its caller may have placed it under another key since. Raises Problem.
        """
        if claim.resumed or claim.earlier_answer:  # It may be bought, or is in part.
            return ()
        async with self._duplicates.looked_for(claim) as warnings:
            return await warnings()

    def _renewal(self, call: Call, asked: CartRequest, claim: Claim, cart_id: str) -> Renew | None:
        """What replaces stale items of the order's cart; None where that may not be done."""
        if not claim.items or claim.doubted:
            return None
        return partial(self._renew_items, call, asked, claim.items, cart_id)

    async def _create(self, call: Call, cart: CartRequest, claim: Claim) -> Answered:
        """The cart, once it is created and recorded with the warnings about the order.

        A later request that goes on with the cart gives these warnings too.
        """
        # A cart buys nothing. So once no earlier request for it can be under way, a refusal is the
        # last word on the order, and its key is free.
        in_doubt = claim.resumed and claim.under_way_for() > 0

        async def send(cart: CartRequest, request_id: str) -> Answered:
            return await self._carts.create(call, cart, request_id, resumed=in_doubt)

        async with self._duplicates.looked_for(claim) as warnings:
            confirm = partial(self._renew_items.require_promotions, call)
            created, _ = await self._resolve_items.send(call, cart, claim, send, confirm)
            call.sent.cart_id = created.body["id"]
            with Problem.completing(trace=created.trace):
                found = [warning.as_json() for warning in await warnings()]
                made = {"cartId": created.body["id"]} | ({"warnings": found} if found else {})
                await claim.finish_step(made)
        return created
