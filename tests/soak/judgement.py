"""What a soak proves: each function names what is wrong, and nothing where all is right."""

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from partner_center_emulator.watch.journal import Arrival

from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.record import Record
from tests.soak.caller import Delivered, Try
from tests.soak.ledger import Commit, SoakCloud, blob_of, cart_in, cart_of, key_of, purpose
from tests.soak.scenario import LONGEST_REQUEST, Order

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

_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}")


def wrong_answers(delivered: Iterable[Delivered], cloud: SoakCloud) -> Iterator[str]:
    """Answers that nobody should get, and deliveries without a final one."""
    for each in delivered:
        for answer in each.tries:
            for finding in _wrong_in_answer(each, answer, cloud):
                yield f"{each.delivery.order.key}: {finding} ({answer.correlation_id})"
        final = each.tries[-1]
        if final.status != (422 if each.delivery.kind == "changed" else 201) or final.retryable:
            yield f"{each.delivery.order.key}: after {len(each.tries)} tries still {final.code}"


def _wrong_in_answer(each: Delivered, answer: Try, cloud: SoakCloud) -> Iterator[str]:
    order = each.delivery.order
    if answer.status is None:
        if answer.process.killed is None or answer.process.killed > answer.ended:
            yield "a connection was lost to a process that lived"
    elif each.delivery.kind == "changed":
        # In progress: the store took so long to say anything that no time was left.
        unknown = {"store_unavailable": 503, "operation_in_progress": 503}
        if (unknown | {"idempotency_key_reused": 422}).get(answer.code) != answer.status:
            yield f"a changed cart was answered {answer.status} {answer.code}"
    elif answer.code == "checkout_failed":
        if answer.status != 422 or order.hitch != "whole" or not answer.body["orderErrors"]:
            yield "nothing was bought of a good cart"
    elif answer.status != 201:
        if not answer.retryable or _RETRYABLE.get(answer.code) != answer.status:
            yield f"a good order was answered {answer.status} {answer.code}"
    else:
        stored = cloud.carts.get(answer.cart_id or "")
        if not stored or key_of(stored.document) != order.key:
            yield f"the cart {answer.cart_id} is not the order's"
        elif bool(answer.purchase) != order.buys:
            yield "the answer is of another operation"
        elif order.buys:
            yield from _wrong_in_purchase(answer, order, cloud)
        else:
            line = answer.body["lineItems"][0]
            if (line["friendlyName"], line["quantity"]) != (order.key, order.quantity):
                yield "the answer is about another order"
            if answer.headers.get("MS-RequestId") not in stored.request_ids:
                yield "the answer quotes another MS-RequestId than the one that made the cart"
        if answer.body["customerId"] != order.customer_id:
            yield "the answer is about another customer"


def _wrong_in_purchase(answer: Try, order: Order, cloud: SoakCloud) -> Iterator[str]:
    bought = {
        name: stored for name, stored in cloud.orders.items() if stored.cart_id == answer.cart_id
    }
    named = {each["id"]: each for each in answer.body["orders"]}
    if answer.purchase == "completed" and named.keys() != bought.keys():
        yield "the answer names other orders than were made"
    if answer.purchase == "partial" and not (
        order.hitch == "part" and len(named) == 1 and answer.body["orderErrors"]
    ):
        yield "a part was bought of a good cart"
    if answer.purchase == "ordered":
        warned = any(each["code"] == "orders_not_retrieved" for each in answer.body["warnings"])
        refused = any(
            call.status in (400, 409)
            for call in cloud.ledger.calls
            if purpose(call) == "check_out" and cart_of(call) == answer.cart_id
        )
        known = 1 if order.hitch == "part" else 0  # from a partial answer before
        # The same MS-RequestId gets the same answer, and so did what was ordered in whole later.
        refused = refused or (order.hitch == "whole" and cloud.partner_center.deduplicate)
        if len(named) > known or not warned or not refused:
            yield "the answer lacks orders that Partner Center named"
    for name, each in named.items():
        line = each["lineItems"][0]
        if (line["friendlyName"], line["quantity"]) != (order.key, order.quantity):
            yield "the answer is about another order"
        if name not in bought:
            yield "the answer names an order of something else"
        elif answer.purchase != "ordered" and (
            answer.headers.get("MS-RequestId") not in bought[name].request_ids
        ):
            yield "the answer quotes another MS-RequestId than one whose answer had the order"


