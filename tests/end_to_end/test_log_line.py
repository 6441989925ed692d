"""Each request leaves one line, of ids, codes and figures, in the log of a real process."""

import re
import uuid
from typing import Any

import pytest
from partner_center_emulator.watch.faults import Fault

from tests.end_to_end.chain import CUSTOMER, FOR_USER, GUID, MARKER, USER, Chain, cart
from tests.end_to_end.chain import line as item

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


@pytest.fixture
def since(chain: Chain) -> int:
    """How long the log was before the test."""
    return len(chain.output())


def line(chain: Chain, since: int) -> dict[str, str]:
    """The facts of the newest line, which is the only one of its correlation id."""
    *_, newest = LINE.findall(chain.output()[since:])
    facts = dict(fact.split("=", 1) for fact in newest.split(" "))
    for name, value in facts.items():
        assert re.fullmatch(FIGURES[name], value), name
    assert newest.count("=") == len(facts)
    assert f"correlationId={facts['correlationId']}" in newest
    log = LINE.findall(chain.output()[since:])
    assert sum(facts["correlationId"] in each for each in log) == 1
    return facts


def test_every_end_of_a_request(chain: Chain, since: int) -> None:
    key = {"Idempotency-Key": "an-order-of-mine"}

    def post(body: Any = None, headers: dict[str, str] | None = None) -> dict[str, str]:
        given = {"MS-CorrelationId": str(uuid.uuid4()), **(headers or {})}
        answer = chain.post(body, headers=given)
        facts = line(chain, since)
        assert facts["correlationId"] == answer.headers["MS-CorrelationId"]
        assert facts.get("requestId") == answer.headers.get("MS-RequestId")
        assert facts["status"] == str(answer.status_code)
        return facts

    made, again = post(headers=key), post(headers=key)
    assert made["status"] == again["status"] == "201"
    assert made["customerId"] == again["customerId"] == CUSTOMER
    assert made["cartId"] == again["cartId"]
    assert (made["tries"], again["tries"]) == ("1", "0")
    assert ("replayed" in made, "replayed" in again) == (False, True)

    assert post({"lineItems": []})["code"] == "invalid_request"
    assert post("{")["code"] == "invalid_json"
    assert post(cart(quantity=2), key)["code"] == "idempotency_key_reused"

    chain.cloud.faults.inject(
        Fault("partner_center", status=503), Fault("partner_center", status=500)
    )
    failed = post()
    assert (failed["status"], failed["code"]) == ("502", "partner_center_failed")
    assert (failed["outcome"], failed["tries"]) == ("unknown", "2")

    assert chain.healthy()
    assert line(chain, since)["operation"] == "get_health"
    assert len(LINE.findall(chain.output()[since:])) == 7
    assert "an-order-of-mine" not in chain.output()


def test_every_operation(buying: Chain) -> None:
    since = len(buying.output())
    key = {"Idempotency-Key": "a-purchase-of-mine", **FOR_USER}

    def ask(method: str, path: str, body: Any = None) -> dict[str, str]:
        given = {"MS-CorrelationId": str(uuid.uuid4()), **key}
        answer = buying.ask(method, path, body, headers=given)
        facts = line(buying, since)
        assert facts["correlationId"] == given["MS-CorrelationId"]
        assert facts.get("requestId") == answer.headers.get("MS-RequestId")
        assert facts["status"] == str(answer.status_code)
        assert facts["customerId"] == CUSTOMER
        return facts

    cart_id = ask("POST", "carts", cart())["cartId"]
    path = f"carts/{cart_id}"
    for operation, facts in (
        ("get_cart", ask("GET", path)),
        ("update_cart", ask("PUT", path, cart(quantity=2))),
        ("checkout_cart", ask("POST", f"{path}/checkout")),
    ):
        assert (facts["operation"], facts["cartId"], facts["tries"]) == (operation, cart_id, "1")
        assert not {"code", "outcome", "replayed"} & set(facts)
    again = ask("POST", f"{path}/checkout")
    assert (again["replayed"], again["tries"], again["cartId"]) == ("true", "0", cart_id)

    ordered, replayed = ask("POST", "orders", cart()), ask("POST", "orders", cart())
    assert (ordered["operation"], ordered["tries"]) == ("place_order", "2")
    assert ordered["cartId"] == replayed["cartId"] != cart_id
    assert (replayed["replayed"], replayed["tries"]) == ("true", "0")

    key["Idempotency-Key"] = "another-purchase-of-mine"
    unsold = {"lineItems": [item(friendlyName="a-name", catalogItemId="NONE:0001:NONE")]}
    refused = ask("POST", "orders", unsold)
    assert (refused["code"], refused["outcome"]) == ("cart_not_orderable", "rejected")
    assert refused["cartId"] in buying.cloud.partner_center.carts
    refused = ask("GET", f"carts/{CUSTOMER}")
    assert (refused["code"], refused["cartId"]) == ("partner_center_not_found", CUSTOMER)

    for told in ("purchase-of-mine", MARKER, "a-name", USER, USER.partition("@")[2], "NONE:0001"):
        assert told not in buying.output()[since:]
