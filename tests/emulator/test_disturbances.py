"""Disturbances, as clients see them."""

import asyncio
import gzip
import zlib
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.watch import connections, disturbances
from partner_center_emulator.watch.alterations import Encoding, change_members
from partner_center_emulator.watch.disturbances import Disturbance
from pydantic import TypeAdapter

from tests.emulator.caller import (
    CART,
    CARTS,
    CUSTOMER,
    VAULT,
    Caller,
    document,
    line,
    until,
)
from tests.emulator.readme import rows

CHECKOUT = "/checkout$"
BOM = b"\xef\xbb\xbf"


async def create(caller: Caller) -> httpx.Response:
    return await caller.send("POST", CARTS, json=CART)


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("drop", httpx.RemoteProtocolError),
        ("reset", httpx.ReadError),
        ("garble", httpx.RemoteProtocolError),
    ],
)
async def test_an_answer_is_lost_before_or_after_the_request_takes_effect(
    cloud: LocalCloud, caller: Caller, action: Any, error: type[Exception], commit: bool
) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", action=action, commit=commit))
    with pytest.raises(error):
        await create(caller)
    assert len(cloud.partner_center.carts) == int(commit)
    (arrival,) = cloud.journal.requests("partner_center")
    assert arrival.status is None
    assert (await create(caller)).status_code == 201


async def test_an_answer_is_cut_in_half(cloud: LocalCloud, caller: Caller) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", action="truncate"))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await create(caller)
    assert len(cloud.partner_center.carts) == 1


async def test_a_silent_service_neither_answers_nor_acts(cloud: LocalCloud, caller: Caller) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", action="silence"))
    call = asyncio.create_task(create(caller))
    await until(lambda: cloud.journal.requests("partner_center"))
    assert (await create(caller)).status_code == 201  # A later one is answered meanwhile.
    assert not call.done()
    assert len(cloud.partner_center.carts) == 1
    call.cancel()


async def test_a_connection_is_closed_after_its_answer(cloud: LocalCloud, caller: Caller) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", action="close_idle"))
    answer = await create(caller)
    assert answer.status_code == 201
    assert await answer.extensions["network_stream"].read(1, timeout=60) == b""


async def test_a_disturbance_answers_as_many_requests_as_it_says(caller: Caller) -> None:
    caller.cloud.disturbances.inject(
        Disturbance("partner_center", times=2, status=429, headers={"Retry-After": "7"}),
        Disturbance("partner_center", status=201, body=[], commit=True),
        Disturbance("partner_center", status=502, body="<html>", content_type="text/html"),
    )
    gateways = b'{"statusCode": 429, "message": "Too Many Requests"}'
    answers = [await create(caller) for _ in range(5)]
    contents = [(answer.status_code, answer.content) for answer in answers[:4]]
    assert contents == [(429, gateways), (429, gateways), (201, b"[]"), (502, b"<html>")]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[3].headers["Content-Type"] == "text/html"
    assert len(caller.cloud.partner_center.carts) == 2
    statuses = [arrival.status for arrival in caller.cloud.journal.requests("partner_center")]
    assert statuses == [429, 429, 201, 502, 201]


