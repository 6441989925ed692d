"""What a soak proves: each function names what is wrong, and nothing where all is right."""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from partner_center_emulator.partner_center.orders import StoredOrder
from partner_center_emulator.watch.journal import Arrival

from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.record import Record
from tests.end_to_end.chain import defects
from tests.soak.caller import Delivered, Desk, Try
from tests.soak.ledger import Commit, SoakCloud, blob_of, cart_in, cart_of, name_of, purpose
from tests.soak.scenario import LONGEST_REQUEST, Order, checkout_of
from tests.soak.trouble import OTHER_QUANTITY, REFUSALS

_PASSING: Final = {
    "store_unavailable": 503,
    "operation_in_progress": 503,
    "partner_center_throttled": 429,
    "partner_center_busy": 503,
    "partner_center_not_ready": 503,
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
"""What may go wrong for a good order in this trouble and passes by, and its status."""

_REFUSED: Final = {"cart_not_orderable": 422, "cart_differs": 422, "checkout_failed": 422}
"""How a good order may be refused because Partner Center showed another cart, or bought nothing."""

_NOT_ABOUT_ORDERS: Final = frozenset(
    {"unknown_member", "unknown_term", "unreadable_member", "not_idempotent", "not_recorded"}
    | {"possible_duplicate", "line_missing", "line_unexpected"}
)
"""Warnings that say nothing of orders that were bought and are not told."""

UNEXPLAINED: Final = "UNEXPLAINED"
"""A cause that fails the soak: nothing was unknown, and yet there is one more cart."""

_STORE: Final = "StoreUnavailable"

_BELL: Final = re.compile(r"^.*A message of the queue .* and failed: (\w+)$", re.MULTILINE)
"""What the host logs of a bell that raised."""

_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}")


@dataclass
class Evidence:
    """What the judge knows once all is over."""

    orders: list[Order]
    desks: Mapping[str, Desk]
    """Which key each order has in the end, by the order's name."""
    delivered: list[Delivered]
    cloud: SoakCloud
    deduplicated: bool
    """Whether Partner Center knows a repeated MS-RequestId."""

    @cached_property
    def tries(self) -> dict[str, tuple[Delivered, Try]]:
        """Every request of a caller, by its correlation id."""
        return {answer.correlation_id: (each, answer) for each, answer in self.answers()}

    def answers(self) -> Iterator[tuple[Delivered, Try]]:
        """Every answer to a caller."""
        return ((each, answer) for each in self.delivered for answer in each.tries)

    def cause(self, call: Arrival) -> tuple[Delivered, Try]:
        """The request of a caller that led to a call of Partner Center."""
        return self.tries[self.cloud.ledger.caused_by(call)]

    def operation(self, each: Delivered, answer: Try) -> OperationId:
        """What the function knows the request as."""
        return each.delivery.operation(answer.key, answer.cart_checked_out)

    def key_of(self, cart_id: str) -> str:
        """The key under which a cart was made."""
        return self.cause(self.cloud.carts.made_by[cart_id])[1].key

    def bought_by_itself(self, order_id: str) -> bool:
        """Whether somebody checked the cart out by itself, before its order held it to its lines.

        Then it was bought as it was, whatever Partner Center had made of it.
        """
        checkout = self.cloud.orders.made_by[order_id]
        by_itself = self.cause(checkout)[0].delivery.kind == "checkout"
        return by_itself and not self.cloud.ledger.was_held(checkout)

    def given_up(self, name: str, key: str) -> bool:
        """Whether a key was refused, so that the order of this name has another one now."""
        return self.desks[name].key != key


def defects_in(log: str) -> Iterator[str]:
    """Exceptions that nobody handled. That storage fails is no bug of a bell or of a sweep."""
    for found in defects(log):
        if not found.rstrip().endswith(f"Function sweep_operations failed: {_STORE}"):
            yield found
    yield from (f"a bell raised {name}" for name in _BELL.findall(log) if name != _STORE)


def wrong_answers(evidence: Evidence) -> Iterator[str]:
    """Answers that nobody should get, and deliveries without a final one."""
    for each, answer in evidence.answers():
        for finding in _wrong_in_answer(each, answer, evidence):
            yield f"{answer.key}: {finding} ({answer.correlation_id})"
    for each in evidence.delivered:
        last = each.tries[-1]
        if last.status != (422 if each.delivery.kind == "changed" else 201) or not last.final:
            yield f"{last.key}: after {len(each.tries)} tries still {last.code}"


