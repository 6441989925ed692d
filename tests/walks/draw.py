"""Draws the plan of a walk from its seed."""

import random
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Final, Literal

from tests.kit.fakes import StoreFault
from tests.walks.plan import (
    FOREVER,
    AtPartnerCenter,
    AtStore,
    Death,
    Delivery,
    Effect,
    Event,
    Expiry,
    Fate,
    Habits,
    NoToken,
    Operation,
    Plan,
    Put,
)

LATE: Final = (1.0, 4.0, 12.0, 30.0, 68.0, 130.0, 230.0)
"""Seconds after which a late request takes effect: at most the 4 minutes of Azure's front ends."""

APART: Final = (5.0, 15.0)
"""Seconds between two clocks."""

PAUSES: Final = (0.0, 0.5, 5.0, 30.0, 61.0, 130.0, 320.0)
"""Seconds between two deliveries of the shop; the first four of them while it is impatient."""

HANG_UPS: Final = (0.05, 2.0, 20.0, 60.0, 100.0)
"""Seconds after which the shop hangs up."""

REFUSALS: Final = (
    *((400, code) for code in ("3000", "800002", "800009", "800010", "800024", "800121", "900275")),
    *((403, code) for code in ("2032", "20002", "13605", "800023", "800069", "800089", "900150")),
    *((404, code) for code in ("1000", "400013", "400019")),
    *((409, ""), (409, "900999"), (412, ""), (417, "800036")),
    *((405, ""), (406, ""), (400, ""), (404, "")),
)
"""Refusals for good."""

REFUSALS_FOR_NOW: Final = (
    *((409, code) for code in ("800064", "800082", "900112", "900278")),
    *((400, code) for code in ("800003", "800082")),
)
GROUP_REFUSALS: Final = ("800023", "800069", "400019", "900275", "")
GROUP_REFUSALS_FOR_NOW: Final = ("800003", "800082", "800083")
ERRORS: Final = (
    *((500, code) for code in ("", "0", "800003", "800005", "900192")),
    *((501, "0"), (502, ""), (503, ""), (504, ""), (408, "")),
)
ERRORS_THAT_REFUSE: Final = ((500, "800031"), (500, "800084"), (500, "800087"))
CODES_UNDER_200: Final = ("400072", "800023", "800002")
NEVER_CREATED: Final = ((400, "800002"), (403, "20002"), (404, "400019"), (409, ""))
NEVER_CREATED_ODDLY: Final = ((200, "400072"), (500, "800084"))

_DOUBTFUL: Final = frozenset(
    {"lost", "lost before", "late", "late refusal", "errors", "slow", "codes under 200"}
)
"""Fates after which the sender does not know what was done."""

_FAILURES: Final = frozenset({"refused", "throttled", "unauthorised", "unsent", "another cart"})
"""Fates of a request that certainly did nothing."""


_CLEAR: Final = _FAILURES | {"line errors", "without ids", "groups"}
"""Fates of a checkout after which its sender knows what was done."""


THEMES: Final[tuple[Set[str], ...]] = (
    {"late", "refused", "line errors", "by cart"},
    {"late", "groups", "late among groups", "groups in progress"},
    {"lost", "deaths", "groups", "tells new", "several without ids"},
    {"groups", "failures of partial orders", "throttled", "unauthorised", "unsent", "hang ups"},
    {"in parallel", "hang ups", "several hang-ups", "slow", "refused"},
    {"store", "deaths", "clocks", "lost", "duplicates"},
    {"line errors", "mended", "put between", "lines differ", "lost before"},
)
"""Features that make trouble together. Some walks have one of these, the others a mixture."""


def draw(seed: int, features: Set[str]) -> Plan:
    """The plan of a walk. Only these features occur in it."""
    return _Drawing(seed, features).plan()


