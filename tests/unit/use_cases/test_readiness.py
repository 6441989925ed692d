"""The run down the chain: what a link needs, how long it may take, and who gets its findings."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cart_core.problem import Fault, Problem
from cart_core.use_cases.readiness import Link, LinkFinding, LinkName, Readiness
from tests.kit.fakes import in_virtual_time, monotonic

Check = Callable[[], Awaitable[None]]


async def ok() -> None:
    await asyncio.sleep(0.25)


async def refused() -> None:
    raise Problem("partner_center_forbidden", "Not for you.", fault=Fault(403, "600001"))


async def hanging() -> None:
    await asyncio.sleep(3600)


async def broken() -> None:
    raise ZeroDivisionError("a-secret")


def link(name: LinkName, check: Check, *needs: LinkName) -> Link:
    return Link(name, check, 5, "vault_unavailable", needs)


def readiness(*links: Link) -> Readiness:
    return Readiness(lambda _: links, monotonic=monotonic)


@in_virtual_time
async def test_a_link_is_tried_only_where_all_that_it_needs_is_there() -> None:
    found = await readiness(
        link("settings", ok),
        link("vault", refused, "settings"),
        link("clientSecret", ok, "settings", "vault"),
        link("token", ok, "clientSecret"),
        link("store", ok, "settings"),
    )("id")

    assert found == [
        LinkFinding("settings", "ok", 250),
        LinkFinding(
            *("vault", "failed", 0, "partner_center_forbidden", "Not for you."),
            Fault(403, "600001"),
        ),
        LinkFinding("clientSecret", "not_reached"),
        LinkFinding("token", "not_reached"),
        LinkFinding("store", "ok", 250),
    ]


@in_virtual_time
async def test_a_link_that_hangs_ends_and_the_next_one_has_its_own_time() -> None:
    vault, store = await readiness(link("vault", hanging), link("store", ok))("id")

    assert (vault.status, vault.milliseconds, vault.code) == ("failed", 5000, "vault_unavailable")
    assert "5 seconds" in str(vault.detail)
    assert (store.status, store.milliseconds) == ("ok", 250)


@in_virtual_time
async def test_a_defect_is_told_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    [found] = await readiness(link("vault", broken))("id")

    assert (found.status, found.code) == ("failed", "internal_error")
    assert "a-secret" not in f"{found} {caplog.text}"
    assert "ZeroDivisionError" in caplog.text


@in_virtual_time
async def test_one_run_goes_on_at_a_time_and_all_get_its_findings() -> None:
    runs: list[str] = []

    def links(correlation_id: str) -> list[Link]:
        runs.append(correlation_id)
        return [link("settings", ok)]

    ready = Readiness(links, monotonic=monotonic)
    gone = asyncio.create_task(ready("first"))
    await asyncio.sleep(0.1)
    gone.cancel()
    found = await asyncio.gather(ready("second"), ready("third"))
    assert runs == ["first"]
    assert found[0] == found[1] == [LinkFinding("settings", "ok", 250)]

    await ready("fourth")
    assert runs == ["first", "fourth"]
