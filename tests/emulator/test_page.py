"""The page of a cloud: who may use it, what it shows and hides, and what its actions do."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.page.masking import masked_body, masked_headers, masked_query
from partner_center_emulator.page.panels import Action, Done, Field, PageError
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.disturbances import Disturbance
from partner_center_emulator.watch.journal import Arrival

from tests.emulator.caller import CARTS, Caller, document, licence, line, refusal

SECRET = "a-secret-that-nobody-may-see"
TOKEN = f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.{SECRET}"


@pytest.fixture
async def page(cloud: LocalCloud) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=cloud.page_url, trust_env=False, timeout=60) as client:
        yield client


async def rows(cloud: LocalCloud, panel: str) -> list[list[str]]:
    """The cells of a panel's rows."""
    (found,) = (each for each in cloud.page.panels if each.id == panel)
    return [list(row.cells) for row in await found.rows()]


async def texts(page: httpx.AsyncClient, panel: str, row: str) -> dict[str, str]:
    """The sections of a row's detail."""
    answer = await page.get(f"page/panels/{panel}/{row}")
    return {section["title"]: section["text"] for section in answer.json()}


# --- Who may use it ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "page/structure", "page/events", "emulator/requests"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "attacker.example:{port}"},
        {"Host": "127.0.0.1.attacker.example"},
        {"Host": ""},
        {"Origin": "http://attacker.example"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
    ],
)
async def test_another_host_name_and_another_origin_are_refused(
    page: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    port = page.base_url.port
    given = {name: value.format(port=port) for name, value in headers.items()}

    answer = await page.get(path, headers=given)

    assert answer.status_code == 403
    assert answer.json()["error"]


async def test_another_origin_cannot_carry_out_an_action(
    cloud: LocalCloud, page: httpx.AsyncClient
) -> None:
    for path in ("page/actions/rotate-secret", "emulator/rotate-secret"):
        secret = cloud.client_secret

        answer = await page.post(path, json={}, headers={"Origin": "http://attacker.example"})

        assert (answer.status_code, cloud.client_secret) == (403, secret)


async def test_this_machine_is_served_under_both_of_its_names(page: httpx.AsyncClient) -> None:
    port = page.base_url.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        answer = await page.get("", headers=headers)
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["page/nowhere.js", "page/..%2Fsite.py", "page/index.html"])
async def test_only_the_files_of_the_page_are_served(page: httpx.AsyncClient, path: str) -> None:
    assert (await page.get(path)).status_code == 404


async def test_the_page_refers_to_nothing_outside(page: httpx.AsyncClient) -> None:
    for path in ("", "page/page.css", "page/page.js"):
        assert "://" not in (await page.get(path)).text


# --- What it shows ----------------------------------------------------------------------------


async def test_the_calls_are_shown_newest_first_with_what_was_sent_and_answered(
    caller: Caller, page: httpx.AsyncClient
) -> None:
    caller.cloud.disturbances.inject(Disturbance("partner_center", method="GET", action="drop"))
    cart = await caller.create(licence(friendlyName="Ours"))
    with pytest.raises(httpx.TransportError):
        await caller.get(cart["id"])

    second, first = await rows(caller.cloud, "calls")

    assert (first[1], first[4]) == ("POST", "201")
    assert float(first[5]) >= 0
    assert (second[1], second[4]) == ("GET", "no answer")
    (call, _) = caller.cloud.journal.requests("partner_center")
    shown = await texts(page, "calls", str(call.number))
    assert shown["Request"] == f"POST {CARTS}"
    assert "authorization: Bearer eyJ" in shown["Request headers"]
    assert call.headers["authorization"] not in shown["Request headers"]
    assert json.loads(shown["Request body"])["lineItems"][0]["friendlyName"] == "Ours"
    assert json.loads(shown["Answer body"])["id"] == cart["id"]
    assert "ms-requestid: " in shown["Answer headers"]


