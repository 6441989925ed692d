"""Makes the plan of a walk that breaks a rule as small as it gets."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from tests.walks.plan import AtPartnerCenter, Delivery, Event, Habits, Plan


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """The plan without all that is not needed for it to fail."""
    while True:
        smaller = next((each for each in _smaller(plan) if fails(each)), None)
        if smaller is None:
            return plan
        plan = smaller


def _smaller(plan: Plan) -> Iterator[Plan]:
    """All plans that are a bit smaller; each is another one."""
    usual, events = Habits(), plan.events
    for place in reversed(range(len(events))):
        yield replace(plan, events=events[:place] + events[place + 1 :])
    for each in fields(Habits):
        habits = replace(plan.habits, **{each.name: getattr(usual, each.name)})
        if habits != plan.habits:
            yield replace(plan, habits=habits)
    for place, event in enumerate(events):
        for simpler in _simpler(event):
            yield replace(plan, events=(*events[:place], simpler, *events[place + 1 :]))
    # Without a delivery, the request that a fault belongs to has a smaller number.
    for place, event in enumerate(events):
        if isinstance(event, Delivery):
            for earlier in _earlier(plan):
                left = earlier.events
                yield replace(earlier, events=left[:place] + left[place + 1 :])


def _simpler(event: Event) -> Iterator[Event]:
    if isinstance(event, Delivery):
        plain = Delivery(event.pause)
        for each in fields(Delivery):
            simpler = replace(event, **{each.name: getattr(plain, each.name)})
            if simpler != event:
                yield simpler


def _earlier(plan: Plan) -> Iterator[Plan]:
    """The plan with one fault at an earlier request."""
    for place, event in enumerate(plan.events):
        if isinstance(event, AtPartnerCenter):
            for number in range(1, event.number):
                earlier = replace(event, number=number)
                yield replace(
                    plan, events=(*plan.events[:place], earlier, *plan.events[place + 1 :])
                )
