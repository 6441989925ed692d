"""Put today's availabilities into a cart whose lines name SKUs, just before it is sent."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cart_core.call import Answered, Call
from cart_core.cart.error_codes import STALE_ITEM
from cart_core.cart.request import CartRequest
from cart_core.cart.skus import LinePath, line_of, with_items
from cart_core.catalogue.resolution import NotAvailable, Resolved, Wanted, resolve
from cart_core.idempotency.plan import Sends
from cart_core.partner_center.catalogue import AGE_FOR_CARTS, Availabilities, Catalogue
from cart_core.partner_center.errors import in_doubt
from cart_core.problem import FieldError, Outcome, Problem

Items = list[dict[str, Any]]
"""What was resolved, as a record keeps it: in the order of the lines that name a SKU."""


class Step(Protocol):
    """One request with a cart: its MS-RequestId, and what was resolved for it."""

    @property
    def request_id(self) -> str:
        """The MS-RequestId under which the cart is sent."""

    @property
    def resumed(self) -> bool:
        """Whether an earlier call may have sent it."""

    @property
    def begun(self) -> bool:
        """Whether the record says that the cart may have been sent."""

    @property
    def doubted(self) -> bool:
        """Whether any request of the operation was ever left without a clear answer."""

    @property
    def items(self) -> Items | None:
        """What was resolved for it before."""

    async def record_items(self, items: Items) -> None:
        """Write down what was resolved, before the cart is sent. Raises Problem."""

    async def begin_anew(self, items: Items) -> None:
        """Go on with other items, under a new MS-RequestId. Raises Problem."""


@dataclass(slots=True)
class Unrecorded:
    """A request that nobody keeps a record of."""

    new_guid: Callable[[], str]
    request_id: str = field(init=False)
    resumed: bool = False
    begun: bool = False
    doubted: bool = False
    items: Items | None = None

    def __post_init__(self) -> None:
        self.request_id = self.new_guid()

    async def record_items(self, items: Items) -> None:
        """There is no record to write it into."""

    async def begin_anew(self, items: Items) -> None:
        """See Step."""
        self.request_id = self.new_guid()


Send = Callable[[CartRequest, str], Awaitable[Answered]]
"""Sends a cart as it is under a MS-RequestId. Raises Problem."""

Confirm = Callable[[CartRequest, Problem], Awaitable[None]]
"""Raises Problem if a cart must not be sent with other items after this refusal."""


class ResolveItems:
    """Finds the availabilities that lines mean, in the catalogue of the call's customer."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def send(
        self,
        call: Call,
        cart: CartRequest,
        step: Step,
        send: Send,
        confirm: Confirm | None = None,
    ) -> tuple[Answered, CartRequest]:
        """The answer to a cart that is sent with the items of today, and the cart as it was sent.

        A step that is resumed sends what it sent before. Where Partner Center refuses an item as
        one that is not there any more, it is found anew once, and sent under a new MS-RequestId,
        unless it would be another purchase, or `confirm` is against it. Raises Problem.
        """
        if not cart.sku_lines:
            return await send(cart, step.request_id), cart
        items = step.items
        if items is None or not step.begun:
            try:
                items = items or self.known(call, cart) or await self.find(call, cart)
                await step.record_items(items)
            except Problem as problem:
                raise (in_doubt(problem) if step.resumed else problem) from None
        resolved = with_resolved(cart, items)
        try:
            return await send(resolved, step.request_id), resolved
        except Problem as stale:
            if step.doubted or call.sent.doubted or not is_stale(stale):
                raise
            refusal = stale
        items = await self.find_again(call, cart, items, refusal)
        resolved = with_resolved(cart, items)
        if confirm:
            await confirm(resolved, refusal)
        await step.begin_anew(items)
        return await send(resolved, step.request_id), resolved

    def known(self, call: Call, cart: CartRequest) -> Items | None:
        """What `find` would find, if it needs to ask nobody; else None."""
        wanted = _wanted(cart)
        keys = dict.fromkeys((each.sku_id, each.segment) for _, each in wanted)
        lists = {key: self._known(call, key) for key in keys}
        if not lists or None in lists.values():
            return None
        items, missing = _resolved(wanted, lists)
        return None if missing else items

    async def find(self, call: Call, cart: CartRequest) -> Items:
        """What each line that names a SKU is bought as.

        Each SKU is asked for once, all at the same time. Raises Problem `item_not_available`, with
        an entry for each line, or why the catalogue could not be read; nothing was sent.
        """
        wanted = _wanted(cart)
        keys = list(dict.fromkeys((each.sku_id, each.segment) for _, each in wanted))
        lists = dict(zip(keys, await self._lists(call, keys), strict=True))
        items, missing = _resolved(wanted, lists)
        if missing:
            raise item_not_available(cart, missing)
        return items

    async def find_again(
        self, call: Call, cart: CartRequest, items: Items, stale: Problem
    ) -> Items:
        """The items that replace `items`, of which Partner Center has refused one as `stale`.

        The refusal has dropped the cached catalogue, so the catalogue is read anew. Raises Problem
        where it cannot be read, or where the new items would be another purchase.
        """
        found = await self.find(call, cart)
        if problem := changed_purchase(cart, items, found, stale):
            raise problem
        return found

    def _known(self, call: Call, key: tuple[str, str]) -> Availabilities | NotAvailable | None:
        return self._catalogue.known(call, *key, longest_age=AGE_FOR_CARTS)

    async def _lists(
        self, call: Call, keys: Sequence[tuple[str, str]]
    ) -> list[Availabilities | NotAvailable]:
        """The availabilities of these SKUs for these segments. Raises Problem."""
        reads = (
            self._catalogue.availabilities(call, *key, longest_age=AGE_FOR_CARTS) for key in keys
        )
        results = await asyncio.gather(*reads, return_exceptions=True)
        if problems := [each for each in results if isinstance(each, Problem)]:
            # Of several that came together, the one that says for how long to wait.
            raise _not_read(max(problems, key=lambda each: each.retry_after or 0))
        if errors := [each for each in results if isinstance(each, BaseException)]:
            raise errors[0]
        return [each for each in results if not isinstance(each, BaseException)]


