"""What an operation consists of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cart_core.call import Answer

RETENTION: Final = timedelta(days=7)
"""How long the record of a cart counts: as long as Partner Center keeps a cart."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of an operation, how long its record counts, and which answers complete it.

    Each step is one request that takes effect at Partner Center. After an answer that is not final
    the operation stays open at its last step.
    """

    steps: Sequence[str]
    retention: timedelta
    is_final: Callable[[Answer], bool] = lambda _: True
