"""What is answered before the work is done, to the first request and to each repetition."""

import asyncio
from typing import Any

import pytest

from cart_core.api.invocation import answer
from cart_core.api.messages import Request, Response
from cart_core.idempotency.record import Record
from cart_core.json_text import write_json
from tests.kit.builders import CUSTOMER, cart, line
from tests.kit.fakes import in_virtual_time
from tests.kit.partner_center import BROKEN, FORBIDDEN, USER, refused
from tests.kit.world import FOR_USER, KEYED, World
from tests.unit.operations.house import (
    ASYNC,
    ORIGIN,
    House,
    address,
    monitor,
    order,
    poll,
    result,
)

OTHER = cart(line(quantity=2))


@in_virtual_time
async def test_an_order_is_accepted_with_three_writes_and_two_addresses() -> None:
    house = House()
    accepted = await order(house)

    assert accepted.status == 202
    assert house.documents.calls == ["create operations"]
    assert (house.store.calls, house.bells.hung) == (["create"], 1)
    [operation] = house.open
    assert len(operation.token) >= 22
    path, query = f"{ORIGIN}/api/accepted/{operation.id}", f"?t={operation.token}"
    assert accepted.headers == {
        "Location": f"{path}/result{query}",
        "Operation-Location": f"{path}{query}",
        "Retry-After": "10",
        "Preference-Applied": "respond-async",
        "Cache-Control": "no-store",
        "MS-CorrelationId": CUSTOMER,
    }
    assert accepted.body["status"] == "NotStarted"
    assert house.center.asked == []
    for found in (await monitor(house, accepted), await result(house, accepted)):
        assert found.body == accepted.body
        assert found.headers["Retry-After"] == "10"
    again = await result(house, accepted)
    assert {n: again.headers[n] for n in ("Location", "Operation-Location")} == {
        n: accepted.headers[n] for n in ("Location", "Operation-Location")
    }


@pytest.mark.parametrize("preflight", [True, False])
@in_virtual_time
async def test_an_order_that_is_done_later_is_looked_at_before_its_cart_is_made(
    preflight: bool,
) -> None:
    house = House()
    of_customer = f"/customers/{CUSTOMER}"
    house.center.documents[of_customer] = refused(403, "20002")  # No customer of the partner.
    asked: dict[str, Any] = {"query": {"preflight": "true"}} if preflight else {}
    first = await order(house, **asked)
    await house.pass_time(60)
    first = await result(house, first)
    assert first.status == (422 if preflight else 201)
    assert len(house.center.requests_for("create")) == (0 if preflight else 1)
    if preflight:
        assert first.body["code"] == "preflight_failed"
        house.center.documents[of_customer] = {"id": CUSTOMER}
    second = await order(house, **asked)
    if preflight:
        await house.pass_time(60)
        second = await result(house, second)
    assert (second.status, second.body["status"]) == (201, "completed")
    # What was ordered stands against nothing: it is answered before anything is looked at.
    house.center.documents[of_customer] = refused(403, "20002")
    for query in ({"preflight": "true"}, {}):
        replayed = await order(house, query=query)
        assert (replayed.body, replayed.headers["Idempotent-Replayed"]) == (second.body, "true")


@in_virtual_time
async def test_the_addresses_are_those_that_the_operator_names() -> None:
    accepted = await order(House(CART_PUBLIC_URL="https://carts.example/"))
    assert accepted.headers["Location"].startswith("https://carts.example/api/accepted/")


@pytest.mark.parametrize(
    ("query", "prefer", "status"),
    [
        ({"async": "true"}, "", 202),
        ({"async": "True"}, "", 202),
        ({"async": "false"}, "", 201),
        ({"async": "false"}, "respond-async", 202),
        ({}, "wait=5, Respond-Async", 202),
        ({}, "return=minimal", 201),
        ({"async": "yes"}, "", 400),
        ({"async": "true,true"}, "respond-async", 400),
    ],
)
@in_virtual_time
async def test_who_does_not_want_to_wait_says_so(
    query: dict[str, str], prefer: str, status: int
) -> None:
    house = House()
    headers = KEYED | ({"prefer": prefer} if prefer else {})
    answered = await _send(house, headers=headers, query=query)
    assert answered.status == status
    assert answered.headers.get("Preference-Applied") == (
        "respond-async" if status == 202 else None
    )