def _wrong_in_answer(each: Delivered, answer: Try, evidence: Evidence) -> Iterator[str]:
    order, refusal = each.delivery.order, (answer.body.get("partnerCenter") or {}).get("code")
    if answer.status is None:
        if answer.process.killed is None or answer.process.killed > answer.ended:
            yield "a connection was lost to a process that lived"
    elif each.delivery.kind == "changed":
        # In progress: the store took so long to say anything that no time was left.
        unknown = {"store_unavailable": 503, "operation_in_progress": 503}
        if (unknown | {"idempotency_key_reused": 422}).get(answer.code) != answer.status:
            yield f"a changed cart was answered {answer.status} {answer.code}"
    elif answer.status == 201:
        yield from _wrong_in_success(each, answer, evidence)
    elif answer.code == "checkout_failed" and order.hitch is None:
        yield "nothing was bought of a good cart"
    elif refusal not in REFUSALS and (_PASSING | _REFUSED).get(answer.code) != answer.status:
        yield f"a good order was answered {answer.status} {answer.code}"


def _wrong_in_success(each: Delivered, answer: Try, evidence: Evidence) -> Iterator[str]:
    order = each.delivery.order
    stored = evidence.cloud.carts.get(answer.cart_id or "")
    if not stored or name_of(stored.document) != order.name:
        yield f"the cart {answer.cart_id} is not the order's"
    elif answer.body["customerId"] != order.customer_id:
        yield "the answer is about another customer"
    elif bool(answer.purchase) != order.buys:
        yield "the answer is of another operation"
    elif order.buys:
        yield from _wrong_in_purchase(each, answer, evidence)
    else:
        line = answer.body["lineItems"][0]
        differs = (line["friendlyName"], line["quantity"]) != (order.name, order.quantity)
        if differs and not answer.warnings & {"line_missing", "line_unexpected"}:
            yield "the answer is about another order, and does not warn"
        if answer.headers.get("MS-RequestId") not in stored.request_ids:
            yield "the answer quotes another MS-RequestId than the one that made the cart"


def _wrong_in_purchase(delivered: Delivered, answer: Try, evidence: Evidence) -> Iterator[str]:
    """Every purchase has to be told in a final answer, or warned of.

    So has each order of other lines, where the cart was bought by itself.
    """
    order = delivered.delivery.order
    made = evidence.cloud.orders.items()
    bought = {name: stored for name, stored in made if stored.cart_id == answer.cart_id}
    told = answer.body["orders"]
    named = {each["id"] for each in told} - {None}
    refused = "rest_refused" in answer.warnings  # Then the refusal is quoted.
    if answer.final and len(bought) > len(told) and not answer.warnings - _NOT_ABOUT_ORDERS:
        yield f"{len(bought)} orders were made, {len(told)} are told, and nothing warns"
    if not answer.final and order.hitch not in ("part", "part under way"):
        yield "a part was bought of a good cart"
    if named - bought.keys():
        yield "the answer names an order of something else"
    for each in told:
        line = each["lineItems"][0]
        by_itself = any(map(evidence.bought_by_itself, bought))
        as_it_was = by_itself and line["quantity"] == OTHER_QUANTITY
        quantity = OTHER_QUANTITY if as_it_was else order.quantity
        if (line["friendlyName"], line["quantity"]) != (order.name, quantity):
            yield "the answer is about another order"
        warned = "line_unexpected" in answer.warnings or answer.purchase != "completed"
        if as_it_was and delivered.delivery.kind == "true" and not warned:
            yield "other lines were bought than ordered, and nothing warns"
        quoted = answer.headers.get("MS-RequestId")
        quotable = bought[each["id"]].request_ids if each["id"] in bought else [quoted]
        if answer.purchase != "ordered" and quoted not in quotable and not refused:
            yield "the answer quotes another MS-RequestId than one whose answer had the order"


def disagreements(evidence: Evidence) -> Iterator[str]:
    """Keys that were answered with more than one cart.

    Where Partner Center does not know repeated requests, an answer that warns of being unrecorded
    may be the only one with its cart, but never where a cart was bought.
    """
    carts: defaultdict[str, set[str]] = defaultdict(set)
    for _, answer in evidence.answers():
        recorded = "not_recorded" not in answer.warnings
        if answer.cart_id and (evidence.deduplicated or answer.purchase or recorded):
            carts[answer.key].add(answer.cart_id)
    for key, ids in carts.items():
        if len(ids) > 1:
            yield f"{key}: answered with {len(ids)} carts"