@pytest.mark.parametrize(
    ("method", "status", "answer", "shown"),
    [
        ("GET", 200, b"<QueueMessagesList />", False),
        ("GET", None, b"", False),
        (
            "GET",
            200,
            b"<QueueMessagesList><QueueMessage>1</QueueMessage></QueueMessagesList>",
            True,
        ),
        ("GET", 404, b"", True),
        ("POST", 201, b"", True),
    ],
    ids=["nothing", "not yet", "a message", "no queue", "put"],
)
async def test_who_looks_into_an_empty_queue_is_not_shown(
    cloud: LocalCloud, method: str, status: int | None, answer: bytes, shown: bool
) -> None:
    arrival = Arrival("storage", method, "h", "/bells/messages", "", {}, b"", 0.0, status)
    arrival.milliseconds = None if status is None else 1.0
    arrival.answer_body = answer
    cloud.journal._arrivals.append(arrival)

    assert len(await rows(cloud, "other-calls")) == shown


async def test_no_secret_of_the_way_is_shown(caller: Caller, page: httpx.AsyncClient) -> None:
    await caller.create(line())
    shown = ""
    for panel in ("calls", "other-calls"):
        for arrival in caller.cloud.journal.requests():
            answer = await page.get(f"page/panels/{panel}/{arrival.number}")
            shown += answer.text

    (token,) = {a.headers["authorization"] for a in caller.cloud.journal.requests("partner_center")}
    assert "grant_type=client_credentials" in shown
    assert token.removeprefix("Bearer ") not in shown
    assert caller.cloud.client_secret not in shown


@pytest.mark.parametrize(
    "shown",
    [
        masked_headers({"authorization": f"Bearer {SECRET}", "x-functions-key": SECRET}),
        masked_headers({"X-IDENTITY-HEADER": SECRET, "cookie": SECRET, "other": TOKEN}),
        masked_query(f"a=b&code={SECRET}"),
        masked_query(f"CODE={SECRET}"),
        masked_body(json.dumps({"a": [{"access_token": SECRET}]}).encode()),
        masked_body(f"grant_type=x&client_secret={SECRET}&client_assertion={SECRET}".encode()),
        masked_body(f"\ufeff{json.dumps({'refresh_token': SECRET})}".encode()),
        masked_body(f"a text with {TOKEN} in it".encode()),
        masked_body(json.dumps({"message": f"wrong: {TOKEN}"}).encode()),
        masked_body(json.dumps({"value": SECRET}).encode(), hide=frozenset({"value"})),
    ],
)
def test_secrets_are_masked_wherever_they_stand(shown: str) -> None:
    assert SECRET not in shown
    assert " characters)" in shown


def test_what_is_no_secret_is_shown_as_it_is() -> None:
    assert masked_query("a=b&decode=c") == "a=b&decode=c"
    assert json.loads(masked_body(b'{"code": "800008", "value": "v"}')) == {
        "code": "800008",
        "value": "v",
    }
    assert masked_body(b"\xff") == "\ufffd"


async def test_carts_and_orders_are_shown_by_customer_with_their_state(caller: Caller) -> None:
    cloud = caller.cloud
    active = await caller.create(line())
    wrong = await caller.create(licence(catalogItemId=catalogue.SOLD_OUT))
    expired = await caller.create(line())
    bought = await caller.create(licence(quantity=2))
    cloud.partner_center.expire(expired["id"])
    cloud.partner_center.pending_seconds = 1000
    order = document(await caller.check_out(bought["id"]))["orders"][0]

    assert [row[:2] for row in await rows(cloud, "carts")] == [
        [bought["id"], "Ordered"],
        [expired["id"], "Expired"],
        [wrong["id"], "Active, with errors: 10003"],
        [active["id"], "Active"],
    ]
    assert await rows(cloud, "orders") == [
        [order["id"], "pending", "2 x Licence", "12.00 USD", bought["id"]]
    ]
    cloud.partner_center.orders[order["id"]].completed = 0
    assert (await rows(cloud, "orders"))[0][1] == "completed"


async def test_the_catalogue_says_what_each_item_does(cloud: LocalCloud) -> None:
    shown = {row[0]: row[-1] for row in await rows(cloud, "catalogue")}

    assert set(catalogue.ITEMS) <= set(shown)
    assert shown[catalogue.RESERVATION] == "It can be ordered."
    for item, code in (
        *((catalogue.SOLD_OUT, "10003"), (catalogue.LIMITED, "10002")),
        *((catalogue.BUSINESS_BASIC, "10015"), (catalogue.ATTESTED, "10012")),
        *((catalogue.ADD_ON, "400041"), (catalogue.LEGACY_OFFER, "500600")),
        *((catalogue.NO_CREDIT, "800023"), (catalogue.UNSTEADY, "800005")),
    ):
        assert code in shown[item], item
    assert "promotion" in shown[catalogue.ENTERPRISE_E3]


