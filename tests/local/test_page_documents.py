"""What the page shows of the documents that the app has written to Blob Storage."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from partner_center_emulator.page.panels import PageError
from partner_center_emulator.watch.journal import Arrival, Journal

from cart_core.idempotency.record import StoredAnswer
from cart_core.operations.operation import AcceptedOperation, AcceptedRequest
from cart_core.storefronts.changes import Standing
from cart_core.storefronts.order_record import OrderRecord, PartResult
from cart_core.storefronts.parking import Reason
from local.page_documents import operations_panel, records_panel, storefront_orders_panel
from local.stored_documents import StoredDocuments

NOW = datetime(2027, 1, 31, 10, 11, 12, tzinfo=UTC)
ACCEPTED = AcceptedOperation(
    id=f"purchases-{'a' * 64}-{'b' * 16}",
    token="opens-its-addresses",
    operation="place_order",
    customer_id="c",
    key="order-1",
    fingerprint="1:x",
    caller_id=None,
    correlation_id="x",
    request=AcceptedRequest(path={}, headers={}, body="{}"),
    accepted_at=NOW,
    since=NOW,
    changed_at=NOW,
)
RUNNING = ACCEPTED.begun(NOW, timedelta(minutes=1))
THROTTLED = RUNNING.deferred(NOW, NOW, {"code": "partner_center_throttled", "outcome": "no_effect"})


class Container:
    """What reached a container, and what is known of it."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.stored = StoredDocuments(self.journal)
        self._numbers = count(1)

    def reached(
        self, body: bytes, *, status: int | None = 201, method: str = "PUT", path: str = "/c/x.json"
    ) -> Arrival:
        """A request, which was answered with a status or not yet."""
        arrival = Arrival("storage", method, "h", path, "", {}, body, 0.0, status)
        arrival.number = next(self._numbers)
        arrival.milliseconds = None if status is None else 1.0
        self.journal._arrivals.append(arrival)
        return arrival


def record(state: str, **members: Any) -> bytes:
    """A record as the app writes it, as far as the page reads it."""
    return json.dumps(
        {
            **{"operation": "place_order", "customerId": "c", "key": "order-1", "state": state},
            **{"steps": [{"name": "cart", "done": state == "completed"}]},
            **{"expiresAt": "2027-01-31T10:11:12.000000Z", **members},
        }
    ).encode()


async def test_the_records_are_shown_in_their_newest_state() -> None:
    container = Container()
    panel = records_panel(container.stored, has_storage=True)
    assert panel.empty == "Nothing yet."
    assert "no Azurite" in records_panel(container.stored, has_storage=False).empty
    container.reached(record("in_progress"))
    container.reached(record("in_progress"), path="/c/its-copy.json")
    assert [row.tone for row in await panel.rows()] == ["busy"]
    container.reached(record("completed"))
    container.reached(record("unknown"), status=412)
    container.reached(record("unknown"), method="GET")
    container.reached(b"no JSON", path="/c/1")
    container.reached(b'{"other": 1}', path="/c/2")
    container.reached(record("unknown", key="order-2"), path="/c/y.json")
    await panel.rows()
    container.journal.clear()

    second, first = await panel.rows()

    assert first.cells == ("order-1", "place_order", "completed", "cart (done)", "2027-01-31 10:11")
    assert (first.group, first.tone) == ("Customer c", "good")
    assert (second.cells[:3], second.tone) == (("order-2", "place_order", "unknown"), "bad")
    (section,) = await panel.detail(first.id)
    assert json.loads(section.text)["state"] == "completed"
    container.reached(b"", method="DELETE", status=202, path="/c/y.json")
    with pytest.raises(PageError):
        await panel.detail(second.id)


async def test_a_document_is_read_once_its_request_is_answered() -> None:
    container = Container()
    first = container.reached(record("in_progress"), status=None)
    container.reached(record("completed"))
    assert container.stored.all() == []
    first.status, first.milliseconds = 201, 1.0
    assert [each["state"] for each in container.stored.all()] == ["completed"]