def false_comfort(evidence: Evidence) -> Iterator[str]:
    """Answers that nothing came of a key when something had come of it."""
    cloud, first = evidence.cloud, defaultdict[str, float](lambda: math.inf)
    for made in (cloud.carts, cloud.orders):
        for name, call in made.made_by.items():
            each, answer = evidence.cause(call)
            if each.delivery.order.buys == (purpose(call) == "check_out"):
                first[answer.key] = min(made.made_at[name], first[answer.key])
    for each, answer in evidence.answers():
        if (
            each.delivery.kind != "changed"
            and not each.delivery.order.hitch
            and answer.outcome in ("rejected", "not_sent")
            and first[answer.key] < answer.ended
        ):
            yield f"{answer.key}: {answer.code} denies what was done ({answer.correlation_id})"


def wrong_carts(evidence: Evidence) -> Iterator[str]:
    """Carts that nobody ordered, orders without one, and keys under which two different went out.

    Partner Center changes some carts when it makes them.
    """
    expected = {order.name: order for order in evidence.orders}
    missing = set(expected)
    for cart_id, stored in evidence.cloud.carts.items():
        line = stored.document["lineItems"][0]
        order = expected.get(line["friendlyName"])
        customers = order and order.customer_id == stored.customer_id
        if not order or not customers or line["quantity"] not in (order.quantity, OTHER_QUANTITY):
            yield f"the cart {cart_id} is nobody's"
        missing.discard(line["friendlyName"])
    yield from (f"{name}: no cart" for name in sorted(missing))
    sent: defaultdict[str, set[bytes]] = defaultdict(set)
    for call in evidence.cloud.ledger.calls:
        if purpose(call) == "create_cart":
            sent[evidence.cause(call)[1].key].add(call.body)
    yield from (f"{key}: two different carts were sent" for key, s in sent.items() if len(s) > 1)


def wrong_purchases(evidence: Evidence) -> Iterator[str]:
    """Purchases that nobody ordered, or that were made twice, under a refused key, or not at all.

    What is bought has to be what was ordered, whatever Partner Center made of the cart, unless
    somebody checked the cart out by itself before.
    """
    cloud, bought = evidence.cloud, defaultdict[str, dict[str, StoredOrder]](dict)
    for order_id, stored in cloud.orders.items():
        bought[name_of(cloud.carts[stored.cart_id].document)][order_id] = stored
    for order in evidence.orders:
        made = bought.pop(order.name, {})
        groups = Counter(each.order_group for each in made.values())
        wanted = Counter(order.groups if order.buys else ())
        for group in groups - wanted:
            yield f"{order.name}: the group {group} was bought {groups[group]} times"
        for group in wanted - groups:
            yield f"{order.name}: the group {group} was not bought"
        for order_id, each in made.items():
            key = evidence.key_of(each.cart_id)
            if evidence.given_up(order.name, key):
                yield f"{key}: bought, and yet it was refused"
            if each.cart_id != cloud.recorded_cart(order, key):
                yield f"{key}: bought is {each.cart_id}, another cart is in the record"
            quantities = {line["quantity"] for line in each.document["lineItems"]}
            as_it_was = quantities == {OTHER_QUANTITY} and evidence.bought_by_itself(order_id)
            if quantities != {order.quantity} and not as_it_was:
                yield f"{key}: bought are {quantities} instead of {order.quantity}"
    yield from (f"{name}: nobody ordered that" for name in bought)


def unclaimed_calls(evidence: Evidence) -> Iterator[str]:
    """Calls that may have an effect, by a request that did not hold the key at that moment.

    A cart has to be in the record before it is bought.
    """
    holders: dict[str, dict[str, Any]] = {}
    for event in evidence.cloud.ledger.events:
        if isinstance(event, Commit):
            holders[event.blob] = event.record
        elif event.method == "POST":
            (each, answer), cart_id = evidence.cause(event), cart_of(event)
            own, order = evidence.operation(each, answer), each.delivery.order
            what = f"{answer.key}: {purpose(event)} ({answer.correlation_id})"
            for operation in {own, checkout_of(order, cart_id)} if cart_id else {own}:
                record = holders.get(blob_of(operation), {})
                holder = record.get("state"), record.get("correlationId")
                if holder != ("in_progress", answer.correlation_id):
                    yield f"{what} without the record of {operation.operation}"
                elif cart_id and cart_in(record) != cart_id:
                    yield f"{what} of a cart that is not in the record"


