"""Put today's items into the cart of an order whose checkout was refused for stale ones."""

from collections.abc import Callable
from typing import Any

from cart_core.call import Answered, Call
from cart_core.cart.expected_lines import expected_lines
from cart_core.cart.request import CartRequest
from cart_core.idempotency.claim import Claim
from cart_core.partner_center.carts import Carts
from cart_core.partner_center.errors import without_effect
from cart_core.partner_center.promotions import Promotions
from cart_core.problem import FieldError, Outcome, Problem
from cart_core.use_cases.resolve_items import Items, ResolveItems, with_resolved


class RenewItems:
    """Renews the items of carts. Whoever calls it has made sure that nothing may be ordered."""

    def __init__(
        self,
        resolve_items: ResolveItems,
        carts: Carts,
        promotions: Promotions,
        *,
        new_guid: Callable[[], str],
    ) -> None:
        self._resolve_items = resolve_items
        self._carts = carts
        self._promotions = promotions
        self._new_guid = new_guid

    async def __call__(
        self,
        call: Call,
        asked: CartRequest,
        items: Items,
        cart_id: str,
        claim: Claim,
        stale: Problem,
    ) -> Answered:
        """The cart with the items that took the place of `items`, of which one was refused.

        The purchase is held to the new lines before the cart is put. Raises Problem; nothing was
        bought in any case.
        """
        renewed = await self._resolve_items.find_again(call, asked, items, stale)
        cart = with_resolved(asked, renewed)
        await self.require_promotions(call, cart, stale)
        await claim.replace_lines(expected_lines(cart.body["lineItems"]))
        put = CartRequest({"id": cart_id, **cart.body}, asked.warnings)
        try:
            return await self._carts.update(call, cart_id, put, self._new_guid())
        except Problem as problem:
            raise without_effect(problem) from None  # A changed cart buys nothing.

    async def require_promotions(self, call: Call, cart: CartRequest, stale: Problem) -> None:
        """Raises Problem unless the promotions that lines name apply to their new items too."""
        promoted = [line for line in _lines(cart.body["lineItems"]) if line.get("promotionId")]
        if not promoted:
            return
        verdicts = await self._promotions.judge(call, promoted)
        if all(verdict.eligible for verdict in verdicts):
            return
        raise Problem(
            "item_not_available",
            "Partner Center has replaced an item, and the promotion of a line does not apply to its"
            " successor. This request bought nothing.",
            errors=[FieldError("", "item_changed", "The promotion does not apply any more.")],
            fault=stale.fault,
            outcome=Outcome.REJECTED,
            trace=stale.trace,
        )


def _lines(line_items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines and their add-ons, at any depth."""
    return [line for item in line_items for line in (item, *_lines(item.get("addonItems") or []))]
