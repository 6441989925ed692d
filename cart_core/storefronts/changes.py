"""Which of an order's deliveries decides. They arrive in any order, and more than once."""

from datetime import datetime
from typing import NamedTuple


class Standing(NamedTuple):
    """How an order stands by one delivery. Of two deliveries the larger one decides.

    The newest date decides, by the order's own clock. Many dates have whole seconds; of two equal
    ones a cancellation decides, then a payment, then the one that leaves fewer units. `body` is the
    name of the stored body; it makes the choice between two others that are alike the same
    whichever arrives first.
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
