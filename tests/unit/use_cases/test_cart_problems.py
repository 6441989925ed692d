"""The problems of a cart that is not bought as it is."""

from typing import Any

import pytest

from cart_core.problem import Outcome
from cart_core.use_cases.cart_problems import not_orderable
from tests.kit.builders import normalised


@pytest.mark.parametrize(
    ("codes", "code", "pause"),
    [
        ([10001], "cart_not_orderable", None),
        ([123456], "cart_not_orderable", None),
        ([900421], "cart_not_orderable", None),
        ([800082], "partner_center_not_ready", 120),
        ([800003], "partner_center_not_ready", 30),
        ([800060], "partner_center_not_ready", 60),
        ([800003, 900278], "partner_center_not_ready", 86_400),
        ([800003, 10001], "cart_not_orderable", None),
    ],
)
def test_a_line_that_is_refused_for_now_may_be_ordered_later(
    codes: list[int], code: str, pause: int | None
) -> None:
    lines: list[Any] = [{"id": 0}]
    for number, each in enumerate(codes, 1):
        lines.append({"id": number, "error": {"errorCode": each}})
    lines[0]["addonItems"] = [lines.pop()]  # an add-on counts as a line
    problem = not_orderable(normalised({"id": "x", "status": "Active", "lineItems": lines}))
    assert (problem.code, problem.retry_after) == (code, pause)
    assert problem.outcome is Outcome.REJECTED
    assert problem.cart is not None