@pytest.mark.parametrize(
    ("endpoint", "headers", "body", "settings", "code"),
    [
        ("place_order", {"prefer": "respond-async"}, None, {}, "idempotency_key_required"),
        ("create_cart", {"prefer": "respond-async"}, None, {}, "idempotency_key_required"),
        ("place_order", ASYNC, b"{", {}, "invalid_json"),
        ("place_order", ASYNC, b"{}", {}, "invalid_request"),
        ("place_order", ASYNC, b"x" * 300_000, {}, "body_too_large"),
        ("place_order", ASYNC, None, {"CART_ALLOW_CHECKOUT": "false"}, "checkout_disabled"),
        ("place_order", ASYNC | {"content-type": "text/plain"}, None, {}, "unsupported_media_type"),
        ("place_order", ASYNC | {"idempotency-key": "a,b"}, None, {}, "invalid_idempotency_key"),
    ],
)
@in_virtual_time
async def test_what_can_be_checked_is_answered_at_once(
    endpoint: str, headers: dict[str, str], body: bytes | None, settings: Any, code: str
) -> None:
    house = House(**settings)
    request = Request(headers, {"customerId": CUSTOMER}, _json(cart()) if body is None else body)
    answered = await _answered(house, endpoint, request)
    assert answered.body["code"] == code
    assert (house.documents.calls, house.bells.hung, house.store.calls) == ([], 0, [])


@in_virtual_time
async def test_a_repetition_gets_the_same_addresses_and_rings_again() -> None:
    house = House()
    first = await order(house)
    house.bells.messages.clear()  # The bell is lost.
    again = await order(house)

    assert (again.status, again.headers) == (202, first.headers)
    house.timer = False
    await house.pass_time(60)
    assert (await result(house, first)).status == 201
    assert len(house.center.bought) == 1


@pytest.mark.parametrize("works", [False, True], ids=["waiting", "done"])
@pytest.mark.parametrize("prefer", ["", "respond-async"])
@in_virtual_time
async def test_other_content_under_the_key_is_refused(works: bool, prefer: str) -> None:
    house = House()
    await order(house)
    if works:
        await house.pass_time(60)
    answered = await _send(house, OTHER, KEYED | {"prefer": prefer})

    assert (answered.status, answered.body["code"]) == (422, "idempotency_key_reused")
    await house.pass_time(300)
    assert len(house.center.bought) == 1
    assert house.open == []


@in_virtual_time
async def test_a_repetition_of_what_is_done_gets_the_stored_answer() -> None:
    house = House()
    accepted = await order(house)
    await house.pass_time(60)
    done, again = await result(house, accepted), await order(house)

    assert (again.status, again.body) == (201, done.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in done.headers
    await house.pass_time(300)
    assert (house.open, house.bells.messages) == ([], [])
    assert len(house.center.bought) == 1


@in_virtual_time
async def test_a_key_that_a_refusal_freed_makes_a_new_operation() -> None:
    house = House()
    house.center.script["create"] = [FORBIDDEN]
    refused = await order(house)
    await house.pass_time(60)
    second = await _send(house, OTHER, ASYNC)

    assert second.status == 202
    assert second.headers["Location"] != refused.headers["Location"]
    await house.pass_time(60)
    assert (await result(house, refused)).body["code"] == "partner_center_forbidden"
    assert (await result(house, second)).status == 201


@in_virtual_time
async def test_a_synchronous_request_meets_a_waiting_one_as_its_twin() -> None:
    house = House()
    accepted = await order(house)
    twin = await _send(house, headers=KEYED)
    assert (twin.status, twin.body["code"]) == (503, "operation_in_progress")

    waiting = asyncio.create_task(_send(house, headers=KEYED))
    await house.pass_time(20)
    answered = await waiting
    assert (answered.status, answered.headers["Idempotent-Replayed"]) == (201, "true")
    assert answered.body == (await result(house, accepted)).body
    assert len(house.center.bought) == 1


@in_virtual_time
async def test_an_asynchronous_request_is_accepted_while_a_synchronous_one_runs() -> None:
    house = House()
    house.center.seconds = 5.0
    running = asyncio.create_task(_send(house, headers=KEYED))
    await asyncio.sleep(1)
    accepted = await order(house)

    assert accepted.status == 202
    assert (await running).status == 201
    await house.pass_time(300)
    found = await result(house, accepted)
    assert (found.status, found.body) == (201, (await running).body)
    assert len(house.center.bought) == 1


@in_virtual_time
async def test_other_content_that_is_about_to_be_refused_gets_in_nobodys_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    accepted = await order(house)
    create = house.store.create

    async def slowly(name: str, record: Record) -> str | None:
        await asyncio.sleep(1)
        return await create(name, record)

    monkeypatch.setattr(house.store, "create", slowly)
    for before, status in ((202, 202), (201, 201)):
        # While the first one waits, its operation is found; when it is done, only its key is.
        other = asyncio.create_task(_send(house, OTHER, ASYNC))
        await asyncio.sleep(0.5)
        assert (await order(house)).status == before
        assert (await other).body["code"] == "idempotency_key_reused"
        assert (await result(house, accepted)).status == status
        await house.pass_time(60)
    assert len(house.center.bought) == 1


@in_virtual_time
async def test_an_operation_whose_addresses_a_repetition_has_is_not_withdrawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    done = await _send(house, headers=KEYED)
    create = house.store.create

    async def slowly(name: str, record: Record) -> str | None:
        await asyncio.sleep(1)
        return await create(name, record)

    monkeypatch.setattr(house.store, "create", slowly)
    first = asyncio.create_task(order(house))
    await asyncio.sleep(0.5)
    second = await order(house)
    assert second.status == 202
    assert (await first).status == 503
    await house.pass_time(60)
    found = await result(house, second)
    assert (found.status, found.body) == (201, done.body)
    assert len(house.center.bought) == 1
    assert house.open == []


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        *[("jane", "jane", 202), ("jane", "john", 503), ("jane", None, 202), (None, "john", 202)],
        *[("key:0a", "key:0b", 202), ("key:0a", "jane", 202), ("jane", "key:0a", 202)],
    ],
)
@in_virtual_time
async def test_addresses_are_given_to_the_caller_who_made_the_operation(
    first: str | None, second: str | None, status: int
) -> None:
    house = House()
    for caller, expected in ((first, 202), (second, status)):
        answered = await order(house, caller=caller)
        assert answered.status == expected
        assert (expected == 202) == ("Location" in answered.headers)


