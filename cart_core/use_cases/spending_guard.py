"""How much may be bought: purchases within an hour, and quantity of one order.

A purchase counts once: when it is first worked on, or accepted to be made later. Whatever is
repeated under its key is the same purchase, so it neither counts again nor is refused. The
purchases of an hour are written down in the store, because many instances share one limit: in one
record for the caller and one for the customer. An hour begins at the full hour, so around it twice
the limit may be bought within sixty minutes.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cart_core.call import Call
from cart_core.idempotency.operation_id import OperationId, spending_name
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import Store, StoreUnavailable, Versioned
from cart_core.problem import Problem

_HOUR: Final = 3600
_TRIES: Final = 8
_WRITTEN_WITHIN: Final = 60.0
"""Seconds at most by which the count of a purchase precedes the `accepted_at` of its operation.

This allows for clocks that differ.
"""


class SpendingGuard:
    """The limits of purchases; None is no limit. `clock` gives POSIX seconds."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float],
        new_nonce: Callable[[], str],
        per_caller: int | None,
        per_customer: int | None,
        quantity: int | None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_nonce = new_nonce
        self._per_caller = per_caller
        self._per_customer = per_customer
        self.quantity = quantity

    @property
    def limits_anything(self) -> bool:
        """Whether there is a limit at all."""
        return any(
            limit is not None for limit in (self._per_caller, self._per_customer, self.quantity)
        )

    def check_quantity(self, lines: Iterable[Mapping[str, Any]], *, accepted: bool = False) -> None:
        """Raises Problem `purchase_limit_exceeded` if these lines have more than one order may.

        `accepted`: the order was accepted when it might have so many, and waits since for the
        operator.
        """
        if self.quantity is not None and (asked := _quantity(lines)) > self.quantity:
            raise Problem(
                "purchase_limit_exceeded",
                f"The order has {asked} pieces, and CART_MAX_ORDER_QUANTITY allows"
                f" {self.quantity}. Send less, or ask the operator.",
                retry_after=_HOUR if accepted else None,
            )

    async def admit(self, call: Call, operation: OperationId) -> None:
        """Counts the purchase, once.

        One that was counted when it was accepted is only held against the limits as they are now.
        Raises Problem `purchase_limit_exceeded` if the caller or the customer has had their share
        of this hour, and `store_unavailable`. Then nothing was sent.
        """
        purchase = operation.record_name()[-16:]
        for who, name, limit, setting in (
            ("customer", call.customer_id, self._per_customer, "CART_MAX_PURCHASES_PER_CUSTOMER"),
            ("caller", call.caller_id or "", self._per_caller, "CART_MAX_PURCHASES_PER_CALLER"),
        ):
            if limit is not None and not await self._counted(who, name, limit, purchase, call):
                raise Problem(
                    "purchase_limit_exceeded",
                    f"The {who} has had {limit} purchases in this hour, as many as {setting}"
                    " allows. Send the same request again in the next hour, or ask the operator.",
                    retry_after=_HOUR - int(self._clock()) % _HOUR,
                )

    async def _counted(self, who: str, name: str, limit: int, purchase: str, call: Call) -> bool:
        """Whether the purchase is among the hour's, now or already."""
        hour = int(self._clock()) // _HOUR
        stored_name = spending_name(who, name, hour)
        try:
            for accepted in _hours_of_acceptance(call):
                spent = _purchases(await self._store.read(spending_name(who, name, accepted)))
                if purchase in spent:
                    return spent.index(purchase) < limit
            for _ in range(_TRIES):
                found = await self._store.read(stored_name)
                spent = _purchases(found)
                if purchase in spent:
                    return True
                if len(spent) >= limit:
                    return False
                record = self._record(who, name, hour, [*spent, purchase], call)
                if found is None:
                    written = await self._store.create(stored_name, record)
                else:
                    written = await self._store.replace(stored_name, record, found.version)
                if written is not None:
                    return True
        except StoreUnavailable as failure:
            raise _not_counted(str(failure)) from None
        raise _not_counted("Others write the same record again and again.")

    def _record(self, who: str, name: str, hour: int, spent: list[str], call: Call) -> Record:
        """The hour's record: `lines` are its purchases, by the ends of their records' names."""
        return Record.claimed(
            OperationId(f"spending_of_{who}", call.customer_id, f"{name} {hour}"),
            [],
            fingerprint="",
            epoch=0,
            nonce=self._new_nonce(),
            lease_seconds=0,
            expires_at=datetime.fromtimestamp((hour + 1) * _HOUR, UTC) + timedelta(days=1),
            caller_id=call.caller_id,
            correlation_id=call.correlation_id,
            lines=[{"purchase": purchase} for purchase in spent],
        )


def _hours_of_acceptance(call: Call) -> list[int]:
    """The hours in which a purchase may have been counted that was accepted before.

    It is counted shortly before it is written down as accepted.
    """
    if call.worked_off is None:
        return []
    moment = call.worked_off.accepted_at
    return sorted({int(moment) // _HOUR, int(moment - _WRITTEN_WITHIN) // _HOUR}, reverse=True)


def _purchases(found: Versioned | None) -> list[str]:
    """The purchases in an hour's record, in the order in which they were counted."""
    return [line["purchase"] for line in (found.record.lines or [])] if found else []


def _quantity(lines: Iterable[Mapping[str, Any]]) -> int:
    """The pieces of these lines and of their add-ons, to any depth."""
    return sum(
        (line.get("quantity") or 0) + _quantity(line.get("addonItems") or ()) for line in lines
    )


def _not_counted(reason: str) -> Problem:
    return Problem(
        "store_unavailable",
        f"{reason} So it is not known how much was bought in this hour.",
    )
