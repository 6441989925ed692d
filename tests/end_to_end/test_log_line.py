"""Each request leaves one line, of ids, codes and figures, in the log of a real process."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from partner_center_emulator.watch.faults import Fault

from tests.end_to_end.chain import (
    CUSTOMER,
    FOR_USER,
    GUID,
    MARKER,
    UNKNOWN_ITEM,
    USER,
    Chain,
    cart,
    line,
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
    **dict.fromkeys(["correlationId", "requestId", "customerId", "cartId"], GUID.pattern),
}
KEY = {"Idempotency-Key": "an-order-of-mine"}

Ask = Callable[..., dict[str, str]]


@pytest.fixture
def ask(buying: Chain) -> Ask:
    """Asks for something; the facts in the one line that the request leaves in the log."""

    def ask(
        method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> dict[str, str]:
        start = len(buying.output())
        correlation_id = str(uuid.uuid4())
        given = {"MS-CorrelationId": correlation_id, **KEY, **FOR_USER, **(headers or {})}
        answer = buying.ask(method, path, body, headers=given)
        [newest] = LINE.findall(buying.output()[start:])
        facts = dict(fact.split("=", 1) for fact in newest.split(" "))
        for name, value in facts.items():
            assert re.fullmatch(FIGURES[name], value), name
        assert newest.count("=") == len(facts)
        assert facts["correlationId"] == correlation_id
        assert facts.get("requestId") == answer.headers.get("MS-RequestId")
        assert facts["status"] == str(answer.status_code)
        return facts

    return ask


def test_every_operation_leaves_one_line(buying: Chain, ask: Ask) -> None:
    start = len(buying.output())
    cart_id = ask("POST", "carts", cart())["cartId"]
    path = f"carts/{cart_id}"
    for operation, facts in (
        ("create_cart", ask("POST", "carts", cart(), {"Idempotency-Key": "another"})),
        ("get_cart", ask("GET", path)),
        ("update_cart", ask("PUT", path, cart(quantity=2))),
        ("checkout_cart", ask("POST", f"{path}/checkout")),
    ):
        assert (facts["operation"], facts["tries"]) == (operation, "1")
        assert facts["customerId"] == CUSTOMER
        assert (facts["cartId"] == cart_id) is (operation != "create_cart")
        assert not {"code", "outcome", "replayed"} & set(facts)
    again = ask("POST", f"{path}/checkout")
    assert (again["replayed"], again["tries"], again["cartId"]) == ("true", "0", cart_id)

    ordered, replayed = ask("POST", "orders", cart()), ask("POST", "orders", cart())
    assert (ordered["operation"], ordered["tries"]) == ("place_order", "2")
    assert ordered["cartId"] == replayed["cartId"] != cart_id
    assert (replayed["replayed"], replayed["tries"]) == ("true", "0")

    assert buying.healthy()
    assert "operation=get_health" in LINE.findall(buying.output())[-1]
    domain = USER.partition("@")[2]
    for text in (KEY["Idempotency-Key"], MARKER, USER, domain):
        assert text not in buying.output()[start:]


def test_every_failure_leaves_one_line(buying: Chain, ask: Ask) -> None:
    start = len(buying.output())

    def failure(*request: Any) -> tuple[str, str, str]:
        facts = ask(*request)
        return facts["code"], facts["outcome"], facts["tries"]

    assert failure("POST", "carts", {}) == ("invalid_request", "not_sent", "0")
    assert failure("POST", "carts", "{") == ("invalid_json", "not_sent", "0")
    ask("POST", "carts", cart(), {"Idempotency-Key": "a-third"})
    reused = ("POST", "carts", cart(quantity=2), {"Idempotency-Key": "a-third"})
    assert failure(*reused) == ("idempotency_key_reused", "not_sent", "0")
    buying.cloud.faults.inject(Fault("partner_center", times=None, status=503))
    assert failure("PUT", f"carts/{CUSTOMER}", cart()) == ("partner_center_failed", "unknown", "5")
    buying.cloud.faults.clear()
    missing = ask("GET", f"carts/{CUSTOMER}")
    assert (missing["code"], missing["cartId"]) == ("partner_center_not_found", CUSTOMER)
    item = line(catalogItemId=UNKNOWN_ITEM, friendlyName="a-name")
    unsold = ask("POST", "orders", cart(item), {"Idempotency-Key": "a-fourth"})
    assert (unsold["code"], unsold["outcome"]) == ("cart_not_orderable", "rejected")
    assert unsold["cartId"] in buying.cloud.partner_center.carts
    for text in ("a-third", MARKER, "a-name", UNKNOWN_ITEM):
        assert text not in buying.output()[start:]
