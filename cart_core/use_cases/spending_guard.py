"""How much may be bought: purchases within an hour, and quantity of one order.

A purchase counts once, when it is first worked on. Whatever is repeated under its key is the same
purchase, so it neither counts again nor is refused. The purchases of an hour are written down in
the store, because many instances share one limit: in one record for the caller and one for the
customer. An hour begins at the full hour, so around it twice the limit may be bought within sixty
minutes.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cart_core.call import Call
from cart_core.idempotency.claim import Claim
from cart_core.idempotency.operation_id import OperationId, spending_name
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import Store, StoreUnavailable
from cart_core.problem import Problem

_HOUR: Final = 3600
_TRIES: Final = 8


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

    def check_quantity(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Raises Problem `purchase_limit_exceeded` if these lines have more than one order may."""
        if self.quantity is not None and (asked := _quantity(lines)) > self.quantity:
            raise Problem(
                "purchase_limit_exceeded",
                f"The order has {asked} pieces, and CART_MAX_ORDER_QUANTITY allows"
                f" {self.quantity}. Send less, or ask the operator.",
            )

    async def admit(self, call: Call, claim: Claim) -> None:
        """Counts the claimed purchase, once.

        Raises Problem `purchase_limit_exceeded` if the caller or the customer has had their share
        of this hour, and `store_unavailable`. Then nothing was sent.
        """
        record = claim.record
        purchase = OperationId(record.operation, record.customer_id, record.key).record_name()[-16:]
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
            for _ in range(_TRIES):
                found = await self._store.read(stored_name)
                spent = [line["purchase"] for line in (found.record.lines or [])] if found else []
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
