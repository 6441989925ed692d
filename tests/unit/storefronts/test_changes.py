"""The newest body decides, whatever the order of arrival; a cancellation wins a tie."""

from datetime import timedelta
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from cart_core.storefronts.changes import Standing, newest
from tests.unit.storefronts.builders import CREATED

STANDINGS = st.builds(
    Standing,
    st.integers(0, 2).map(lambda seconds: CREATED + timedelta(seconds=seconds)),
    st.booleans(),
    st.booleans(),
    st.integers(-3, 0),
    st.sampled_from("abc"),
)


@given(
    st.lists(STANDINGS, min_size=1, max_size=8).flatmap(
        lambda found: st.tuples(st.just(found), st.permutations(found))
    )
)
def test_the_order_of_arrival_and_repetitions_do_not_matter(
    both: tuple[list[Standing], list[Standing]],
) -> None:
    first, second = both

    decides = reduce(newest, first, None)
    assert reduce(newest, [*second, *first], None) == decides
    assert decides is not None
    assert decides.changed == max(each.changed for each in first)
    last = [each for each in first if each.changed == decides.changed]
    assert decides.cancelled == any(each.cancelled for each in last)
    rest = [each for each in last if each.cancelled == decides.cancelled]
    assert decides.paid == any(each.paid for each in rest)
    alike = [each for each in rest if each.paid == decides.paid]
    assert -decides.fewer_units == min(-each.fewer_units for each in alike)


def test_an_older_cancellation_does_not_stop_an_order_that_was_opened_again() -> None:
    cancelled = Standing.of(CREATED, cancelled=True, body="a")
    reopened = Standing.of(
        CREATED + timedelta(seconds=1), cancelled=False, paid=True, units=2, body="b"
    )

    assert newest(reopened, cancelled) == newest(cancelled, reopened) == reopened
