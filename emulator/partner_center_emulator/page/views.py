"""The panels of a cloud: what reached it, its carts and orders, its catalogue, its disturbances."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from partner_center_emulator.page.masking import masked_body, masked_headers, masked_query
from partner_center_emulator.page.panels import Button, PageError, Panel, Row, Section, Tone
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.partner_center.carts import PartnerCenter, StoredCart
from partner_center_emulator.partner_center.documents import every_line
from partner_center_emulator.watch.disturbances import Disturbance, Disturbances
from partner_center_emulator.watch.journal import Arrival, Journal

_SHOWN = 200
"""How many of the newest rows a panel shows."""
_VAULT_SECRET = frozenset({"value"})


def calls_panel(journal: Journal) -> Panel:
    """What reached Partner Center, newest first."""
    return _calls(
        journal,
        "calls",
        "Calls of Partner Center",
        "Every request that reached Partner Center, newest first.",
        lambda arrival: arrival.service == "partner_center",
    )


def other_calls_panel(journal: Journal) -> Panel:
    """What reached the services on the way to Partner Center, newest first."""
    return _calls(
        journal,
        "other-calls",
        "Calls of the other services",
        "Requests to all but Partner Center, newest first: managed identity, Key Vault, Entra, … "
        "Who looks into an empty queue is left out.",
        lambda arrival: arrival.service != "partner_center" and not _found_nothing(arrival),
    )


def _found_nothing(arrival: Arrival) -> bool:
    """Whether somebody looked for messages and found none, as who listens to a queue does often."""
    if arrival.method != "GET" or not arrival.path.endswith("/messages"):
        return False
    if arrival.milliseconds is None:
        return True  # nothing yet
    return arrival.status == 200 and b"<QueueMessage>" not in arrival.answer_body


def _calls(
    journal: Journal, name: str, title: str, about: str, meant: Callable[[Arrival], bool]
) -> Panel:
    async def rows() -> list[Row]:
        newest = [arrival for arrival in reversed(journal.requests()) if meant(arrival)][:_SHOWN]
        return [_call(arrival) for arrival in newest]

    async def detail(row: str) -> list[Section]:
        arrival = journal.find(int(row)) if row.isdecimal() else None
        if arrival is None or not meant(arrival):
            raise PageError("This request is forgotten.")
        hide = _VAULT_SECRET if arrival.service == "key_vault" else frozenset[str]()
        return [
            Section("Request", f"{arrival.method} https://{arrival.host}{_target(arrival)}"),
            Section("Request headers", masked_headers(arrival.headers)),
            Section("Request body", masked_body(arrival.body, hide=hide)),
            Section("Answer", _status(arrival)),
            Section("Answer headers", masked_headers(arrival.answer_headers)),
            Section("Answer body", masked_body(arrival.answer_body, hide=hide)),
        ]

    columns = ("Time", "Method", "Path", "MS-RequestId", "Status", "ms")
    return Panel(name, title, about, columns, rows, detail)


def _call(arrival: Arrival) -> Row:
    took = arrival.milliseconds
    where = "" if arrival.service == "partner_center" else arrival.host
    return Row(
        str(arrival.number),
        (
            clock(arrival.time),
            arrival.method,
            where + _target(arrival),
            arrival.headers.get("ms-requestid", ""),
            _status(arrival),
            "" if took is None else f"{took:.0f}",
        ),
        tone(arrival.status, ended=took is not None),
    )


def _target(arrival: Arrival) -> str:
    return f"{arrival.path}?{masked_query(arrival.query)}" if arrival.query else arrival.path


def _status(arrival: Arrival) -> str:
    if arrival.status is not None:
        return str(arrival.status)
    return "under way" if arrival.milliseconds is None else "no answer"


def tone(status: int | None, *, ended: bool = True) -> Tone:
    """How a row looks that has an HTTP status, or None where no answer was sent."""
    if status is None:
        return "bad" if ended else "busy"
    return "good" if status < 400 else "bad"


def clock(moment: float) -> str:
    """The time of day of a moment in Unix seconds, to the millisecond."""
    return f"{time.strftime('%H:%M:%S', time.localtime(moment))}.{int(moment * 1000) % 1000:03d}"


def carts_panel(partner_center: PartnerCenter) -> Panel:
    """The carts by customer, newest first."""

    async def rows() -> list[Row]:
        carts = list(partner_center.carts.values())[::-1][:_SHOWN]
        order = list(dict.fromkeys(cart.customer_id for cart in carts))
        return [_cart(c) for c in sorted(carts, key=lambda c: order.index(c.customer_id))]

    async def detail(row: str) -> list[Section]:
        stored = partner_center.carts.get(row)
        if stored is None:
            raise PageError("This cart is gone.")
        return [
            Section("Cart", pretty(stored.document)),
            Section("Answered to the MS-RequestIds", "\n".join(stored.request_ids)),
        ]

    return Panel(
        "carts",
        "Carts",
        "The carts of each customer, newest first.",
        ("Cart", "State", "Lines", "Price", "Expires"),
        rows,
        detail,
        "No carts yet.",
    )


def _cart(stored: StoredCart) -> Row:
    cart = stored.document
    lines = list(every_line(cart["lineItems"]))
    state, looks = _cart_state(stored, lines)
    values = {"cart": cart["id"]}
    buttons = (
        Button("Expire", "expire-cart", values),
        Button("Change as a twin", "change-cart", values),
        Button("Check out as a twin", "check-out-cart", values),
    )
    return Row(
        cart["id"],
        (
            cart["id"],
            state,
            ", ".join(f"{line['quantity']} x {_name(line)}" for line in lines),
            _price([line.get("pricing", {}).get("extendedPrice") for line in lines], lines[0]),
            cart["expirationTimestamp"][:19].replace("T", " "),
        ),
        looks,
        f"Customer {stored.customer_id}",
        buttons if state.startswith("Active") else (),
    )


def _cart_state(stored: StoredCart, lines: list[dict[str, Any]]) -> tuple[str, Tone]:
    if stored.ordered:
        return "Ordered", "good"
    if stored.expires < time.time():
        return "Expired", "bad"
    codes = [str(line["error"]["errorCode"]) for line in lines if "error" in line]
    if codes:
        return f"Active, with errors: {', '.join(codes)}", "bad"
    return ("Active, being changed", "busy") if stored.busy else ("Active", "")


def _name(line: dict[str, Any]) -> str:
    item_id = line["catalogItemId"]
    try:
        title = catalogue.item_of(item_id).title
    except KeyError:
        title = item_id
    return str(line.get("friendlyName") or title)


def _price(prices: list[float | None], line: dict[str, Any]) -> str:
    """The sum of the prices in the line's currency; nothing where one of them is not known."""
    known = [price for price in prices if price is not None]
    return f"{sum(known):.2f} {line['currencyCode']}" if len(known) == len(prices) else ""


