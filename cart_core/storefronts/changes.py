"""Which of an order's deliveries decides. They arrive in any order, and more than once."""

from datetime import datetime
from typing import NamedTuple


class Standing(NamedTuple):
    """How an order stands by one delivery. Of two deliveries the larger one decides.

    The newest date decides, by the shop's own clock. Many shops write whole seconds only, so dates
    may be equal: then a cancellation decides, then a payment, then the delivery that leaves fewer
    units. `body` is the name of the stored body; by it the choice between two deliveries that are
    alike in all this does not depend on which of them arrives first.
    """

    changed: datetime
    cancelled: bool
    paid: bool
    fewer_units: int
    body: str

    @classmethod
    def of(
        cls, changed: datetime, *, cancelled: bool, paid: bool = False, units: int = 0, body: str
    ) -> "Standing":
        """The standing by a delivery that leaves `units` ordered."""
        return cls(changed, cancelled, paid, -units, body)


def newest(known: Standing | None, arrived: Standing) -> Standing:
    """The one that decides, whichever came first."""
    return arrived if known is None else max(known, arrived)
