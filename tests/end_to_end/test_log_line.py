"""Each request leaves one line, of ids, codes and figures, in the log of a real process."""

import re
import uuid
from typing import Any

from partner_center_emulator.watch.disturbances import Disturbance

from tests.end_to_end.chain import (
    CUSTOMER,
    FOR_USER,
    GUID,
    MARKER,
    TEXT_OF_FAILURE,
    UNKNOWN_ITEM,
    USER,
    Chain,
    cart,
    line,
    problem,
)

LINE = re.compile(r"^INFO:cart_core:(operation=.*)$", re.MULTILINE)
FIGURES = {
    "operation": "create_cart|get_cart|update_cart|checkout_cart|place_order|get_health",
    "status": r"[1-5]\d\d",
    "code": "[a-z_]+",
    "outcome": "not_sent|rejected|unknown",
    "replayed": "true",
    "tries": r"\d+",
    "ms": r"\d+",
    "caller": "key:[0-9a-f]{12}",
    **dict.fromkeys(["correlationId", "requestId", "customerId", "cartId"], GUID.pattern),
}


def test_every_request_leaves_one_line(buying: Chain) -> None:
    start = len(buying.output())

    def ask(method: str, path: str, body: Any = None, key: str = "an-order-of-mine") -> str:
        """The line of a request, without the figures and ids that differ."""
        before = len(buying.output())
        correlation_id = str(uuid.uuid4())
        headers = {"MS-CorrelationId": correlation_id, "Idempotency-Key": key, **FOR_USER}
        answer = buying.ask(method, path, body, headers=headers)
        [line] = LINE.findall(buying.output()[before:])
        facts = dict(fact.split("=", 1) for fact in line.split(" "))
        assert line.count("=") == len(facts)
        for name, value in facts.items():
            assert re.fullmatch(FIGURES[name], value), name
        assert facts.pop("correlationId") == correlation_id
        assert facts.pop("requestId", None) == answer.headers.get("MS-RequestId")
        assert facts.pop("status") == str(answer.status_code)
        assert facts.pop("customerId", CUSTOMER) == CUSTOMER
        cart_ids.append(facts.pop("cartId", ""))
        callers.add(facts.pop("caller", None))
        del facts["ms"]
        return " ".join(f"{name}={value}" for name, value in facts.items())

    cart_ids: list[str] = []
    callers: set[str | None] = set()
    assert ask("POST", "carts", cart()) == "operation=create_cart tries=1"
    [cart_id] = cart_ids
    path = f"carts/{cart_id}"
    assert ask("GET", path) == "operation=get_cart tries=1"
    assert ask("PUT", path, cart(quantity=2)) == "operation=update_cart tries=2"
    assert ask("POST", f"{path}/checkout") == "operation=checkout_cart tries=1"
    replay = ask("POST", f"{path}/checkout")
    assert replay == "operation=checkout_cart replayed=true tries=0"
    assert set(cart_ids) == {cart_id}
    assert ask("POST", "orders", cart()) == "operation=place_order tries=2"

    refusal = ask("POST", "carts", cart(quantity=2))
    code = "code=idempotency_key_reused outcome=not_sent"
    assert refusal == f"operation=create_cart {code} tries=0"
    buying.cloud.disturbances.inject(Disturbance("partner_center", times=None, status=503))
    code = "code=partner_center_failed outcome=rejected"
    assert ask("PUT", path, cart()) == f"operation=update_cart {code} tries=2"
    buying.cloud.disturbances.clear()
    unsold = cart(line(catalogItemId=UNKNOWN_ITEM, friendlyName="a-name"))
    code = "code=cart_not_orderable outcome=rejected"
    assert ask("POST", "orders", unsold, "another") == f"operation=place_order {code} tries=1"
    assert cart_ids[-1] in buying.cloud.partner_center.carts

    assert len(callers) == 1
    assert None not in callers
    assert buying.healthy()
    assert "operation=get_health" in LINE.findall(buying.output())[-1]
    hidden = ("an-order-of-mine", MARKER, "a-name", UNKNOWN_ITEM, USER, USER.partition("@")[2])
    for text in hidden:
        assert text not in buying.output()[start:]


def test_an_unexpected_exception_is_logged_without_its_text(failing: Chain) -> None:
    correlation_id = "aaaaaaaa-1111-4111-8111-bbbbbbbbbbbb"

    answer = failing.post(headers={"MS-CorrelationId": correlation_id})

    error = problem(answer, 500, "internal_error", "not_sent", True)
    assert error["correlationId"] == correlation_id
    log = failing.output()
    assert f"unexpected RuntimeError, correlation id {correlation_id}" in log
    for text in (log, answer.text):
        assert TEXT_OF_FAILURE not in text