def orders_panel(partner_center: PartnerCenter) -> Panel:
    """The orders by customer, newest first."""

    async def rows() -> list[Row]:
        orders = list(partner_center.orders.values())[::-1][:_SHOWN]
        groups = list(dict.fromkeys(order.customer_id for order in orders))
        rows = []
        for order in sorted(orders, key=lambda order: groups.index(order.customer_id)):
            now = order.now()
            completed = time.time() >= order.completed
            bought = [f"{line['quantity']} x {line['friendlyName']}" for line in now["lineItems"]]
            total = f"{now['totalPrice']:.2f} {now['currencyCode']}" if "totalPrice" in now else ""
            state = "completed" if completed else "pending"
            cells = (now["id"], state, ", ".join(bought), total, order.cart_id)
            group = f"Customer {order.customer_id}"
            rows.append(Row(now["id"], cells, "good" if completed else "busy", group))
        return rows

    async def detail(row: str) -> list[Section]:
        order = partner_center.orders.get(row)
        if order is None:
            raise PageError("This order is gone.")
        return [
            Section("Order", pretty(order.now())),
            Section("Order group", order.order_group),
            Section("Ordered for the user", order.customer_user or "nobody named"),
            Section("Answered to the MS-RequestIds", "\n".join(order.request_ids)),
        ]

    return Panel(
        "orders",
        "Orders",
        "What was bought, by customer, newest first.",
        ("Order", "State", "Lines", "Price", "Cart"),
        rows,
        detail,
        "Nothing was bought yet.",
    )