@pytest.mark.parametrize(
    ("operation", "tone", "cells", "buttons"),
    [
        (ACCEPTED, "busy", ("waiting", "0", ""), 1),
        (RUNNING, "busy", ("running", "1", ""), 0),
        (THROTTLED, "busy", ("waiting", "1", "partner_center_throttled again at {now}"), 1),
        (THROTTLED.died(NOW), "bad", ("dead", "1", "partner_center_throttled"), 1),
        (RUNNING.ended(NOW, StoredAnswer(status=201, headers={}, body={})), "good",
         ("succeeded", "1", "201"), 0),
        (RUNNING.ended(NOW, StoredAnswer(status=422, headers={}, body={"code": "no"})), "bad",
         ("failed", "1", "422 no"), 0),
    ],
    ids=["accepted", "running", "throttled", "dead", "succeeded", "failed"],
)  # fmt: skip
async def test_an_operation_is_shown_with_what_came_of_it_or_holds_it_up(
    operation: AcceptedOperation, tone: str, cells: tuple[str, ...], buttons: int
) -> None:
    container = Container()
    panel = operations_panel(container.stored, has_storage=True)
    container.reached(ACCEPTED.to_json())
    container.reached(operation.to_json(), path="/c/ended.json")

    (row,) = await panel.rows()

    now = NOW.astimezone().strftime("%H:%M:%S")
    assert row.cells[0] == f"{now}.000"
    assert row.cells[1:3] == ("place_order", "order-1")
    assert row.cells[3:] == tuple(cell.format(now=now) for cell in cells)
    assert (row.tone, row.group, len(row.buttons)) == (tone, "Customer c", buttons)
    (section,) = await panel.detail(row.id)
    assert json.loads(section.text)["state"] == operation.state
    assert operation.token not in section.text
    assert await records_panel(container.stored, has_storage=True).rows() == []
    with pytest.raises(PageError):
        await panel.detail("gone")


# --- Orders of storefronts ------------------------------------------------------------------------

STANDING = Standing.of(NOW, cancelled=False, paid=True, units=5, body="shop/an-order/a-body")
OPEN = OrderRecord.first("shop", "1001", STANDING, NOW)
CANCELLED = OPEN.found_cancelled()
FROZEN = OPEN.frozen([{"customerId": "c", "lines": ["1"], "cart": {}}])
BEGUN = FROZEN.with_begun("c")
assert BEGUN
BOUGHT = BEGUN.with_result("c", PartResult(status="completed", orders=["a1"]))
REFUSED = BEGUN.with_result("c", PartResult(status="failed", problem="cart_not_orderable"))


@pytest.mark.parametrize(
    ("order", "state", "said", "tone", "buttons"),
    [
        (OPEN, "open", "", "busy", 0),
        (OPEN.put_off(NOW), "open", "again at {now}", "busy", 0),
        (CANCELLED, "cancelled", "", "", 0),
        (OPEN.resolved("parked", [Reason("sku_unknown", "1", "M365")]), "parked",
         "sku_unknown M365", "bad", 2),
        (FROZEN, "frozen", "handed over", "busy", 0),
        (BEGUN, "frozen", "being bought", "busy", 0),
        (BOUGHT, "ended", "completed a1", "good", 0),
        (BOUGHT.found_cancelled(), "ended, cancelled",
         "completed a1, cancelled_after_purchase", "", 0),
        (REFUSED, "ended", "failed cart_not_orderable", "bad", 0),
    ],
    ids=["open", "put off", "cancelled", "parked", "frozen", "begun", "bought", "late", "failed"],
)  # fmt: skip
async def test_a_storefronts_order_is_shown_with_what_came_of_it(
    order: OrderRecord, state: str, said: str, tone: str, buttons: int
) -> None:
    container = Container()
    panel = storefront_orders_panel(container.stored, has_storage=True)
    container.reached(b'{"id": 1001}', path="/c/open/shop/an-order/a-body")
    container.reached(OPEN.to_json(), path="/c/orders/shop/x")
    container.reached(order.to_json(), path="/c/orders/shop/x")

    (row,) = await panel.rows()

    now = NOW.astimezone().strftime("%H:%M:%S")
    assert row.cells == (f"{now}.000", "1001", state, said.format(now=now))
    assert (row.tone, row.group, len(row.buttons)) == (tone, "Source shop", buttons)
    assert row.id == order.name.removeprefix("orders/").replace("/", "-")
    remembered, decides = await panel.detail(row.id)
    assert json.loads(remembered.text)["state"] == order.state
    assert json.loads(decides.text) == {"id": 1001}
    for other in (operations_panel, records_panel):
        assert await other(container.stored, has_storage=True).rows() == []
    with pytest.raises(PageError):
        await panel.detail("gone")


async def test_rows_of_one_group_stand_together() -> None:
    container = Container()
    panel = storefront_orders_panel(container.stored, has_storage=True)
    for number, (source, order) in enumerate([("a", "1"), ("b", "2"), ("a", "3")]):
        record = OrderRecord.first(source, order, STANDING, NOW)
        container.reached(record.to_json(), path=f"/c/orders/{number}")

    assert [row.cells[1] for row in await panel.rows()] == ["3", "1", "2"]
