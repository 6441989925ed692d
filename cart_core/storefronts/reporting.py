"""Tell a shop's owner what became of an order: signed messages by Standard Webhooks.

Everything here is computed: which messages an order owes, their bytes and signatures, and when a
message that did not arrive is sent again (standardwebhooks.com, "Delivery").
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from cart_core.storefronts.order_record import OrderRecord

EventType = Literal[
    "order.parked",
    "order.submitted",
    "order.completed",
    "order.partially_completed",
    "order.failed",
    "order.cancelled",
]

SCHEDULE: Final = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds of pause before each try of a message: 10 tries in a little more than three days."""

LONGEST_PAUSE: Final = 86_400
"""Seconds. A receiver that asks for a longer pause is tried after this one."""


@dataclass(frozen=True, slots=True)
class Report:
    """One message. `id` is the same for the same news, so that a receiver sees a repetition."""

    type: EventType
    id: str
    data: dict[str, Any]

    def body(self, now: float) -> bytes:
        """The message's bytes. `now` is in POSIX seconds."""
        timestamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        envelope = {
            "type": self.type,
            "timestamp": timestamp.replace("+00:00", "Z"),
            "data": self.data,
        }
        return json.dumps(envelope, separators=(",", ":")).encode()


def due_reports(record: OrderRecord) -> list[Report]:
    """The messages that an order owes and that were not handed over yet."""
    return [report for report in _reports(record) if report.id not in record.reported]


def _reports(record: OrderRecord) -> list[Report]:
    facts = {
        "source": record.source,
        "orderId": record.order_id,
        "state": record.state,
        "flags": [flag.code for flag in record.flags],
    }
    found: list[Report] = []
    if record.cancelled:
        # Where the owner was told nothing of the order, its cancellation is no news.
        if record.parts is not None or record.reported:
            after = {**facts, "afterPurchase": record.is_bought}
            found.append(_report("order.cancelled", after))
        if not record.is_bought:
            return found
    if record.state == "parked":
        found.append(_report("order.parked", {**facts, "reasons": record.reasons}))
    if record.state in ("refused", "discarded"):
        found.append(_report("order.failed", {**facts, "reasons": record.reasons}))
    if record.state in ("frozen", "ended"):
        customers = [part.customer_id for part in record.parts or ()]
        found.append(_report("order.submitted", {**facts, "customers": customers}))
    if record.state == "ended":
        results = {
            customer: result.model_dump(by_alias=True)
            for customer, result in record.results.items()
        }
        found.append(_report(_end_of(record), {**facts, "results": results}))
    for flag in record.flags:
        if flag.code == "resolved_differently":  # A late cancellation has its message above.
            found.append(_report("order.parked", {**facts, "reasons": [flag.reason.as_json()]}))
    return found


def _end_of(record: OrderRecord) -> EventType:
    statuses = {result.status for result in record.results.values()}
    if statuses == {"completed"}:
        return "order.completed"
    return "order.failed" if statuses == {"failed"} else "order.partially_completed"


def _report(kind: EventType, data: dict[str, Any]) -> Report:
    """A message whose id is computed from its news alone: not from the state or the other flags."""
    news = {name: value for name, value in data.items() if name not in {"state", "flags"}}
    text = json.dumps([kind, news], sort_keys=True)
    return Report(kind, f"msg_{hashlib.sha256(text.encode()).hexdigest()[:32]}", data)


def signed_headers(message_id: str, body: bytes, key: bytes, now: float) -> dict[str, str]:
    """The headers of a message that is sent now (POSIX seconds)."""
    timestamp = str(int(now))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }


AfterTry = float | Literal["delivered", "gone", "given_up"]
"""Seconds until the next try, or how a message ended. After `gone` (410) nothing more is sent."""


def after_try(tries: int, status: int | None, retry_after: int | None = None) -> AfterTry:
    """What follows a try: its end, or the seconds until the next one.

    `tries` counts this one too. `status` is None where there was no answer. A redirect is not
    followed and counts as a failure. `retry_after` is the pause that the receiver has asked for.
    """
    if status is not None and 200 <= status < 300:
        return "delivered"
    if status == 410:
        return "gone"
    if tries >= len(SCHEDULE):
        return "given_up"
    return max(float(SCHEDULE[tries]), float(min(retry_after or 0, LONGEST_PAUSE)))