def when_sent(cart: CartRequest, items: Items | None) -> Sends:
    """When work on a cart sends it: at once, or after its items were found and recorded."""
    return Sends.AT_ONCE if items or not cart.sku_lines else Sends.AFTER_A_LOOK


def with_resolved(cart: CartRequest, items: Items) -> CartRequest:
    """The cart as it is sent: its lines that name a SKU have what was resolved for them."""
    members = {
        path: Resolved.from_json(item).line_members()
        for path, item in zip(cart.sku_lines, items, strict=True)
    }
    return cart.with_lines(with_items(cart.body["lineItems"], members)) if members else cart


def _wanted(cart: CartRequest) -> list[tuple[LinePath, Wanted]]:
    """What the lines that name a SKU ask for, each with its place."""
    lines = cart.body["lineItems"]
    return [(path, Wanted.by(line_of(lines, path))) for path in cart.sku_lines]


def _resolved(
    lines: Sequence[tuple[LinePath, Wanted]],
    lists: Mapping[tuple[str, str], Availabilities | NotAvailable | None],
) -> tuple[Items, dict[LinePath, NotAvailable]]:
    """What was found for the lines, and the lines for which nothing was."""
    found: dict[Wanted, Resolved | NotAvailable] = {}
    items: Items = []
    missing: dict[LinePath, NotAvailable] = {}
    for path, wanted in lines:
        if wanted not in found:
            found[wanted] = _resolve(wanted, lists[wanted.sku_id, wanted.segment])
        each = found[wanted]
        if isinstance(each, NotAvailable):
            missing[path] = each
        else:
            items.append(each.as_json())
    return items, missing


def is_stale(problem: Problem) -> bool:
    """Whether Partner Center has refused an item as one that is not in the catalogue any more."""
    fault = problem.fault
    return problem.outcome is Outcome.REJECTED and fault is not None and fault.code in STALE_ITEM


def changed_purchase(
    cart: CartRequest, before: Items, after: Items, stale: Problem
) -> Problem | None:
    """Why the items `after` must not replace the refused items `before`; None if they may.

    `stale` is the refusal. The Problem is returned, not raised.
    """
    errors = []
    for path, old, new in zip(cart.sku_lines, before, after, strict=True):
        if changes := Resolved.from_json(old).changes(Resolved.from_json(new)):
            detail = "; ".join(f"{name}: {old[name]} before, {new[name]} now" for name in changes)
            errors.append(FieldError(cart.locate(path), "item_changed", f"{detail}."))
    if errors:
        return Problem(
            "item_not_available",
            "Partner Center has replaced an item, and what takes its place is another purchase; see"
            " 'errors'. This request bought nothing.",
            errors=errors,
            fault=stale.fault,
            outcome=Outcome.REJECTED,
            trace=stale.trace,
        )
    same = [each["catalogItemId"] for each in before] == [each["catalogItemId"] for each in after]
    return stale if same else None


def item_not_available(cart: CartRequest, missing: Mapping[LinePath, NotAvailable]) -> Problem:
    """The problem of a cart with lines for which no availability can be taken."""
    lines = "1 line means" if len(missing) == 1 else f"{len(missing)} lines mean"
    return Problem(
        "item_not_available",
        f"{lines} no item that can be taken; see 'errors' and 'unavailableItems'. No cart was"
        " made or changed.",
        errors=[
            FieldError(cart.locate(path), each.failure, each.detail)
            for path, each in missing.items()
        ],
        unavailable_items=[each.as_json(cart.locate(path)) for path, each in missing.items()],
    )


def _resolve(
    wanted: Wanted, listed: Availabilities | NotAvailable | None
) -> Resolved | NotAvailable:
    return listed if isinstance(listed, NotAvailable) else resolve(wanted, listed or ())


def _not_read(problem: Problem) -> Problem:
    """The problem of a catalogue that could not be read. Nothing was sent."""
    fault, code = problem.fault, problem.code
    if code == "partner_center_not_found" and not (fault and fault.code):
        code = "partner_center_unreadable"  # A 404 that says nothing is a gateway's.
    return Problem(
        code,
        f"The catalogue could not be read, and nothing was sent. {problem.detail}",
        fault=fault,
        retry_after=problem.retry_after,
        outcome=Outcome.NOT_SENT,
        trace=problem.trace,
    )
