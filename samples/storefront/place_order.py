"""Place an order of a storefront. It is bought once, even if this runs again for the same order.

FUNCTION_URL=https://NAME.azurewebsites.net FUNCTION_KEY=KEY python place_order.py < order.json
"""

import json
import os
import sys
from time import monotonic, sleep
from typing import Any

import httpx

PATIENCE = 300.0
"""Seconds to go on trying. If a call dies in the function, its claim ends after 120 seconds."""

WHAT_NEXT = {
    "completed": "Everything is bought.",
    "ordered": "Everything is bought; the orders are to be seen in Partner Center only.",
    "partial": "Some of it is bought. Remove the causes of orderErrors, then run this again.",
    "item_not_available": "Nothing is bought. Correct the lines; unavailableItems has what can be"
    " chosen.",
    "preflight_failed": "Nothing is bought. Remove what errors names, then run this again.",
    "cart_not_orderable": "Nothing is bought. Correct the lines; that makes another orderId.",
    "cart_differs": "Nothing is bought: Partner Center's cart is not what was ordered. Order anew.",
    "checkout_failed": "Nothing is bought. Remove the causes of orderErrors, then run this again.",
    "idempotency_key_reused": "Another order had this orderId before, and may be bought.",
}


class Refused(Exception):
    """The function refused the order and bought nothing; `problem` is its error answer."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem["detail"])
        self.problem = problem


class Pending(Exception):
    """The order may be bought, and somebody should know: this goes to whoever operates the shop.

    Once the reason is gone, send the order again under the same orderId to find out.
    """


def place_order(function: httpx.Client, order: dict[str, Any]) -> dict[str, Any]:
    """The function's answer: docs/contract.md has its members. Raises Refused or Pending."""
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
        except httpx.TransportError as error:
            # The order may be bought, although its answer was lost.
            again, reason = True, type(error).__name__
        else:
            again, reason = worth_another_try(answer), f"the platform answered {answer.status_code}"
            if is_the_functions(answer):
                body = dict(answer.json())
                if answer.status_code == 201 and body["status"] != "in_progress":
                    return body
                if answer.status_code != 201 and not body["retryable"]:
                    raise Refused(body)
                again, reason = True, body.get("code", "in_progress")
            asked = answer.headers.get("Retry-After", "")
        wait = max(pause, int(asked)) if asked.isdigit() else pause
        if not again or monotonic() + wait > give_up:
            raise Pending(f"No final answer about {order['orderId']} ({reason}): run this again.")
        sleep(wait)
        pause *= 2


def is_the_functions(answer: httpx.Response) -> bool:
    """Whether the function itself answered. Anything else says nothing about the order."""
    return "MS-CorrelationId" in answer.headers


def worth_another_try(answer: httpx.Response) -> bool:
    """Whether the platform may do better soon. It answers 404 also while an app starts."""
    return answer.status_code in (404, 429) or answer.status_code >= 500


def main() -> int:
    """The command line. The exit code is 0 if everything is bought."""
    missing = [name for name in ("FUNCTION_URL", "FUNCTION_KEY") if not os.environ.get(name)]
    if missing:
        sys.exit(f"Set {' and '.join(missing)}: the function's address, and a key of it.")
    with httpx.Client(
        base_url=os.environ["FUNCTION_URL"],
        headers={"x-functions-key": os.environ["FUNCTION_KEY"]},
        timeout=120,  # the function takes up to 110
    ) as function:
        try:
            order = json.load(sys.stdin)
            missing = [name for name in ("orderId", "customerId", "lines") if not order.get(name)]
            if missing:
                sys.exit(f"The order needs {' and '.join(missing)}; nothing was sent.")
            result = place_order(function, order)
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