def disagreements(delivered: Iterable[Delivered], *, deduplicated: bool) -> Iterator[str]:
    """Orders that were answered with more than one cart.

    Where Partner Center does not know repeated requests, an answer that warns of being unrecorded
    may be the only one with its cart, but never where a cart was bought.
    """
    carts: defaultdict[str, set[str]] = defaultdict(set)
    for each in delivered:
        for answer in each.tries:
            if answer.cart_id and (deduplicated or answer.purchase or not answer.unrecorded):
                carts[each.delivery.order.key].add(answer.cart_id)
    for key, ids in carts.items():
        if len(ids) > 1:
            yield f"{key}: answered with {len(ids)} carts"


def false_comfort(delivered: Iterable[Delivered], cloud: SoakCloud) -> Iterator[str]:
    """Answers that nothing came of an operation when something had come of it.

    Their callers might use another key next. Where Partner Center itself answered that it bought
    nothing, an earlier checkout may be under way still.
    """
    runs = {answer.correlation_id: each for each in delivered for answer in each.tries}
    first: dict[OperationId, float] = {}
    for made in (cloud.carts, cloud.orders):
        for name, call in made.made_by.items():
            delivery = runs[call.headers["ms-correlationid"]].delivery
            if delivery.order.buys == (purpose(call) == "check_out"):
                operation = delivery.operation(cart_of(call))
                at = made.made_at[name]
                first[operation] = min(at, first.get(operation, at))
    for each in delivered:
        at = first.get(each.delivery.operation(each.cart_id), math.inf)
        for answer in each.tries:
            if (
                each.delivery.kind != "changed"
                and not each.delivery.order.hitch
                and answer.body.get("outcome") in ("rejected", "not_sent")
                and at < answer.ended
            ):
                yield (
                    f"{each.delivery.order.key}: {answer.code} denies what was done"
                    f" ({answer.correlation_id})"
                )


def wrong_carts(orders: Iterable[Order], cloud: SoakCloud) -> Iterator[str]:
    """Carts that nobody ordered, and orders without one."""
    expected = {order.key: order for order in orders}
    missing = set(expected)
    for cart_id, stored in cloud.carts.items():
        line = stored.document["lineItems"][0]
        order = expected.get(line["friendlyName"])
        actual = (stored.customer_id, line["quantity"])
        if not order or (order.customer_id, order.quantity) != actual:
            yield f"the cart {cart_id} is nobody's"
        missing.discard(line["friendlyName"])
    yield from (f"{key}: no cart" for key in sorted(missing))


def wrong_requests(orders: Collection[Order], cloud: SoakCloud) -> Iterator[str]:
    """Keys that went out with two carts, or under a new id where the one before may have worked.

    A new MS-RequestId is right only when all calls under the one before were refused. For the cart
    of an order it is also right once none of them can be under way: a cart alone buys nothing.
    """
    calls = cloud.creations()
    freed = freed_keys(orders, cloud)
    for order in orders:
        sent = calls.get(order.key, [])
        if len({call.body for call in sent}) > 1:
            yield f"{order.key}: two different carts were sent"
        for call in sent:
            newest = sent[-1].headers["ms-requestid"]
            superseded = call.headers["ms-requestid"] != newest and call.status not in _REFUSED
            if superseded and order.key not in freed:
                yield f"{order.key}: a new MS-RequestId after a call that ended {call.status}"


def freed_keys(orders: Collection[Order], cloud: SoakCloud) -> set[str]:
    """The orders whose cart was refused long after a call for it that may have worked."""
    calls, freed = cloud.creations(), set()
    for order in (order for order in orders if order.buys):
        for earlier, later in itertools.pairwise(calls.get(order.key, [])):
            another_id = earlier.headers["ms-requestid"] != later.headers["ms-requestid"]
            doubtful = [
                call.time
                for call in calls[order.key]
                if call.headers["ms-requestid"] == earlier.headers["ms-requestid"]
                and call.status not in _REFUSED
            ]
            if another_id and doubtful and later.time - max(doubtful) >= LONGEST_REQUEST:
                freed.add(order.key)
    return freed


def wrong_purchases(orders: Iterable[Order], cloud: SoakCloud) -> Iterator[str]:
    """Purchases that nobody ordered, that were made twice, or not at all."""
    expected = {order.key: order for order in orders}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    carts: defaultdict[str, set[str]] = defaultdict(set)
    for bought in cloud.orders.values():
        key = key_of(cloud.carts[bought.cart_id].document)
        groups[key].append(bought.order_group)
        carts[key].add(bought.cart_id)
    for key in groups.keys() | expected.keys():
        order = expected.get(key)
        if sorted(groups[key]) != sorted(order.groups if order and order.buys else ()):
            yield f"{key}: {len(groups[key])} orders, of the groups {groups[key]}"
        if order and order.buys and carts[key] != {cloud.recorded_cart(order)}:
            yield f"{key}: bought are {carts[key]}, another cart is in the record"
    for cart_id, stored in cloud.carts.items():
        if stored.ordered != (cart_id in carts[key_of(stored.document)]):
            yield f"the cart {cart_id} is {stored.document['status']}"


