"""What the throttle remembers; test_retry proves how requests wait for it."""

import pytest

from cart_core.partner_center.throttle import Throttle

ONE, TWO, THREE = "customer-1", "customer-2", "customer-3"


@pytest.mark.parametrize(
    ("pauses", "waits"),
    [
        # Each pause is a customer, its seconds and when it began; each wait is a customer, when it
        # asks and the seconds it has to wait.
        pytest.param([], [(ONE, 0, 0), (ONE, 100, 0)], id="nobody waits before the first pause"),
        pytest.param(
            [(ONE, 2, 0)], [(ONE, 1.75, 0.25), (ONE, 2, 0), (ONE, 9, 0)], id="a pause ends"
        ),
        pytest.param(
            [(ONE, 10, 100), (TWO, 60, 109.5)],
            [
                *[(THREE, 109.5, 0.5), (ONE, 109.5, 0.5), (TWO, 109.5, 60)],
                *[(THREE, 110, 0), (ONE, 110, 0), (TWO, 110, 59.5)],
            ],
            id="everybody waits while two customers are throttled and not longer",
        ),
        pytest.param(
            [(ONE, 3600, 100), (TWO, 1, 100)],
            [
                (THREE, 100, 1),
                (TWO, 100, 1),
                (THREE, 101, 0),
                (TWO, 102.5, 0),
                (ONE, 102.5, 3597.5),
            ],
            id="also if the longer pause began first",
        ),
        pytest.param(
            [(ONE, 60, 100), (TWO, 30, 100), (THREE, 10, 100)],
            [("customer-4", 100, 30), (THREE, 100, 30), ("customer-4", 130, 0)],
            id="of three pauses the second to end opens it for the others",
        ),
        pytest.param(
            [(ONE, 10, 100), (ONE, 10, 101)],
            [(ONE, 101, 10), (TWO, 101, 0)],
            id="one customer twice is one customer",
        ),
        pytest.param(
            [(ONE, 60, 100), (ONE, 1, 101)],
            [(ONE, 102, 58)],
            id="a shorter pause does not end a longer one",
        ),
    ],
)
def test_the_wait_of_a_customer(
    pauses: list[tuple[str, float, float]], waits: list[tuple[str, float, float]]
) -> None:
    throttle = Throttle()
    for customer, seconds, now in pauses:
        throttle.close(customer, seconds, now)
    for customer, now, wait in waits:
        assert throttle.wait(customer, now) == wait


def test_customers_whose_pause_is_over_are_forgotten() -> None:
    throttle = Throttle()
    for number in range(1000):
        throttle.close(f"customer-{number}", 1, now=10 * number)
    assert len(throttle._closed_until) == 1
