"""A soak's result as a table."""

from collections import Counter
from collections.abc import Iterable, Iterator

from tests.soak.scenario import LANES, SETTINGS
from tests.soak.soak import Result

_SHOWN = 40


def table(result: Result) -> str:
    """The figures, and what failed."""
    listed = list(rows(result))
    width = max(len(name) for name, _ in listed)
    lines = [f"{name:{width}}  {value}".rstrip() for name, value in listed]
    lines += [f"FAILED: {failure}" for failure in result.failures[:_SHOWN]]
    if len(result.failures) > _SHOWN:
        lines.append(f"... {len(result.failures)} failures in all")
    return "\n".join(lines)


def rows(result: Result) -> Iterator[tuple[str, str]]:
    """The name of each figure with its value."""
    tries = [answer for each in result.delivered for answer in each.tries]
    answers = Counter(f"{answer.status or ''} {answer.code}".strip() for answer in tries)
    trouble, calm = result.seconds
    yield "seed", str(result.plan.seed)
    yield "settings", ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
    yield "Partner Center knows a repeated MS-RequestId", _yes(result.plan.deduplicate)
    yield "Partner Center repeats an ordered cart's checkout", _yes(result.plan.repeat_checkout)
    if result.plan.without:
        yield "without trouble of the kinds", ", ".join(sorted(result.plan.without))
    yield "carts and orders", str(result.plan.keys)
    yield (
        "  that buy",
        str(len({each.delivery.order for each in result.delivered if each.delivery.order.buys})),
    )
    kinds = Counter(each.delivery.kind for each in result.delivered)
    yield f"deliveries, {LANES} at once", str(len(result.delivered))
    yield "  of a changed cart", str(kinds["changed"])
    yield "  of a checkout beside the order", str(kinds["checkout"])
    yield "tries", str(len(tries))
    yield "  the most for one delivery", str(max(len(each.tries) for each in result.delivered))
    yield from _counted("answer", answers)
    yield "  with the warning not_recorded", str(sum("not_recorded" in a.warnings for a in tries))
    yield "keys refused, and new ones taken", str(result.keys_given_up)
    yield from _counted("call to Partner Center,", result.calls)
    yield from _counted("claim after", result.claims)
    yield "requests accepted", str(sum(bool(answer.accepted) for answer in tries))
    yield from _counted("accepted operations,", result.ends)
    yield from _counted("of the two legs:", result.legs)
    yield "processes killed", str(result.kills)
    yield "purchases", str(result.purchases)
    yield "carts bought", str(result.bought)
    yield "carts", str(result.carts)
    yield "carts too many", str(result.surplus.total())
    yield from ((f"  {name}", str(count)) for name, count in result.surplus.most_common())
    yield "deliveries once more, in calm", str(len(result.in_calm))
    yield "wall time", f"{trouble:.0f} s of trouble, {calm:.0f} s of calm"
    yield "verdict", "FAILED" if result.failures else "passed"


def _counted(what: str, counts: "Counter[str]") -> Iterable[tuple[str, str]]:
    return ((f"{what} {name}", str(counts[name])) for name in sorted(counts))


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"