async def test_availabilities_are_rotated_one_by_one_or_all(
    caller: Caller, page: httpx.AsyncClient
) -> None:
    def ids(shown: list[list[str]]) -> set[str]:
        return {row[0] for row in shown}

    before = ids(await rows(caller.cloud, "catalogue"))
    sku = catalogue.BUSINESS_BASIC.rpartition(":")[0]
    assert (await page.post("page/actions/rotate-availability", json={"sku": sku})).is_success
    one = ids(await rows(caller.cloud, "catalogue"))
    assert before - one == {catalogue.BUSINESS_BASIC}
    assert refusal(await caller.send("POST", CARTS, json={"lineItems": [licence()]})) == (
        400,
        "400019",
    )
    await page.post("page/actions/rotate-availabilities", json={})
    assert one & ids(await rows(caller.cloud, "catalogue")) == {catalogue.LEGACY_OFFER}
    unknown = await page.post("page/actions/rotate-availability", json={"sku": "no:one"})
    assert unknown.status_code == 400


@pytest.mark.parametrize("panel", ["calls", "carts", "orders", "catalogue", "disturbances"])
async def test_a_row_that_is_gone_is_said_to_be_gone(page: httpx.AsyncClient, panel: str) -> None:
    answer = await page.get(f"page/panels/{panel}/99")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


async def test_events_tell_every_panel_once_and_then_what_changes(
    caller: Caller, page: httpx.AsyncClient
) -> None:
    told: list[str] = []
    async with page.stream("GET", "page/events") as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        async for text in stream.aiter_lines():
            if not text:
                continue
            event = json.loads(text.removeprefix("data: "))
            told.append(event["panel"])
            if len(told) == len(caller.cloud.page.panels):
                await caller.create(line())
            if event["panel"] == "other-calls" and event["rows"]:
                break  # what has not changed comes before it

    panels = [panel.id for panel in caller.cloud.page.panels]
    assert told[: len(panels)] == panels
    assert set(told[len(panels) :]) <= {"calls", "other-calls", "carts"}


async def test_a_cloud_ends_although_somebody_looks(cloud: LocalCloud) -> None:
    async with (
        LocalCloud() as other,
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
        client.stream("GET", f"{other.page_url}page/events") as stream,
    ):
        lines = stream.aiter_lines()
        await anext(lines)
        other.page.end()
        async for _ in lines:
            pass


# --- What its actions do ----------------------------------------------------------------------

CHECKOUT = {"which": "checkout", "times": 2}


@pytest.mark.parametrize(
    ("action", "values", "injected"),
    [
        ("latency", {"seconds": 1.5}, {"delay": 1.5}),
        ("throttle", {"pause": 7}, {"status": 429, "headers": {"Retry-After": "7"}}),
        ("fail-before", {"status": "502"}, {"status": 502}),
        ("fail-after", {"status": "500"}, {"status": 500, "commit": True}),
        ("drop-before", {}, {"action": "drop"}),
        ("drop-after", {}, {"action": "drop", "commit": True}),
    ],
)
async def test_an_action_injects_a_disturbance(
    cloud: LocalCloud,
    page: httpx.AsyncClient,
    action: str,
    values: dict[str, Any],
    injected: dict[str, Any],
) -> None:
    answer = await page.post(f"page/actions/{action}", json={**CHECKOUT, **values})

    assert answer.status_code == 200, answer.text
    where: dict[str, Any] = {"method": "POST", "path": "/checkout$", "times": 2}
    assert cloud.disturbances.active == [Disturbance("partner_center", **where, **injected)]
    (shown,) = await rows(cloud, "disturbances")
    assert shown[:2] == ["partner_center", "POST /checkout$"]
    assert shown[2]