def unclaimed_calls(delivered: Iterable[Delivered], cloud: SoakCloud) -> Iterator[str]:
    """Calls that may have an effect, by a request that did not hold the key at that moment.

    A cart has to be in the record before it is bought.
    """
    runs = {answer.correlation_id: each for each in delivered for answer in each.tries}
    holders: dict[str, dict[str, Any]] = {}
    for event in cloud.ledger.events:
        if isinstance(event, Commit):
            holders[event.blob] = event.record
        elif purpose(event) != "get_cart":
            run_id, cart_id = event.headers["ms-correlationid"], cart_of(event)
            delivery = runs[run_id].delivery
            record = holders.get(blob_of(delivery.operation(cart_id)), {})
            what = f"{delivery.order.key}: {purpose(event)} ({run_id})"
            if (record.get("state"), record.get("correlationId")) != ("in_progress", run_id):
                yield f"{what} without the key"
            elif cart_id and cart_in(record) != cart_id:
                yield f"{what} of a cart that is not in the record"


def wrong_blobs(
    delivered: Iterable[Delivered], cloud: SoakCloud, blobs: Mapping[str, bytes]
) -> Iterator[str]:
    """Blobs that are no completed record of an order or a checkout, and either without one."""
    expected = {
        blob_of(each.delivery.operation(each.cart_id)): each.delivery.order for each in delivered
    }
    yield from (f"{name}: a blob of no order" for name in blobs.keys() - expected.keys())
    yield from (f"{expected[name].key}: no blob" for name in expected.keys() - blobs.keys())
    for name in expected.keys() & blobs.keys():
        order = expected[name]
        if not re.fullmatch(
            rf"{'purchases' if order.buys else 'carts'}/[0-9a-f]{{64}}\.json", name
        ):
            yield f"{order.key}: the blob's name is {name}"
        try:
            record = Record.from_json(blobs[name])
        except ValueError:
            yield f"{order.key}: the blob is no record"
            continue
        if record.state != "completed" or not record.answer:
            yield f"{order.key}: the record is {record.state}"
        elif not order.buys and record.answer.body["id"] not in cloud.carts:
            yield f"{order.key}: the record names no cart"
        elif order.buys and record.answer.body["cartId"] != cloud.recorded_cart(order):
            yield f"{order.key}: the record names two carts"
        days = (record.expires_at - datetime.now(UTC)).total_seconds() / 86400
        if not 0 <= (90 if order.buys else 7) - days < 0.1:
            yield f"{order.key}: the record expires in {days} days"


def wrong_writes(cloud: SoakCloud) -> Iterator[str]:
    """Keys whose record changed in what stays, or after it was completed."""
    stored: dict[str, dict[str, Any]] = {}
    for commit in cloud.ledger.commits:
        record, before = commit.record, stored.get(commit.blob)
        if before:
            if before["fingerprint"] != record["fingerprint"]:
                yield f"{record['key']}: two fingerprints"
            if record["epoch"] - before["epoch"] not in (0, 1):
                yield f"{record['key']}: from epoch {before['epoch']} to {record['epoch']}"
            if before["state"] == "completed":
                yield f"{record['key']}: overwritten after it was completed"
            if before["answer"] and not record["answer"]:
                yield f"{record['key']}: its answer was forgotten"
            cart_id = cart_in(before)
            if cart_id and cart_in(record) != cart_id:
                yield f"{record['key']}: the cart {cart_id} was forgotten"
        stored[commit.blob] = record


def leaks(texts: Mapping[str, str], secrets: Iterable[str]) -> Iterator[str]:
    """Texts, by name, with a secret in them, or with anything that looks like a token."""
    hidden = set(secrets)
    for name, text in texts.items():
        leaked = [secret for secret in hidden if secret in text]
        if leaked or _TOKEN.search(text):
            yield f"{name}: {len(leaked)} secrets"


def surplus(
    cloud: SoakCloud, delivered: Iterable[Delivered], blobs: Iterable[bytes]
) -> Counter[str]:
    """Why there are carts that no record names: what became of the answer to the call for each."""
    answers = [record.answer for record in map(Record.from_json, blobs)]
    recorded = {answer.body.get("cartId") or answer.body["id"] for answer in answers if answer}
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
    if end.unrecorded or end.code in ("store_unavailable", "operation_in_progress"):
        return "its answer came, but the store took no record of it"
    return UNEXPLAINED
