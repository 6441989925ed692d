"""What a soak proves: each function names what is wrong, and nothing where all is right."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cart_core.idempotency import fingerprint
from cart_core.record import Record
from emulator.journal import Arrival
from tests.soak.caller import Delivered, Try
from tests.soak.ledger import SoakCloud, blob_of, key_of
from tests.soak.scenario import Order

_RETRYABLE: Final = {
    "store_unavailable": 503,
    "operation_in_progress": 503,
    "partner_center_throttled": 429,
    "partner_center_busy": 503,
    "partner_center_failed": 502,
    "partner_center_no_answer": 502,
    "partner_center_unreadable": 502,
    "partner_center_timeout": 504,
    "deadline_exceeded": 504,
    "partner_center_unreachable": 502,
    "managed_identity_unavailable": 503,
    "vault_unavailable": 503,
    "token_unavailable": 503,
}
"""What may go wrong for a good order in this trouble, and its status."""

UNEXPLAINED: Final = "UNEXPLAINED"
"""A cause that fails the soak: nothing was unknown, and yet there is one more cart."""

_REFUSED: Final = (409, 429)
"""Statuses with which Partner Center says that it made no cart."""

_UNEXPECTED: Final = re.compile(r"unexpected \w+, correlation id .*\n(?:  .*\n)*")

_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}")


def wrong_answers(delivered: Iterable[Delivered], cloud: SoakCloud) -> Iterator[str]:
    """Answers that nobody should get, and deliveries without a final one."""
    for each in delivered:
        for answer in each.tries:
            for flaw in _flaws(each, answer, cloud):
                yield f"{each.delivery.order.key}: {flaw} ({answer.correlation_id})"
        final = each.tries[-1].status
        if final != (422 if each.delivery.changed else 201):
            yield f"{each.delivery.order.key}: after {len(each.tries)} tries still {final}"


def _flaws(each: Delivered, answer: Try, cloud: SoakCloud) -> Iterator[str]:
    if answer.status is None:
        if answer.process.killed is None or answer.process.killed > answer.ended:
            yield "a connection was lost to a process that lived"
    elif each.delivery.changed:
        allowed = {"idempotency_key_reused": 422, "store_unavailable": 503}
        if allowed.get(answer.code) != answer.status:
            yield f"a changed cart was answered {answer.status} {answer.code}"
    elif answer.status != 201:
        if not answer.retryable or _RETRYABLE.get(answer.code) != answer.status:
            yield f"a good order was answered {answer.status} {answer.code}"
    else:
        order = each.delivery.order
        kept = cloud.carts.get(answer.cart_id or "")
        told = answer.body["lineItems"][0]
        if not kept or key_of(kept.document) != order.key:
            yield f"the cart {answer.cart_id} is not the order's"
        if (told["friendlyName"], told["quantity"]) != (order.key, order.quantity):
            yield "the answer tells of another order"
        if answer.body["customerId"] != order.customer_id:
            yield "the answer tells of another customer"
        if kept and answer.headers.get("MS-RequestId") not in kept.request_ids:
            yield "the answer quotes another MS-RequestId than the one that made the cart"


def disagreements(delivered: Iterable[Delivered], *, deduplicated: bool) -> Iterator[str]:
    """Orders that were answered with more than one cart.

    Where Partner Center does not know repeated requests, an answer that warns of being unrecorded
    may be the only one with its cart.
    """
    told: defaultdict[str, set[str]] = defaultdict(set)
    for each in delivered:
        for answer in each.tries:
            if answer.cart_id and (deduplicated or not answer.unrecorded):
                told[each.delivery.order.key].add(answer.cart_id)
    for key, ids in told.items():
        if len(ids) > 1:
            yield f"{key}: answered with {len(ids)} carts"


def wrong_carts(orders: Iterable[Order], cloud: SoakCloud) -> Iterator[str]:
    """Carts that nobody ordered, and orders without one."""
    wanted = {order.key: order for order in orders}
    missing = set(wanted)
    for cart_id, kept in cloud.carts.items():
        line = kept.document["lineItems"][0]
        order = wanted.get(line["friendlyName"])
        if not order or (order.customer_id, order.quantity) != (kept.customer_id, line["quantity"]):
            yield f"the cart {cart_id} is nobody's"
        missing.discard(line["friendlyName"])
    yield from (f"{key}: no cart" for key in sorted(missing))


def wrong_requests(orders: Iterable[Order], cloud: SoakCloud) -> Iterator[str]:
    """Keys that went out with two carts, or under an id that was not next.

    A new MS-RequestId is right only when all calls under the one before were refused.
    """
    calls = cloud.calls_by_key()
    for order in orders:
        sent = calls.get(order.key, [])
        if len({call.body for call in sent}) > 1:
            yield f"{order.key}: two different carts were sent"
            continue
        mark = fingerprint(json.loads(sent[0].body)) if sent else None
        ids = list(dict.fromkeys(call.headers["ms-requestid"] for call in sent))
        epochs = range(len(ids) + 50)  # a release may follow a run that sent nothing
        known = [order.operation.request_id("cart", mark or "", epoch) for epoch in epochs]
        places = [known.index(each) if each in known else -1 for each in ids]
        if -1 in places or places != sorted(places):
            yield f"{order.key}: MS-RequestIds of the epochs {places}"
        for call in sent:
            if call.headers["ms-requestid"] != ids[-1] and call.status not in _REFUSED:
                yield f"{order.key}: a new MS-RequestId after a call that ended {call.status}"


def wrong_blobs(
    orders: Iterable[Order], cloud: SoakCloud, blobs: Mapping[str, bytes]
) -> Iterator[str]:
    """Blobs that are no completed record of an order, and orders without one."""
    wanted = {blob_of(order.operation): order for order in orders}
    yield from (f"{name}: a blob of no order" for name in blobs.keys() - wanted.keys())
    yield from (f"{wanted[name].key}: no blob" for name in wanted.keys() - blobs.keys())
    for name in wanted.keys() & blobs.keys():
        try:
            record = Record.from_json(blobs[name])
        except ValueError:
            yield f"{wanted[name].key}: the blob is no record"
            continue
        if record.state != "completed" or not record.answer:
            yield f"{wanted[name].key}: the record is {record.state}"
        elif record.answer.body["id"] not in cloud.carts:
            yield f"{wanted[name].key}: the record names no cart"


def wrong_writes(cloud: SoakCloud) -> Iterator[str]:
    """Keys that were kept with two fingerprints, and completed records that were overwritten."""
    marks: dict[str, str] = {}
    completed: set[str] = set()
    for write in cloud.ledger.writes:
        if write.status != 201:
            continue
        record = json.loads(write.body)
        if marks.setdefault(write.path, record["fingerprint"]) != record["fingerprint"]:
            yield f"{record['key']}: two fingerprints"
        if write.path in completed:
            yield f"{record['key']}: overwritten after it was completed"
        if record["state"] == "completed":
            completed.add(write.path)


def defects(logs: Iterable[str]) -> Iterator[str]:
    """What the function itself calls unexpected, with where it happened."""
    for log in logs:
        yield from _UNEXPECTED.findall(log)


def leaks(texts: Mapping[str, str], secrets: Iterable[str]) -> Iterator[str]:
    """Texts, by name, with a secret in them, or with anything that looks like a token."""
    hidden = set(secrets)
    for name, text in texts.items():
        found = [secret for secret in hidden if secret in text]
        if found or _TOKEN.search(text):
            yield f"{name}: {len(found)} secrets"


def surplus(
    cloud: SoakCloud, delivered: Iterable[Delivered], blobs: Iterable[bytes]
) -> Counter[str]:
    """Why there are carts that no record names: what became of the answer to the call for each."""
    answers = [record.answer for record in map(Record.from_json, blobs)]
    recorded = {answer.body["id"] for answer in answers if answer}
    tries = {answer.correlation_id: answer for each in delivered for answer in each.tries}
    return Counter(
        _cause(cloud.carts.made_by[cart_id], tries) for cart_id in cloud.carts.keys() - recorded
    )


def _cause(call: Arrival, tries: Mapping[str, Try]) -> str:
    if call.status is None:
        return "its answer was lost, cut or garbled"
    if call.status >= 400:
        return "answered 5xx or 408 after it was made"
    if call.status != 201:
        return "answered 2xx without a cart"
    end = tries[call.headers["ms-correlationid"]]
    if end.status is None and end.process.killed:
        return "the process was killed before it recorded the answer"
    if end.code == "partner_center_timeout":
        return "its answer came after the deadline"
    if end.unrecorded:
        return "its answer came, but the store took no record of it"
    return UNEXPLAINED
