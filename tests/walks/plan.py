"""What is drawn before a walk begins: everything that will happen in it, as values.

A fault belongs to the n-th request of its kind, to the n-th call of the store, and so on. So an
event can be taken out of a plan, and the rest stays what it was.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from tests.kit.fakes import StoreFault

Operation = Literal["create", "get", "update", "checkout"]
Effect = Literal["now", "late", "never"]
Said = Literal["truth", "lost", "unsent", "garbled", "status"]
FOREVER: Final = math.inf


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request at Partner Center.

    `effect`: `late` takes place `work` seconds after the request arrived, and a request that
    takes effect `never` is worked on for as long. `said`: what its sender hears, `after` so many
    seconds. `status`, `code` and `retry_after` belong to the answer `status`. `groups` are order
    groups that are not ordered: for each its code, and the seconds after which it is ordered all
    the same (or None).
    """

    feature: str
    effect: Effect = "now"
    work: float = 0.0
    said: Said = "truth"
    after: float = 0.3
    status: int = 0
    code: str = ""
    retry_after: int | None = None
    shape: Literal["", "without ids", "another cart", "changed lines", "no lines"] = ""
    line_error: float = 0.0
    """Seconds for which the first line of the cart has an error from now on."""
    groups: Mapping[int, tuple[str, float | None]] = field(default_factory=dict)

    def __str__(self) -> str:
        told = f"answers {self.status} {self.code}" if self.said == "status" else self.said
        parts = [self.shape, f"after {self.after:g} s: {told}"]
        if self.effect != "now":
            parts.append(f"effect {self.effect}, works for {self.work:g} s")
        if self.line_error:
            parts.append(f"a line has an error for {self.line_error:g} s")
        for group, (code, later) in self.groups.items():
            parts.append(
                f"group {group}: {code}" + (f", ordered {later:g} s later" if later else "")
            )
        return f"{', '.join(filter(None, parts))} [{self.feature}]"


WELL: Final = Fate("")


@dataclass(frozen=True, slots=True)
class AtPartnerCenter:
    """The fate of the n-th request of its kind."""

    operation: Operation
    number: int
    fate: Fate

    def __str__(self) -> str:
        return f"{self.operation} {self.number} at Partner Center: {self.fate}"


@dataclass(frozen=True, slots=True)
class AtStore:
    """What goes wrong with `times` calls of the store, from the n-th one on."""

    number: int
    fault: StoreFault
    times: int = 1

    def __str__(self) -> str:
        return f"store calls {self.number} to {self.number + self.times - 1}: {self.fault}"


@dataclass(frozen=True, slots=True)
class NoToken:
    """The n-th look-up of a token fails."""

    number: int

    def __str__(self) -> str:
        return f"look-up {self.number} of a token fails"


@dataclass(frozen=True, slots=True)
class Death:
    """A process dies at its n-th call of the store or of Partner Center, counted over all."""

    point: int
    when: Literal["before", "during", "after"]

    def __str__(self) -> str:
        return f"the process dies {self.when} call {self.point} to the outside"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The shop delivers its order once more.

    `pause` seconds after the delivery before, and at once after that one began if it is `parallel`.
    The shop hangs up after `hang_up` seconds, and the process is killed after `killed` seconds.
    `new_key`: after a refusal that may be repeated, the shop takes a new key all the same.
    """

    pause: float
    process: int = 0
    parallel: bool = False
    hang_up: float | None = None
    killed: float | None = None
    new_key: bool = False

    def __str__(self) -> str:
        return "delivery: " + ", ".join(
            f"{each.name} {getattr(self, each.name)}"
            for each in fields(self)
            if getattr(self, each.name) not in (False, None)
        )


@dataclass(frozen=True, slots=True)
class Put:
    """Somebody replaces the lines of the order's cart by the app, so long after delivery n."""

    delivery: int
    seconds: float

    def __str__(self) -> str:
        return f"another caller puts the cart {self.seconds:g} s after delivery {self.delivery}"


@dataclass(frozen=True, slots=True)
class Expiry:
    """The carts that there are expire so many seconds after the beginning."""

    seconds: float

    def __str__(self) -> str:
        return f"the carts expire at {self.seconds:g} s"


Event = AtPartnerCenter | AtStore | NoToken | Death | Delivery | Put | Expiry


@dataclass(frozen=True, slots=True)
class Habits:
    """How Partner Center and the shop behave throughout a walk.

    `groups` has the order group of each line of the order. `by_cart`: the shop creates a cart and
    checks it out, instead of placing an order. `hopeless` are order groups that Partner Center
    does not sell: each with its code, and whether that ends with the other faults.
    """

    groups: tuple[int, ...] = (0,)
    by_cart: bool = False
    deduplicates: bool = True
    """A repeated MS-RequestId makes no second cart."""
    ordered_again: Literal["same", "submitted", "in progress", "broken"] = "same"
    """How the checkout of an ordered cart is answered."""
    tells: Literal["all", "new"] = "all"
    """The orders that a checkout tells: all of the cart, or those that it made itself."""
    while_working: Literal["open", "busy", "in progress", "refused"] = "open"
    """How a checkout is answered while another one of its cart is worked on."""
    line_errors_refused: tuple[int, str] = (400, "800009")
    errors_stay: bool = False
    """An error that a line has for good does not end with the other faults."""
    hopeless: Mapping[int, tuple[str, bool]] = field(default_factory=dict)
    without_ids: bool = False
    """No order has an id."""
    partial_is_ordered: bool = False
    """A cart of which a part was ordered reads Ordered."""
    never_created: tuple[int, str] | None = None
    """How the order's cart is refused every time."""
    faulty: bool = False
    """A line of the order has an error in every cart."""
    apart: float = 0.0
    """Seconds by which the second process's clock is ahead of the first one's."""
    mends: bool = False
    """The shop corrects a cart that is not orderable by PUT, and delivers under the same key."""

    def __str__(self) -> str:
        usual = Habits()
        said = [
            f"{each.name} {getattr(self, each.name)}"
            for each in fields(self)
            if getattr(self, each.name) != getattr(usual, each.name)
        ]
        return ", ".join(said) or "as usual"


@dataclass(frozen=True, slots=True)
class Plan:
    """A walk before it begins. `seed` also decides the app's random pauses."""

    seed: int
    habits: Habits
    events: tuple[Event, ...]

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]
