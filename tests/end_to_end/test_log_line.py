"""Each request leaves one line, of ids, codes and figures, in the log of a real process."""

import re
import uuid
from typing import Any

import pytest

from emulator.faults import Fault

from .chain import CUSTOMER, GUID, Chain, cart

LINE = re.compile(r"^INFO:cart_core:(operation=.*)$", re.MULTILINE)
FIGURES = {
    "operation": "create_cart|get_health",
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
