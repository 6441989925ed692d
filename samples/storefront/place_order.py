"""Buy an order of the storefront, once, however often this runs for it.

FUNCTION_URL=https://NAME.azurewebsites.net FUNCTION_KEY=KEY python place_order.py < order.json
"""

import json
import os
import sys
from time import monotonic, sleep
from typing import Any

import httpx

PATIENCE = 300.0
"""Seconds to go on trying; the claim of a call that died in the function is over after 120."""

WHAT_NEXT = {
    "completed": "Everything is bought.",
    "ordered": "Everything is bought; the orders are to be seen in Partner Center only.",
    "partial": "Some of it is bought. Remove the causes of orderErrors, then run this again.",
    "cart_not_orderable": "Nothing is bought. Correct the lines; that makes another orderId.",
    "checkout_failed": "Nothing is bought. Remove the causes of orderErrors, then run this again.",
    "idempotency_key_reused": "Another order had this orderId before, and may be bought.",
}


class Refused(Exception):
    """Nothing was bought by it; `problem` says why."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem["detail"])
        self.problem = problem


class Pending(Exception):
    """It may be bought. Whoever wants to know sends it again, under the same orderId."""


def place_order(function: httpx.Client, order: dict[str, Any]) -> dict[str, Any]:
    """What was bought: docs/contract.md has all members. Raises Refused or Pending."""
    give_up = monotonic() + PATIENCE
    pause = 5
    while True:
        asked = ""
        try:
            answer = function.post(
                f"/api/customers/{order['customerId']}/orders",
                headers={"Idempotency-Key": order["orderId"]},  # the same for every repetition
                json={"lineItems": order["lines"]},
            )
        except httpx.TransportError:
            pass  # it may be bought all the same
        else:
            if answer.status_code == 201:
                return dict(answer.json())
            problem = problem_of(answer)
            if not problem["retryable"]:
                raise Refused(problem)
            asked = answer.headers.get("Retry-After", "")
        wait = max(pause, int(asked)) if asked.isdigit() else pause
        if monotonic() + wait > give_up:
            raise Pending(f"No final answer about {order['orderId']}: run this again, as it is.")
        sleep(wait)
        pause *= 2


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """The function's problem; where the platform answered in its place, one like it."""
    if "MS-CorrelationId" in answer.headers:
        return dict(answer.json())
    again = answer.status_code == 429 or answer.status_code >= 500
    return {"code": str(answer.status_code), "detail": answer.reason_phrase, "retryable": again}


def main() -> int:
    """The command line; it succeeds where everything is bought."""
    with httpx.Client(
        base_url=os.environ["FUNCTION_URL"],
        headers={"x-functions-key": os.environ["FUNCTION_KEY"]},
        timeout=120,  # the function takes up to 110
    ) as function:
        try:
            result = place_order(function, json.load(sys.stdin))
            outcome = result["status"]
        except Refused as refused:
            result = refused.problem
            outcome = result["code"]
        except Pending as pending:
            sys.exit(str(pending))
    print(json.dumps(result, indent=2))
    print(WHAT_NEXT.get(outcome) or result["detail"], file=sys.stderr)
    return 0 if outcome in ("completed", "ordered") else 1


if __name__ == "__main__":
    sys.exit(main())
