from cart_core.partner_center.throttle import Throttle

ONE, TWO, THREE = "customer-1", "customer-2", "customer-3"


def test_nobody_waits_before_the_first_throttle() -> None:
    assert Throttle().wait(ONE, 100) == 0


def test_a_throttled_customer_waits_until_it_is_over() -> None:
    throttle = Throttle()
    throttle.close(ONE, 10, now=100)
    assert throttle.wait(ONE, 100) == 10
    assert throttle.wait(ONE, 104.5) == 5.5
    assert throttle.wait(ONE, 109.75) == 0.25
    assert throttle.wait(ONE, 110) == 0
    assert throttle.wait(ONE, 200) == 0


def test_the_other_customers_go_on() -> None:
    throttle = Throttle()
    throttle.close(ONE, 10, now=100)
    assert throttle.wait(TWO, 100) == 0


def test_two_customers_inside_one_window_are_everybody() -> None:
    throttle = Throttle()
    throttle.close(ONE, 10, now=100)
    throttle.close(TWO, 60, now=109.5)
    for customer in (ONE, TWO, THREE):
        assert throttle.wait(customer, 110) == 59.5


def test_everybody_waits_as_long_as_everybody_was_told() -> None:
    """Who was told to wait for a minute is not overtaken by others in the meantime."""
    throttle = Throttle()
    throttle.close(ONE, 10, now=100)
    throttle.close(TWO, 60, now=100)
    assert throttle.wait(THREE, 105) == 55
    assert throttle.wait(THREE, 111) == 49
    assert throttle.wait(THREE, 159) == 1
    assert throttle.wait(THREE, 160) == 0


def test_two_customers_one_after_the_other_are_two_customers() -> None:
    throttle = Throttle()
    throttle.close(ONE, 10, now=100)
    throttle.close(TWO, 10, now=110)
    assert throttle.wait(TWO, 110) == 10
    assert throttle.wait(ONE, 110) == 0
    assert throttle.wait(THREE, 110) == 0


def test_one_customer_twice_is_one_customer() -> None:
    throttle = Throttle()
    throttle.close(ONE, 10, now=100)
    throttle.close(ONE, 10, now=101)
    assert throttle.wait(ONE, 101) == 10
    assert throttle.wait(TWO, 101) == 0


def test_a_shorter_pause_does_not_cut_a_longer_one() -> None:
    throttle = Throttle()
    throttle.close(ONE, 60, now=100)
    throttle.close(ONE, 1, now=101)
    assert throttle.wait(ONE, 102) == 58


def test_after_everybodys_pause_it_begins_anew() -> None:
    throttle = Throttle()
    throttle.close(ONE, 10, now=100)
    throttle.close(TWO, 10, now=100)
    throttle.close(THREE, 5, now=200)
    assert throttle.wait(THREE, 200) == 5
    assert throttle.wait(ONE, 200) == 0


def test_it_does_not_remember_every_customer_for_ever() -> None:
    throttle = Throttle()
    for number in range(1000):
        throttle.close(f"customer-{number}", 1, now=10 * number)
    assert len(throttle._closed_until) == 1


def test_clocks_that_begin_at_zero_will_do() -> None:
    throttle = Throttle()
    assert throttle.wait(ONE, 0) == 0
    throttle.close(ONE, 2, now=0)
    assert throttle.wait(ONE, 1) == 1
