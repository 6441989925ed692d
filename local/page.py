"""What only this app has on the page of the local cloud: its calls, what it stores, its samples."""

from typing import Any, Protocol

import aiohttp
from partner_center_emulator.page.masking import masked_body, masked_headers, masked_query
from partner_center_emulator.page.panels import PageError, Panel, Row, Section
from partner_center_emulator.page.site import Site
from partner_center_emulator.page.views import clock, tone
from partner_center_emulator.watch.journal import Journal

from local.deliveries import Deliveries, Function
from local.page_actions import actions
from local.page_documents import operations_panel, records_panel, storefront_orders_panel
from local.shops import Shops
from local.stored_documents import StoredDocuments


class Cloud(Protocol):
    """The parts of a cloud that are used here."""

    page: Site
    journal: Journal


def extend(cloud: Cloud, function: Function, shops: Shops, *, has_storage: bool) -> None:
    """Adds this app's panels and actions to a cloud's page, before the cloud's own."""
    cloud.page.title = "Partner Center carts, in the local cloud"
    stored = StoredDocuments(cloud.journal)
    cloud.page.panels[:0] = [calls_panel(function)]
    cloud.page.panels[2:2] = [
        operations_panel(stored, has_storage=has_storage),
        storefront_orders_panel(stored, has_storage=has_storage),
        records_panel(stored, has_storage=has_storage),
    ]
    cloud.page.actions[:0] = actions(Deliveries(function), shops)


def calls_panel(function: Function) -> Panel:
    """The function's calls, newest first."""

    async def rows() -> list[Row]:
        return [_call(call) for call in reversed(await _calls(function))]

    async def detail(row: str) -> list[Section]:
        for call in await _calls(function):
            if str(call["number"]) == row:
                return [
                    Section("Request", f"{call['method']} {_target(call)}"),
                    Section("Request headers", masked_headers(call["headers"])),
                    Section("Request body", masked_body(call["body"].encode())),
                    Section("Answer headers", masked_headers(call["answer_headers"])),
                    Section("Answer body", masked_body(call["answer_body"].encode())),
                ]
        raise PageError("This call is forgotten.")

    return Panel(
        "function-calls",
        "Calls of the function",
        "What callers sent to this app, newest first.",
        ("Time", "Method", "Path", "Idempotency-Key", "Status", "ms"),
        rows,
        detail,
    )


def _call(call: dict[str, Any]) -> Row:
    replayed = " replayed" if "idempotent-replayed" in call["answer_headers"] else ""
    key = call["headers"].get("idempotency-key") or call["headers"].get("webhook-id", "")
    status, took = call["status"], f"{call['milliseconds']:.0f}"
    cells = (clock(call["time"]), call["method"], call["target"].partition("?")[0], key)
    return Row(str(call["number"]), (*cells, f"{status}{replayed}", took), tone(status))


def _target(call: dict[str, Any]) -> str:
    path, mark, query = call["target"].partition("?")
    return f"{path}{mark}{masked_query(query)}"


async def _calls(function: Function) -> list[dict[str, Any]]:
    """The calls that the Functions host remembers; none where it does not answer."""
    if (running := function()) is None:
        return []
    url, key = running
    try:
        async with (
            aiohttp.ClientSession(headers={"x-functions-key": key}) as session,
            session.get(f"{url}/admin/calls") as answer,
        ):
            calls: list[dict[str, Any]] = await answer.json()
            return calls
    except aiohttp.ClientError:
        return []