@in_virtual_time
async def test_a_checkout_is_bound_to_its_cart_whoever_asks() -> None:
    house = House()
    house.center.add()
    cart_id = next(iter(house.center.carts))
    path = {"customerId": CUSTOMER, "cartId": cart_id}
    asked = [
        await _answered(house, "checkout_cart", Request(headers | ASYNC, path, b"", {}, ORIGIN))
        for headers in ({}, {"idempotency-key": "other"}, FOR_USER)
    ]

    assert [each.status for each in asked] == [202, 202, 422]
    assert asked[0].headers["Location"] == asked[1].headers["Location"]
    changed = await house.answer("update_cart", OTHER, cart_id=cart_id)
    assert changed.body["code"] == "operation_in_progress"
    await house.pass_time(60)
    assert (await result(house, asked[0])).status == 201
    assert house.center.bought == [cart_id]


@in_virtual_time
async def test_a_wrong_token_and_an_unknown_id_are_alike() -> None:
    house = House()
    accepted = await order(house)
    operation_id, query = address(accepted)
    wrong = [
        (operation_id, {}),
        (operation_id, {"t": ""}),
        (operation_id, {"t": query["t"][:-1]}),
        (operation_id, {"t": "é"}),
        (operation_id[:-1] + "x", query),
        (operation_id.replace("purchases", "carts"), query),
        ("../" + operation_id, query),
        ("", query),
    ]
    for endpoint in ("get_accepted", "get_accepted_result"):
        answers = [await poll(house, endpoint, *each) for each in wrong]
        assert {each.status for each in answers} == {404}
        assert all(each.body == answers[0].body for each in answers)


@in_virtual_time
async def test_a_store_that_cannot_be_read_is_no_missing_operation() -> None:
    house = House()
    accepted = await order(house)
    house.documents.down = True
    for endpoint in (monitor, result):
        found = await endpoint(house, accepted)
        assert (found.status, found.body["code"]) == (503, "store_unavailable")
        assert int(found.headers["Retry-After"]) > 0


@in_virtual_time
async def test_what_a_request_prefers_holds_for_its_result() -> None:
    house = House()
    accepted = await order(house, prefer="respond-async, omit-values=nulls")
    assert accepted.headers["Preference-Applied"] == "respond-async, omit-values=nulls"
    assert "nextAttemptDateTime" not in accepted.body
    await house.pass_time(60)
    found = await result(house, accepted)
    assert found.headers["Preference-Applied"] == "omit-values=nulls"
    assert None not in found.body["orders"][0].values()


@in_virtual_time
async def test_the_request_is_kept_only_until_the_operation_has_ended() -> None:
    house = House()
    house.center.script["create"] = [BROKEN]
    await order(house, x_ms_customeruser_upn=USER)

    def stored() -> str:
        return "".join(kept.document.content.decode() for kept in house.documents._kept.values())

    assert USER in stored()
    await house.pass_time(600)
    [operation] = house.ended
    assert operation.state == "succeeded"
    assert USER not in stored()
    assert "catalogItemId" not in stored()


async def _send(
    world: World,
    document: Any = None,
    headers: dict[str, str] = KEYED,
    query: dict[str, str] | None = None,
) -> Response:
    body = _json(cart() if document is None else document)
    request = Request(headers, {"customerId": CUSTOMER}, body, query or {}, ORIGIN)
    return await _answered(world, "place_order", request)


async def _answered(world: World, endpoint: str, request: Request) -> Response:
    return await answer(endpoint, world.endpoints[endpoint], request, CUSTOMER)


def _json(document: Any) -> bytes:
    return write_json(document).encode()