async def test_any_disturbance_can_be_injected_as_json(
    cloud: LocalCloud, page: httpx.AsyncClient
) -> None:
    given = {"disturbance": '[{"service": "entra", "status": 503, "times": null}]'}
    await page.post("page/actions/disturb", json=given)
    wrong = await page.post("page/actions/disturb", json={"disturbance": '{"service": "moon"}'})

    assert cloud.disturbances.active == [Disturbance("entra", status=503, times=None)]
    assert wrong.status_code == 400
    assert "service" in wrong.json()["error"]
    await page.post("page/actions/clear", json={})
    assert cloud.disturbances.active == []


async def test_credentials_are_revoked_and_rotated(
    cloud: LocalCloud, page: httpx.AsyncClient
) -> None:
    secret, (token,) = cloud.client_secret, cloud.entra.refresh_tokens
    await page.post("page/actions/rotate-secret", json={"in_vault": False})
    assert cloud.client_secret != secret
    await page.post("page/actions/revoke-consent", json={})
    assert cloud.entra.refresh_tokens == {token: 50173}
    await page.post("page/actions/sign-in", json={})
    assert list(cloud.entra.refresh_tokens.values()) == [50173, None]


async def test_access_tokens_are_revoked(caller: Caller, page: httpx.AsyncClient) -> None:
    token = (await caller.bearer())["Authorization"].partition(" ")[2]
    await page.post("page/actions/revoke-tokens", json={})
    assert caller.cloud.tokens.claims(token) is None


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("expire-cart", "Expired"),
        ("change-cart", "Active"),
        ("check-out-cart", "Ordered"),
    ],
)
async def test_a_twin_acts_on_a_cart(
    caller: Caller, page: httpx.AsyncClient, action: str, state: str
) -> None:
    cart = await caller.create(line(quantity=2))
    answer = await page.post(f"page/actions/{action}", json={"cart": cart["id"]})

    assert answer.status_code == 200
    ((_, shown, lines, *_),) = await rows(caller.cloud, "carts")
    assert shown == state
    assert lines.startswith("3 x" if action == "change-cart" else "2 x")
    unknown = await page.post(f"page/actions/{action}", json={"cart": "unknown"})
    assert (unknown.status_code, list(unknown.json())) == (400, ["error"])


async def test_everything_is_forgotten_and_orders_stay_pending(
    caller: Caller, page: httpx.AsyncClient
) -> None:
    await caller.create(line())
    await page.post("page/actions/pending", json={"seconds": 3})
    await page.post("page/actions/reset", json={})
    assert await rows(caller.cloud, "carts") == []
    assert caller.cloud.partner_center.pending_seconds == 3


@pytest.mark.parametrize(
    ("action", "values", "status"),
    [
        ("latency", {"seconds": -1}, 400),
        ("latency", {"seconds": "1"}, 400),
        ("latency", {"seconds": True}, 400),
        ("latency", {"seconds": 1e9}, 400),
        ("latency", {"which": "moon"}, 400),
        ("rotate-secret", {"in_vault": 1}, 400),
        ("latency", [], 400),
        ("nothing", {}, 404),
    ],
)
async def test_values_that_do_not_fit_change_nothing(
    cloud: LocalCloud, page: httpx.AsyncClient, action: str, values: Any, status: int
) -> None:
    secret = cloud.client_secret
    answer = await page.post(f"page/actions/{action}", json=values)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert (cloud.disturbances.active, cloud.client_secret) == ([], secret)


async def test_who_runs_the_cloud_adds_panels_actions_and_links(
    cloud: LocalCloud, page: httpx.AsyncClient
) -> None:
    async def greet(values: Any) -> Done:
        if not values["name"]:
            raise PageError("Say a name.")
        return Done(f"Hello {values['name']}")

    cloud.page.title = "Ours"
    cloud.page.links["/docs/"] = "API documentation"
    cloud.page.actions.append(Action("greet", "Greet", "", greet, "Ours", (Field("name", "Name"),)))

    structure = (await page.get("page/structure")).json()
    assert (structure["title"], structure["links"]) == ("Ours", {"/docs/": "API documentation"})
    assert structure["actions"][-1]["id"] == "greet"
    answer = await page.post("page/actions/greet", json={"name": "you"})
    assert answer.json() == {"said": "Hello you", "sections": []}
    assert (await page.post("page/actions/greet", json={})).json() == {"error": "Say a name."}
