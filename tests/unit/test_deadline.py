from cart_core.deadline import Deadline


def test_a_deadline_counts_down_to_zero_and_no_further() -> None:
    now = 50.0
    deadline = Deadline.after(10, lambda: now)

    assert deadline.remaining() == 10
    now = 57.5
    assert deadline.remaining() == 2.5
    now = 61.0
    assert deadline.remaining() == 0