class Waits:
    """The waits of disturbances: they last until `over` is set, however long they are."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.over = asyncio.Event()
        self.begun: list[tuple[float, int]] = []
        """How long each would last, and how many carts and orders there were when it began."""
        self._partner_center = cloud.partner_center

    async def sleep(self, seconds: float) -> None:
        if seconds:
            effects = len(self._partner_center.carts) + len(self._partner_center.orders)
            self.begun.append((seconds, effects))
            await self.over.wait()


@pytest.fixture
def waits(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Waits:
    waits = Waits(cloud)
    for module in (disturbances, connections):
        names = {name: getattr(asyncio, name) for name in ("wait", "get_running_loop")}
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=waits.sleep, **names))
    return waits


async def test_all_delays_add_up_before_and_after_the_effect_even_if_the_caller_is_gone(
    cloud: LocalCloud, caller: Caller, waits: Waits
) -> None:
    cloud.disturbances.inject(
        Disturbance("partner_center", delay=1),
        Disturbance("partner_center", delay=2, delay_after=4),
        Disturbance("partner_center", delay_after=8),
    )
    call = asyncio.create_task(create(caller))
    await until(lambda: waits.begun)
    call.cancel()
    await asyncio.wait([call])
    waits.over.set()
    await until(lambda: len(waits.begun) == 2)
    assert waits.begun == [(3, 0), (12, 1)]


@pytest.mark.parametrize(
    ("lost", "status"), [({"action": "drop"}, None), ({"status": 504}, 504), ({"status": 201}, 201)]
)
async def test_a_late_commit_and_what_is_refused_meanwhile(
    cloud: LocalCloud, caller: Caller, waits: Waits, lost: dict[str, Any], status: int | None
) -> None:
    cart, other = await caller.create(line()), await caller.create(line())
    refused: dict[str, Any] = {"status": 400, "body": {"code": "800023"}, "times": None}
    cloud.disturbances.inject(
        Disturbance("partner_center", path=CHECKOUT, while_late=True, **refused),
        Disturbance("partner_center", path=CHECKOUT, commit=True, late=12, **lost),
    )
    if status:
        assert (await caller.check_out(cart["id"])).status_code == status
    else:
        with pytest.raises(httpx.RemoteProtocolError):
            await caller.check_out(cart["id"])
    assert (await caller.check_out(cart["id"])).json() == {"code": "800023"}
    assert (await caller.check_out(other["id"])).status_code == 201
    assert (await caller.get(cart["id"]))["status"] == "Active"

    waits.over.set()
    await cloud.disturbances.settle()
    assert (await caller.get(cart["id"]))["status"] == "Ordered"
    assert waits.begun == [(12, 2)]
    assert len(cloud.partner_center.orders) == 2
    assert (await caller.check_out(cart["id"])).status_code == 201


async def test_nothing_is_late_after_a_reset(
    cloud: LocalCloud, caller: Caller, waits: Waits
) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", status=500, commit=True, late=1))
    assert (await create(caller)).status_code == 500
    await until(lambda: waits.begun)
    cloud.reset()
    waits.over.set()
    await cloud.disturbances.settle()
    assert cloud.partner_center.carts == {}


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"/a/*/n": 1000}, {"a": [{"n": 1000}, {"n": 1000}], "b": "x"}),
        ({"/a/1/n": 3, "/b": "y"}, {"a": [{"n": 1}, {"n": 3}], "b": "y"}),
        ({"/a": [], "/new": 1}, {"a": [], "b": "x", "new": 1}),
        ({"/a/0": None, "/b": None}, {"a": [{"n": 2}]}),
        ({"/a/-": {"n": 3}, "/a/0": 4}, {"a": [4, {"n": 2}, {"n": 3}], "b": "x"}),
        ({"/a/7/n": 1, "/b/c": 1, "/c/d": 1, "/a/7": 1}, {"a": [{"n": 1}, {"n": 2}], "b": "x"}),
    ],
)
def test_members_are_changed_where_they_are(changes: Any, changed: Any) -> None:
    body = b'{"a": [{"n": 1}, {"n": 2}], "b": "x"}'
    for mark in (b"", BOM):
        altered = change_members(mark + body, changes)
        assert altered.startswith(mark + b"{")
        assert TypeAdapter(Any).validate_json(altered.removeprefix(BOM)) == changed
    assert change_members(b"no JSON", changes) == b"no JSON"


async def test_a_request_or_an_answer_says_something_else(
    cloud: LocalCloud, caller: Caller
) -> None:
    cloud.disturbances.inject(
        Disturbance("partner_center", request={"/lineItems/*/quantity": 1000}),
        Disturbance("partner_center", answer={"/lineItems": [], "/status": "Ordered"}),
    )
    cart = document(await create(caller))
    told = await caller.get(cart["id"])
    true = await caller.get(cart["id"])
    assert true == cart
    assert [each["quantity"] for each in true["lineItems"]] == [1000]
    assert told == cart | {"lineItems": [], "status": "Ordered"}


async def test_an_answer_has_the_body_of_another_on_the_same_route(
    cloud: LocalCloud, caller: Caller
) -> None:
    mine, other = await caller.create(line()), await caller.create(line(quantity=2))
    cloud.disturbances.inject(
        Disturbance("partner_center", method="GET", times=3, another=True),
        Disturbance("partner_center", path="/carts$", another=True),
    )
    assert await caller.get(mine["id"]) == mine  # there was no other yet
    assert await caller.get(other["id"]) == mine
    assert await caller.get(mine["id"]) == other
    url = CARTS.replace(CUSTOMER, CUSTOMER[:-1] + "e")
    answer = await caller.send("POST", url, json=CART)
    assert (answer.status_code, document(answer)) == (201, other)
    assert len(cloud.partner_center.carts) == 3


@pytest.mark.parametrize(
    ("encoding", "read"),
    [
        ("gzip", gzip.decompress),
        ("gzip_members", gzip.decompress),
        ("deflate", zlib.decompress),
        ("utf_16", lambda body: BOM + body.decode("utf-16").encode()),
        ("two_boms", lambda body: body.removeprefix(BOM)),
    ],
)
async def test_a_body_in_an_encoding_that_no_header_names(
    cloud: LocalCloud, caller: Caller, encoding: Encoding, read: Any
) -> None:
    cart = await caller.create(line())
    cloud.disturbances.inject(Disturbance("partner_center", encoding=encoding))
    answer = await caller.send("GET", f"{CARTS}/{cart['id']}")
    assert "Content-Encoding" not in answer.headers
    assert not answer.content.startswith(BOM + b"{")
    assert TypeAdapter(Any).validate_json(read(answer.content).removeprefix(BOM)) == cart


async def test_a_true_or_a_replacing_answer_has_further_headers(
    cloud: LocalCloud, caller: Caller
) -> None:
    many: Any = {f"X-{number}": "x" for number in range(200)} | {"X-Long": "x" * 20_000}
    cloud.disturbances.inject(
        Disturbance("partner_center", headers=many | {"MS-CV": "other"}),
        Disturbance("partner_center", status=429, headers={"Retry-After": ["81", "120"]}),
        Disturbance("partner_center", status=400, headers={"Content-Encoding": "gzip"}),
    )
    created = await create(caller)
    assert (created.status_code, len(created.headers["X-Long"])) == (201, 20_000)
    assert (created.headers["X-199"], created.headers["MS-CV"]) == ("x", "other")
    assert (await create(caller)).headers.get_list("Retry-After") == ["81", "120"]
    with pytest.raises(httpx.DecodingError):
        await create(caller)


async def test_an_answer_drips_byte_by_byte(
    cloud: LocalCloud, caller: Caller, waits: Waits
) -> None:
    waits.over.set()
    cloud.disturbances.inject(Disturbance("partner_center", drip=4))
    answer = await create(caller)
    assert (answer.status_code, document(answer)["status"]) == (201, "Active")
    assert waits.begun == [(4, 1)] * len(answer.content)


async def test_a_connection_dies_when_the_next_headers_arrive(
    cloud: LocalCloud, caller: Caller
) -> None:
    cloud.disturbances.inject(Disturbance("partner_center", action="die_at_next"))
    assert (await create(caller)).status_code == 201
    with pytest.raises(httpx.RemoteProtocolError):
        await create(caller)
    assert len(cloud.partner_center.carts) == 1
    assert [each.status for each in cloud.journal.requests("partner_center")] == [201, None]
    assert (await create(caller)).status_code == 201


async def test_an_error_under_200_has_no_effect(cloud: LocalCloud, caller: Caller) -> None:
    error = {"code": 400072, "description": "Item not available.", "data": []}
    cloud.disturbances.inject(Disturbance("partner_center", status=200, body=error))
    answer = await create(caller)
    assert (answer.status_code, answer.json()) == (200, error)
    assert cloud.partner_center.carts == {}


def test_every_disturbance_in_the_readme_is_one() -> None:
    examples = [row[1].strip("`") for row in rows("What goes wrong in the field", "| ")]
    assert len(examples) == 15
    for example in examples:
        TypeAdapter(Disturbance).validate_json(example)


async def test_a_disturbance_is_for_one_service_and_method_and_path(caller: Caller) -> None:
    caller.cloud.disturbances.inject(
        Disturbance("entra", path="/keys$", status=500),
        Disturbance("entra", path="/token$", status=503),
        Disturbance("key_vault", method="GET", status=500),
        Disturbance("identity", status=429),
    )
    assert (await caller.ask_entra()).status_code == 503
    assert (await caller.client.put(f"{VAULT}/secrets/x")).status_code == 401
    assert (await caller.client.get(f"{VAULT}/secrets/x")).status_code == 500
    assert (await caller.identity_token()).status_code == 429
    assert caller.cloud.journal.counts == {"entra": 1, "key_vault": 2, "identity": 1}
    assert [disturbance.path for disturbance in caller.cloud.disturbances.active] == ["/keys$"]


def test_a_seed_repeats_what_chance_decides() -> None:
    def drawn(seed: int) -> list[int]:
        active = disturbances.Disturbances(seed)
        active.inject(Disturbance("identity", times=None, probability=0.5, status=500))
        request: Any = SimpleNamespace(method="GET", path="/msi/token")
        return [len(active.draw("identity", request)) for _ in range(50)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert 5 < sum(drawn(7)) < 45
