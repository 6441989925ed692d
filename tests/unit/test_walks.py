"""Random walks of an order through the app, with an independent judge.

See tests/walks/. `make walks` walks 20,000 of them, as CI does, and prints the smallest one that
breaks a rule.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from cart_core.cart.checkout_answer import normalise_checkout
from cart_core.idempotency import claim
from cart_core.idempotency.decision import Run, decide
from cart_core.partner_center import carts
from tests.walks.campaign import Tally, campaign, smallest
from tests.walks.features import FATES, ON

SOME, MORE, CHUNK = 500, 5_000, 1_500


@pytest.fixture(autouse=True)
def _no_log(caplog: pytest.LogCaptureFixture) -> None:
    """The app warns of what happens in nearly every walk."""
    caplog.set_level("CRITICAL", "cart_core")


def walked(seeds: Iterable[int]) -> Tally:
    """The walks of these seeds. Fails with the smallest walk that breaks a rule."""
    tally = Tally()
    for each in campaign(seeds, ON):
        tally.add(each)
        if each.violation:
            pytest.fail(smallest(each).told())
    return tally


def test_no_walk_breaks_a_rule_and_everything_comes_up() -> None:
    tally = walked(range(SOME))

    assert tally.walks == SOME
    assert set(tally.met) == FATES.keys() & ON
    assert set(tally.statuses) == {
        *("completed", "partial", "in_progress", "ordered", "created"),
        *("rejected", "not_sent", "unknown"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("first", range(SOME, MORE, CHUNK))
def test_no_walk_breaks_a_rule(first: int) -> None:
    walked(range(first, first + CHUNK))


def _resumed_as_new(*arguments: Any, **more: Any) -> Any:
    """What an attempt may have done is forgotten by the one that takes over."""
    decision = decide(*arguments, **more)
    return replace(decision, resumed=False) if isinstance(decision, Run) else decision


def _without_an_order(*arguments: Any, **more: Any) -> dict[str, Any]:
    """The last order of a checkout is dropped."""
    checkout = normalise_checkout(*arguments, **more)
    return checkout | {"orders": checkout["orders"][:-1]}


@pytest.mark.parametrize(
    ("place", "name", "bug", "rules"),
    [
        pytest.param(
            claim.Claim,
            "under_way_for",
            lambda _: 0.0,
            {"refused what was bought later", "bought twice"},
            id="nothing-is-ever-under-way",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            claim,
            "decide",
            _resumed_as_new,
            {"refused what was bought", "refused what was bought later", "bought twice"},
            id="nothing-is-ever-resumed",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            carts,
            "normalise_checkout",
            _without_an_order,
            {"bought, and not told", "never ends"},
            id="an-order-is-dropped",
        ),
    ],
)
def test_the_judge_sees_a_bug(
    place: Any,
    name: str,
    bug: Callable[..., Any],
    rules: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(place, name, bug)

    failed = next(each for each in campaign(range(MORE), ON) if each.violation)

    assert failed.violation
    assert failed.violation.rule in rules
    smaller = smallest(failed)
    assert smaller.violation
    assert smaller.violation.rule == failed.violation.rule
    assert len(smaller.plan.events) <= len(failed.plan.events)