class _Drawing:
    """`_enabled` are the features that may occur, `_features` those that do in this walk."""

    def __init__(self, seed: int, features: Set[str]) -> None:
        self._seed, self._dice = seed, random.Random(seed)
        self._enabled = features
        share = self._dice.choice((0.15, 0.3, 0.6))
        # They are sorted, because the order of a set differs from process to process.
        self._features: Set[str] = {
            name for name in sorted(features) if self._dice.random() < share
        }
        if self._dice.random() < 0.3:
            self._features = self._dice.choice(THEMES) & features
        self._trouble = self._dice.choice((0.1, 0.3, 0.6, 0.9))
        self._hung_up = False

    def plan(self) -> Plan:
        habits = self._habits()
        return Plan(self._seed, habits, tuple(self._events(habits)))

    def _has(self, feature: str, chance: float = 1.0) -> bool:
        return feature in self._features and self._dice.random() < chance

    # --- Habits -------------------------------------------------------------------------------

    def _habits(self) -> Habits:
        dice = self._dice
        several = "groups" in self._enabled and dice.random() < 0.4
        groups = (0,) * dice.randint(1, 2)
        if several:
            groups = dice.choice(((0, 1), (0, 0, 1), (0, 1, 2)))
        by_cart = self._has("by cart", 0.5)
        stays = not several or self._has("errors that stay among groups")
        return Habits(
            groups=groups,
            by_cart=by_cart,
            deduplicates=not self._has("duplicates", 0.5),
            ordered_again="broken"
            if self._has("ordered is broken", 0.5)
            else dice.choice(("same", "submitted", "in progress")),
            tells="new" if self._has("tells new") else "all",
            while_working=dice.choice(("open", "busy", "in progress", "refused")),
            line_errors_refused=dice.choice(((400, "800009"), (403, "800089"))),
            errors_stay=stays,
            hopeless=self._hopeless(groups),
            without_ids=self._has("several without ids" if several else "without ids", 0.3),
            partial_is_ordered=several and self._has("partial is ordered", 0.5),
            never_created=self._never_created(by_cart=by_cart),
            faulty=stays and self._has("faulty", 0.15),
            apart=dice.choice((-1, 1)) * dice.choice(APART) if self._has("clocks") else 0.0,
            mends=self._has("mended"),
        )

    def _hopeless(self, groups: tuple[int, ...]) -> Mapping[int, tuple[str, bool]]:
        """The order groups that are not sold: the code, and whether that passes."""
        several = len(set(groups)) > 1
        if several and self._dice.random() < 0.4:
            passes = not self._has("hopeless among groups", 0.5)
        elif not several and self._has("hopeless", 0.3):
            passes = False
        else:
            return {}
        return {self._dice.choice(groups): (self._dice.choice(GROUP_REFUSALS), passes)}

    def _never_created(self, *, by_cart: bool) -> tuple[int, str] | None:
        """How every cart is refused; None if carts are made."""
        if by_cart and "carts refused after a doubt" not in self._enabled:
            return None
        if self._has("never created", 0.15):
            return self._dice.choice(NEVER_CREATED)
        if self._has("never created oddly", 0.15):
            return self._dice.choice(NEVER_CREATED_ODDLY)
        return None

    # --- Events -------------------------------------------------------------------------------

    def _events(self, habits: Habits) -> Iterator[Event]:
        dice = self._dice
        expires = self._has("expiry", 0.3)
        if expires:
            yield Expiry(dice.choice((2.0, 30.0, 200.0)))
        # What somebody puts stays, as an error may.
        may_put = habits.errors_stay and not habits.by_cart
        for number in range(1, dice.randint(1, 6) + 1):
            yield self._delivery(first=number == 1, may_be_killed=not expires)
            if may_put and self._has("put between", 0.2):
                yield Put(number, dice.choice((0.5, 1.5, 3.0, 70.0)))
        yield from self._at_partner_center(habits, expires=expires)
        # After a doubtful checkout of a cart that is gone, nobody can tell what became of it.
        if not expires:
            yield from self._at_the_store()
            yield from self._deaths()
        if not _several(habits) or "failures of partial orders" in self._enabled:
            yield from self._no_tokens()

    def _delivery(self, *, first: bool, may_be_killed: bool) -> Delivery:
        dice = self._dice
        parallel = self._has("in parallel", 0.4)
        hang_up = None
        alone = not self._hung_up and "in parallel" not in self._features
        if alone or "several hang-ups" in self._enabled:
            hang_up = dice.choice(HANG_UPS) if self._has("hang ups", 0.3) else None
            self._hung_up = self._hung_up or hang_up is not None
        killed = may_be_killed and self._has("deaths", 0.1)
        pause = dice.choice(PAUSES if dice.random() < 0.6 else PAUSES[:4])
        return Delivery(
            0.0 if first else pause,
            process=dice.randrange(2),
            parallel=parallel,
            hang_up=hang_up,
            killed=dice.choice((0.5, 2.0, 10.0, 50.0)) if killed else None,
            new_key=dice.random() < 0.5,
        )

    def _at_partner_center(self, habits: Habits, *, expires: bool) -> Iterator[Event]:
        dice = self._dice
        counts: dict[Operation, int] = {"create": 6, "get": 10, "checkout": 10, "update": 3}
        for operation, count in counts.items():
            fates = [
                fate
                for feature, fate in self._fates(operation).items()
                if feature in self._features
                and not self._is_off(operation, feature, habits)
                and not (expires and operation == "checkout" and feature not in _CLEAR)
            ]
            number = 1
            while fates and number <= count:
                if dice.random() < self._trouble:
                    fate = dice.choice(fates)()
                    if fate.status == 401:  # The app asks again with a new token.
                        yield AtPartnerCenter(operation, number, fate)
                        number += 1
                    yield AtPartnerCenter(operation, number, fate)
                number += 1

    def _is_off(self, operation: Operation, feature: str, habits: Habits) -> bool:
        """Whether a fate takes another feature too, which is off."""
        needed = set()
        if _several(habits):
            if operation == "checkout" and feature == "late":
                needed.add("late among groups")
            if feature == "without ids":
                needed.add("several without ids")
            if feature == "lines differ":
                needed.add("errors that stay among groups")
            if (
                feature == "throttled"
                or (operation == "get" and feature in _FAILURES | _DOUBTFUL)
                or (operation == "checkout" and feature in _FAILURES)
            ):
                needed.add("failures of partial orders")
        return not needed <= self._enabled or (habits.by_cart and feature == "lines differ")

    def _at_the_store(self) -> Iterator[Event]:
        dice, faults = self._dice, tuple[StoreFault, ...](("down", "lost", "met itself"))
        if "store" in self._features:
            for number in range(1, 40):
                if dice.random() < self._trouble / 5:
                    yield AtStore(number, dice.choice(faults), dice.choice((1, 1, 2, 5, 60)))

    def _deaths(self) -> Iterator[Event]:
        moments: tuple[Literal["before", "during", "after"], ...] = ("before", "during", "after")
        if "deaths" in self._features:
            for _ in range(self._dice.randint(0, 2)):
                yield Death(self._dice.randint(1, 25), self._dice.choice(moments))

    def _no_tokens(self) -> Iterator[Event]:
        if "no tokens" in self._features:
            for number in range(1, 20):
                if self._dice.random() < self._trouble / 4:
                    yield NoToken(number)

    # --- What becomes of a request ------------------------------------------------------------

    def _fates(self, operation: Operation) -> Mapping[str, Callable[[], Fate]]:
        """How requests of one kind may end, by the feature that this takes."""
        pick = self._dice.choice
        every: dict[str, Callable[[], Fate]] = {
            "lost": lambda: Fate("lost", said=pick(("lost", "lost", "garbled"))),
            "lost before": lambda: Fate("lost before", "never", said="lost"),
            "errors": self._error,
            "refused": lambda: _refusal("refused", *pick(REFUSALS)),
            "throttled": lambda: _refusal("throttled", 429, "", pick((None, 1, 5, 57))),
            "unauthorised": lambda: _refusal("unauthorised", 401, "900420"),
            "unsent": lambda: Fate("unsent", "never", said="unsent"),
            "slow": lambda: Fate("slow", after=pick((8.0, 45.0, 75.0))),
            "codes under 200": lambda: _refusal("codes under 200", 200, pick(CODES_UNDER_200)),
        }
        late: dict[str, Callable[[], Fate]] = {
            "late": lambda: self._late("late", "late"),
            "late refusal": lambda: self._late("late refusal", "never"),
        }
        shown: dict[str, Callable[[], Fate]] = {
            "line errors": lambda: Fate("line errors", line_error=pick((2.0, 60.0, FOREVER))),
            "no lines": lambda: Fate("no lines", shape="no lines"),
        }
        match operation:
            case "create":
                more = {"lines differ": lambda: Fate("lines differ", shape="changed lines")}
                return every | late | shown | more
            case "get":
                more = {"another cart": lambda: Fate("another cart", shape="another cart")}
                return every | shown | more
            case "update":
                return every
        return (
            every
            | late
            | {
                "line errors": shown["line errors"],
                "refused for now": lambda: _refusal("refused for now", *pick(REFUSALS_FOR_NOW)),
                "without ids": lambda: Fate("without ids", shape="without ids"),
                "groups": lambda: self._groups("groups", GROUP_REFUSALS),
                "groups for now": lambda: self._groups("groups for now", GROUP_REFUSALS_FOR_NOW),
                "groups in progress": lambda: self._groups("groups in progress", ("800060",)),
            }
        )

    def _late(self, feature: str, effect: Effect) -> Fate:
        dice, work = self._dice, self._dice.choice(LATE)
        if dice.random() < 0.4:
            return Fate(feature, effect, work, "lost", dice.choice((0.3, 0.3, 75.0)))
        status, code = dice.choice(((500, "800003"), (504, ""), (408, "")))
        return Fate(feature, effect, work, "status", dice.choice((0.3, 20.0)), status, code)

    def _error(self) -> Fate:
        effect: Effect = self._dice.choice(("now", "never"))
        errors = ERRORS if effect == "now" else ERRORS + ERRORS_THAT_REFUSE
        status, code = self._dice.choice(errors)
        return Fate("errors", effect, said="status", status=status, code=code)

    def _groups(self, feature: str, codes: tuple[str, ...]) -> Fate:
        dice, in_progress = self._dice, codes == ("800060",)
        return Fate(
            feature,
            groups={
                group: (
                    dice.choice(codes),
                    dice.choice((2.0, 12.0, 130.0, None)) if in_progress else None,
                )
                for group in range(3)
                if dice.random() < 0.5
            },
        )


def _several(habits: Habits) -> bool:
    """Whether the order's cart makes several orders."""
    return len(set(habits.groups)) > 1


def _refusal(feature: str, status: int, code: str, retry_after: int | None = None) -> Fate:
    return Fate(feature, "never", said="status", status=status, code=code, retry_after=retry_after)