def catalogue_panel(partner_center: PartnerCenter) -> Panel:
    """The catalogue of the moment, with what each item does in a cart and at its checkout."""
    shelf = partner_center.shelf

    async def rows() -> list[Row]:
        offered = [(sku, item_id) for sku in shelf.skus for item_id in shelf.current(sku)]
        legacy = [("", item_id) for item_id in catalogue.ITEMS if ":" not in item_id]
        return [_offered(sku, item_id) for sku, item_id in [*offered, *legacy]]

    async def detail(row: str) -> list[Section]:
        if row not in {each.id for each in await rows()}:
            raise PageError("There is no such item now.")
        item = catalogue.item_of(row)
        line = {"catalogItemId": row, "quantity": 1, "billingCycle": item.billing_cycles[0]}
        if item.term_required:
            line["termDuration"] = item.terms[0]
        shown = {name: value for name, value in asdict(item).items() if name != "pairs"}
        return [Section("A line item with it", pretty(line)), Section("Item", pretty(shown))]

    return Panel(
        "catalogue",
        "Catalogue",
        "What can be put in a cart. Every other catalogItemId is unknown (10001) or out of date.",
        ("catalogItemId", "Product", "Billing cycles", "Terms", "What it does"),
        rows,
        detail,
    )


def _offered(sku: str, item_id: str) -> Row:
    item = catalogue.item_of(item_id)
    cells = (
        item_id,
        item.title,
        ", ".join(item.billing_cycles),
        ", ".join(item.terms) + ("" if item.term_required else " (optional)"),
        "; ".join(effects(item)) or "It can be ordered.",
    )
    rotate = Button("Rotate", "rotate-availability", {"sku": sku})
    return Row(item_id, cells, buttons=(rotate,) if sku else ())


def effects(item: catalogue.Item) -> list[str]:
    """What is special about an item, with Partner Center's code where it refuses something."""
    said = []
    if item.withdrawn_for:
        said.append("It is withdrawn (500600)")
    if not item.in_stock:
        said.append("There is no inventory (10003)")
    if item.quota is not None:
        said.append(f"Its quota is {item.quota} (10002)")
    if item.maximum_seats is not None:
        left = item.maximum_seats - item.purchased_seats
        said.append(f"{left} of {item.maximum_seats} seats are left (10015)")
    if item.needs_attestation:
        said.append("It needs attestationAccepted (10012)")
    if item.needs_base:
        said.append(f"It needs {item.needs_base} in the same cart (400041)")
    if item.promotion_id:
        said.append("The server adds a promotion")
    if item.order_failure:
        which = "The first order in a cart" if item.fails_once else "Its order always"
        said.append(f"{which} fails ({item.order_failure[0]})")
    return said


def disturbances_panel(disturbances: Disturbances) -> Panel:
    """The disturbances in force, in the order in which they are tried."""

    async def rows() -> list[Row]:
        return [
            Row(
                str(number),
                (
                    each.service,
                    " ".join(filter(None, (each.method, each.path))) or "every request",
                    ", ".join(_what(each)),
                    "until removed" if each.times is None else f"{each.times:.0f}",
                ),
                "bad",
            )
            for number, each in enumerate(disturbances.active)
        ]

    async def detail(row: str) -> Sequence[Section]:
        active = dict(enumerate(disturbances.active))
        if not row.isdecimal() or int(row) not in active:
            raise PageError("This disturbance is over.")
        return [Section("Disturbance", pretty(asdict(active[int(row)])))]

    return Panel(
        "disturbances",
        "Disturbances in force",
        "What happens to the next requests that match.",
        ("Service", "Requests", "What happens", "Times left"),
        rows,
        detail,
        "Everything works as it should.",
    )


def _what(each: Disturbance) -> list[str]:
    said = []
    if each.delay + each.delay_after:
        said.append(f"{each.delay + each.delay_after:g} s later")
    if each.action:
        said.append(f"connection: {each.action}")
    if each.status:
        said.append(f"status {each.status}")
    said += [
        name for name in ("request", "answer", "another", "encoding", "drip") if getattr(each, name)
    ]
    if not each.takes_effect:
        said.append("without effect")
    elif each.commit:
        said.append(f"effect {each.late:g} s later" if each.late else "after the effect")
    return said


def pretty(document: Any) -> str:
    """A JSON document for people."""
    return json.dumps(document, indent=2, ensure_ascii=False)
