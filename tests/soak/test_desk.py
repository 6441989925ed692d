"""When a shop takes a new key for an order."""

from typing import Any, Final

import pytest

from tests.soak.caller import Desk, Try
from tests.soak.scenario import Delivery, Order

PROCESS: Final[Any] = None
"""The process that answers makes no difference."""

ANSWERS: Final[dict[str, tuple[int | None, dict[str, Any]]]] = {
    "lost": (None, {}),
    "done": (201, {"cartId": "C", "status": "completed"}),
    "rejected": (400, {"code": "partner_center_invalid_request", "outcome": "rejected"}),
    "throttled": (429, {"code": "partner_center_throttled", "outcome": "rejected"}),
    "unknown": (502, {"code": "partner_center_no_answer", "outcome": "unknown"}),
    "not sent": (504, {"code": "deadline_exceeded", "outcome": "not_sent"}),
    "waited": (503, {"code": "operation_in_progress", "outcome": "unknown"}),
}


@pytest.mark.parametrize(
    ("answers", "refusals"),
    [
        (["rejected"], 1),
        (["throttled"], 1),
        (["unknown"], 0),
        (["lost"], 0),
        (["not sent"], 0),
        (["rejected", "not sent", "waited"], 1),
        (["rejected", "unknown"], 0),
        (["rejected", "lost"], 0),
        (["unknown", "rejected"], 1),
        (["rejected", "done"], 0),
        (["done", "rejected"], 0),
    ],
)
@pytest.mark.parametrize("buys", [True, False])
async def test_a_refused_order_gets_a_new_key_once_all_its_requests_are_back(
    answers: list[str], refusals: int, buys: bool
) -> None:
    order = Order("order", "customer", 1, buys)
    desk, delivery = Desk(order), Delivery(order, "true", False, "bare")
    for _ in answers:
        await desk.open()
    for number, name in enumerate(answers, 1):
        status, body = ANSWERS[name]
        desk.close(delivery, Try(desk.key, None, "", PROCESS, 0.0, 0.0, status, {}, body))
        assert desk.refusals == (refusals if number == len(answers) and buys else 0)
    assert (desk.key, desk.refused) == (f"order-{desk.refusals}", False)
