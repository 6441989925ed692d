"""The panels of what this app stores: idempotency records, accepted operations, shops' orders."""

from collections.abc import Iterable
from datetime import datetime

from partner_center_emulator.page.masking import masked_body
from partner_center_emulator.page.panels import Button, PageError, Panel, Row, Section, Tone
from partner_center_emulator.page.views import clock, pretty

from cart_core.storefronts.order_record import RECORDS, record_name
from local.stored_documents import Document, StoredDocuments

_TONES: dict[str, Tone] = {
    **{"completed": "good", "in_progress": "busy", "unknown": "bad"},
    **{"succeeded": "good", "waiting": "busy", "running": "busy"},
    **{"failed": "bad", "dead": "bad", "parked": "bad"},
    **{"open": "busy", "frozen": "busy", "refused": "bad", "ended": "good"},
}


def records_panel(stored: StoredDocuments, *, has_storage: bool) -> Panel:
    """The idempotency records."""

    def current() -> dict[str, Document]:
        """The newest document of each record, by operation, customer and key.

        An operation may have a copy of its record, by which another one like it is noticed; the
        copy is not written again, so the record is the newer of the two.
        """
        return _newest(
            ("/".join(each[part] for part in ("operation", "customerId", "key")), each)
            for each in stored.all()
            if "steps" in each
        )

    async def rows() -> list[Row]:
        return _grouped(_record(name, record) for name, record in reversed(current().items()))

    async def detail(row: str) -> list[Section]:
        if row not in (records := current()):
            raise PageError("This record is gone.")
        return [Section("Record", pretty(records[row]))]

    return Panel(
        "records",
        "Idempotency records",
        "What the app remembers of each key, by customer, newest first.",
        ("Key", "Operation", "State", "Steps", "Kept until"),
        rows,
        detail,
        _empty(has_storage=has_storage),
    )


def operations_panel(stored: StoredDocuments, *, has_storage: bool) -> Panel:
    """The operations that were accepted to be done later, the ended ones too."""

    def current() -> dict[str, Document]:
        return _newest((each["id"], each) for each in stored.all() if "acceptedAt" in each)

    async def rows() -> list[Row]:
        return _grouped(_operation(each) for each in reversed(current().values()))

    async def detail(row: str) -> list[Section]:
        if row not in (operations := current()):
            raise PageError("This operation is gone.")
        text = pretty(operations[row]).encode()
        return [Section("Operation", masked_body(text, hide=frozenset({"token"})))]

    return Panel(
        "operations",
        "Queued operations",
        "What was answered 202 and is done from a queue, by customer, the last change first.",
        ("Accepted", "Operation", "Key", "State", "Tries", "What came of it"),
        rows,
        detail,
        _empty(has_storage=has_storage),
    )


def storefront_orders_panel(stored: StoredDocuments, *, has_storage: bool) -> Panel:
    """What became of the orders that storefronts' webhooks have told of."""

    def current() -> dict[str, Document]:
        return _newest((_order_id(each), each) for each in stored.all() if "standing" in each)

    async def rows() -> list[Row]:
        return _grouped(_shop_order(name, order) for name, order in reversed(current().items()))

    async def detail(row: str) -> list[Section]:
        if row not in (orders := current()):
            raise PageError("This order is gone.")
        order = orders[row]
        body = stored.find(order["standing"]["body"])
        return [
            Section("What is remembered of it", pretty(order)),
            Section("The delivery that decides", pretty(body) if body else ""),
        ]

    return Panel(
        "storefront-orders",
        "Orders of storefronts",
        "What became of each order that a shop's own webhook told of, the last change first.",
        ("Received", "Order", "State", "What came of it"),
        rows,
        detail,
        _empty(has_storage=has_storage),
    )


def _newest(documents: Iterable[tuple[str, Document]]) -> dict[str, Document]:
    """The last document under each name, the last written at the end."""
    newest: dict[str, Document] = {}
    for name, document in documents:
        newest.pop(name, None)
        newest[name] = document
    return newest


def _grouped(rows: Iterable[Row]) -> list[Row]:
    """The rows with those of one group together, the group of the first row first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return [row for group in groups.values() for row in group]


def _empty(*, has_storage: bool) -> str:
    if has_storage:
        return "Nothing yet."
    return "They are in the function's memory, where nobody can look: there is no Azurite here."


def _record(name: str, record: Document) -> Row:
    steps = [f"{s['name']}{' (done)' if s['done'] else ''}" for s in record["steps"]]
    until = record["expiresAt"][:16].replace("T", " ")
    cells = (record["key"], record["operation"], record["state"], ", ".join(steps), until)
    group = f"Customer {record['customerId']}"
    return Row(name, cells, _TONES.get(record["state"], ""), group)


def _operation(operation: Document) -> Row:
    state = operation["state"]
    cells = (
        clock(datetime.fromisoformat(operation["acceptedAt"]).timestamp()),
        *(operation["operation"], operation["key"], state, str(operation["tries"])),
        _outcome(operation),
    )
    try_now = Button("Try now", "try-now", {"id": operation["id"]})
    buttons = (try_now,) if state in ("waiting", "dead", "parked") else ()
    group = f"Customer {operation['customerId']}"
    return Row(operation["id"], cells, _TONES.get(state, ""), group, buttons)


def _outcome(operation: Document) -> str:
    """How it ended, or what holds it up."""
    said = []
    if answer := operation["answer"]:
        said += [str(answer["status"]), answer["body"].get("code", "")]
    if problem := operation["problem"]:
        said.append(problem["code"])
    if again := operation["nextAttempt"]:
        said.append(f"again at {clock(datetime.fromisoformat(again).timestamp())[:8]}")
    return " ".join(filter(None, said))


def _order_id(order: Document) -> str:
    """Under which id operators know a storefront's order."""
    name = record_name(order["source"], order["orderId"])
    return name.removeprefix(RECORDS).replace("/", "-")


def _shop_order(name: str, order: Document) -> Row:
    state, tone = order["state"], _TONES.get(order["state"], "")
    if order["standing"]["cancelled"]:
        state, tone = (f"{state}, cancelled" if order["begun"] else "cancelled"), ""
    cells = (
        clock(datetime.fromisoformat(order["receivedAt"]).timestamp()),
        order["orderId"],
        state,
        _fate(order),
    )
    values = {"id": name}
    buttons = (
        Button("Release", "release-order", values),
        Button("Discard", "discard-order", values),
    )
    if any(result["status"] != "completed" for result in order["results"].values()):
        tone = "bad"
    group = f"Source {order['source']}"
    return Row(name, cells, tone, group, buttons if state == "parked" else ())


def _fate(order: Document) -> str:
    """Why a storefront's order waits, or what each customer's part came to."""
    said = list(map(_reason, order["reasons"]))
    for part in order["parts"] or ():
        customer = part["customerId"]
        result = order["results"].get(customer)
        if result is None:
            said.append("being bought" if customer in order["begun"] else "handed over")
            continue
        bought = result["orders"] or filter(None, [result["problem"]])
        said.append(" ".join([result["status"], *bought]))
    if order["nextAttempt"]:
        said.append(
            f"again at {clock(datetime.fromisoformat(order['nextAttempt']).timestamp())[:8]}"
        )
    return ", ".join([*said, *map(_reason, order["flags"])])


def _reason(reason: Document) -> str:
    return f"{reason['code']} {reason['about']}".strip()