def wrong_blobs(evidence: Evidence, blobs: Mapping[str, bytes]) -> Iterator[str]:
    """Blobs that are no record of an order or a checkout, and either without one.

    The record of the key that an order has in the end is completed, and that of no other key. The
    record of its checkout may lag behind, if the order's answer says that the store failed then.
    """
    expected = {
        blob_of(evidence.operation(each, answer)): (each.delivery.order, answer.key)
        for each, answer in evidence.answers()
    }
    for order, key in list(expected.values()):
        if order.buys and (cart_id := evidence.cloud.recorded_cart(order, key)):
            expected.setdefault(blob_of(checkout_of(order, cart_id)), (order, key))
    yield from (f"{name}: a blob of no order" for name in blobs.keys() - expected.keys())
    unrecorded = {
        expected[name][1]
        for name, blob in blobs.items()
        if name in expected and b'"not_recorded"' in blob
    }
    for name in expected:
        order, key = expected[name]
        given_up = evidence.given_up(order.name, key)
        if name not in blobs:
            if not given_up:
                yield f"{key}: no blob"
            continue
        if not re.fullmatch(
            rf"{'purchases' if order.buys else 'carts'}/[0-9a-f]{{64}}\.json", name
        ):
            yield f"{key}: the blob's name is {name}"
        try:
            record = Record.from_json(blobs[name])
        except ValueError:
            yield f"{key}: the blob is no record"
            continue
        completed = record.state == "completed"
        if record.operation == "checkout_cart" and not completed and key in unrecorded:
            continue
        if completed == given_up:
            refused = ", and the key refused" * given_up
            yield f"{key}: the record of {record.operation} is {record.state}{refused}"
        if completed and record.answer:
            cart_id = record.answer.body["cartId" if order.buys else "id"]
            if cart_id not in evidence.cloud.carts:
                yield f"{key}: the record names no cart"
            if order.buys and cart_id != evidence.cloud.recorded_cart(order, key):
                yield f"{key}: the record names two carts"
            days = (record.expires_at - datetime.now(UTC)).total_seconds() / 86400
            if not 0 <= (90 if order.buys else 7) - days < 0.1:
                yield f"{key}: the record expires in {days} days"


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


def surplus(evidence: Evidence, blobs: Iterable[bytes]) -> Counter[str]:
    """Why there are carts that no record names: what became of the answer to the call for each."""
    recorded = {cart_in(json.loads(blob)) for blob in blobs}
    answers = [record.answer for record in map(Record.from_json, blobs)]
    recorded |= {answer.body.get("cartId") or answer.body["id"] for answer in answers if answer}
    made_by = evidence.cloud.carts.made_by
    return Counter(
        _cause(made_by[cart_id], evidence) for cart_id in evidence.cloud.carts.keys() - recorded
    )


def _cause(call: Arrival, evidence: Evidence) -> str:
    each, end = evidence.cause(call)
    if evidence.given_up(each.delivery.order.name, end.key):
        return "its key was refused, and another one taken"
    if evidence.deduplicated and not _freed(call, end.key, evidence):
        return UNEXPLAINED
    if call.status is None:
        return "its answer was lost, cut or garbled"
    if call.status >= 400:
        return "answered 5xx or 408 after it was made"
    if call.status != 201:
        return "answered 2xx without a cart"
    if end.status is None and end.process.killed:
        return "the process was killed before it recorded the answer"
    if end.code == "partner_center_timeout":
        return "its answer came after the deadline"
    if "not_recorded" in end.warnings or end.code in ("store_unavailable", "operation_in_progress"):
        return "its answer came, but the store took no record of it"
    return UNEXPLAINED


def _freed(call: Arrival, key: str, evidence: Evidence) -> bool:
    """Whether the key was free again so long after the call that it could not be under way."""
    return any(
        purpose(later) == "create_cart"
        and evidence.cause(later)[1].key == key
        and later.headers["ms-requestid"] != call.headers["ms-requestid"]
        and later.time - call.time >= LONGEST_REQUEST
        for later in evidence.cloud.ledger.calls
    )
