"""What this app adds to the page of the local cloud, and what the Functions host tells it."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud

from local import page
from local.api_docs import ApiDocs
from local.function_process import FunctionProcess
from local.local_app import local_app
from local.samples import CARTS, SAMPLES
from local.shops import Shops
from local.storefronts import SAMPLE


class Served:
    """A cloud with this app's page, and the function in it."""

    def __init__(self, cloud: LocalCloud, function: FunctionProcess) -> None:
        self.cloud = cloud
        self.function = function
        self.client = httpx.Client(base_url=cloud.page_url, trust_env=False, timeout=60)

    def act(self, action: str, **values: Any) -> Any:
        """What an action says."""
        return self.client.post(f"page/actions/{action}", json=values).json()

    def told(self, panel: str) -> list[dict[str, Any]]:
        """The rows of a panel, as the first event tells them."""
        with self.client.stream("GET", "page/events") as stream:
            for line in stream.iter_lines():
                event = json.loads(line.removeprefix("data: ")) if line else {}
                if event.get("panel") == panel:
                    rows: list[dict[str, Any]] = event["rows"]
                    return rows
        raise AssertionError("the stream ended")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with local_app(None, SAMPLE) as (cloud, function):
        seen = Served(cloud, function)
        yield seen
        seen.client.close()


def test_the_root_of_the_function_leads_to_the_page(served: Served) -> None:
    answer = httpx.get(served.function.url, trust_env=False, timeout=60)
    assert (answer.status_code, answer.headers["Location"]) == (302, served.cloud.page_url)


def test_a_sample_is_sent_and_delivered_again(served: Served) -> None:
    assert served.act("send", sample="order", key="first")["said"] == "201 Created: completed"
    again = served.act("send-again")
    assert again["said"] == "201 Created, replayed: completed"
    assert [section["title"] for section in again["sections"]] == [
        *("Request", "Request body", "Answer body")
    ]
    assert served.function.key not in json.dumps(again)
    second, first = served.told("function-calls")[:2]
    assert first["cells"][3:5] == ["first", "201"]
    assert second["cells"][3:5] == ["first", "201 replayed"]


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ("cart", "201 Created: Active"),
        ("two-orders", "201 Created: partial"),
        # Python 3.13 has another phrase for this status than 3.11.
        ("not-orderable", f"422 {HTTPStatus(422).phrase}: cart_not_orderable"),
        ("invalid", "400 Bad Request: invalid_request"),
    ],
)
def test_every_sample_does_what_it_is_called(served: Served, sample: str, said: str) -> None:
    assert served.act("send", sample=sample, key=f"key-{sample}")["said"] == said
    assert SAMPLES[sample].label


def test_what_is_not_waited_for_is_accepted_and_delivered_again_in_the_same_way(
    served: Served,
) -> None:
    accepted = served.act("send", sample="cart", key="later", later=True)
    assert accepted["said"] == "202 Accepted: NotStarted"
    assert "Prefer: respond-async" in accepted["sections"][0]["text"]
    again = served.act("send-again")
    assert "Prefer: respond-async" in again["sections"][0]["text"]
    assert served.act("try-now", id="x")["said"] == "404 Not Found: operation_not_found"


@pytest.mark.parametrize("source", ["shop", "woo", "big", "pay", "erp"])
def test_a_webhook_is_sent_as_the_shop_itself_does(served: Served, source: str) -> None:
    sent = served.act("send-webhook", source=source, order=41)
    assert sent["said"] == "200 OK"
    assert "x-functions-key" not in sent["sections"][0]["text"]
    assert f"POST /api/webhooks/{source}" in sent["sections"][0]["text"]
    assert served.act("send-again")["said"] == "200 OK"
    wrong = served.act("send-webhook", source=source, wrong=True)
    assert wrong["said"] == "401 Unauthorized"


def test_a_shop_greets_once_so_that_its_first_order_is_not_from_before(served: Served) -> None:
    for number in (51, 52):
        served.act("send-webhook", source="woo", order=number)
    bodies = []
    for row in served.told("function-calls"):
        sections = served.client.get(f"page/panels/function-calls/{row['id']}").json()
        shown = {section["title"]: section["text"] for section in sections}
        if shown["Request"] == "POST /api/webhooks/woo":
            bodies.append(json.loads(shown["Request body"]))
    assert bodies.count({}) == 1
    assert [body["id"] for body in bodies[:2]] == [52, 51]


@pytest.mark.parametrize("button", ["release-order", "discard-order"])
def test_the_button_of_an_order_that_is_gone_says_so(served: Served, button: str) -> None:
    order = f"shop-{'0' * 64}"
    assert served.act(button, id=order)["said"] == "404 Not Found: order_not_found"


def test_an_order_without_a_key_is_answered_with_advice(served: Served) -> None:
    assert "idempotency_key_required" in served.act("send", sample="order", key="")["said"]


def test_a_key_that_no_header_can_have_is_said_to_be_wrong(served: Served) -> None:
    assert "did not answer" in served.act("send", sample="order", key="a\nb")["error"]


def test_a_call_is_shown_with_headers_and_bodies_but_no_key(served: Served) -> None:
    key = {"code": served.function.key}
    httpx.get(f"{served.function.url}/api/nowhere", params=key, trust_env=False, timeout=60)
    served.act("send", sample="cart", key="shown")
    row, with_key = served.told("function-calls")[:2]
    target = served.client.get(f"page/panels/function-calls/{with_key['id']}").text
    assert r"/api/nowhere?code=loc\u2026 (9 characters)" in target
    sections = served.client.get(f"page/panels/function-calls/{row['id']}").json()
    shown = {section["title"]: section["text"] for section in sections}

    assert shown["Request"] == f"POST {CARTS}"
    assert "idempotency-key: shown" in shown["Request headers"]
    assert served.function.key not in json.dumps(shown)
    assert json.loads(shown["Request body"]) == SAMPLES["cart"].body
    assert json.loads(shown["Answer body"])["status"] == "Active"
    assert served.client.get("page/panels/function-calls/0").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "key", "line"),
    [
        ("POST", CARTS, "", "401: create_cart needs the function key, in the header"),
        ("POST", CARTS, "wrong-key-71", "got another key."),
        ("GET", CARTS, "right", f"404: {CARTS} takes POST, and not GET."),
        ("GET", "/customers", "right", "404: No function has a route for /customers."),
    ],
)
def test_what_no_function_sees_leaves_a_line_that_says_why(
    served: Served, method: str, path: str, key: str, line: str
) -> None:
    headers = {"x-functions-key": key} if key else {}
    httpx.request(method, served.function.url + path, headers=headers, trust_env=False, timeout=60)

    assert line in served.function.output()
    assert "wrong-key-71" not in served.function.output()


def test_the_calls_are_given_to_who_has_the_key(served: Served) -> None:
    answer = httpx.get(f"{served.function.url}/admin/calls", trust_env=False, timeout=60)
    assert (answer.status_code, answer.content) == (401, b"")


def test_the_api_is_called_at_the_origin_of_the_page(served: Served) -> None:
    headers = {"x-functions-key": served.function.key, "Idempotency-Key": "passed-on"}
    answer = served.client.post(CARTS, headers=headers, json=SAMPLES["cart"].body)
    assert answer.status_code == 201
    assert answer.headers["Location"].startswith(CARTS)
    again = served.client.post(CARTS, headers=headers, json=SAMPLES["cart"].body)
    assert again.headers["Idempotent-Replayed"] == "true"
    refused = served.client.post(CARTS, headers={**headers, "Origin": "http://other.example"})
    assert refused.status_code == 403


async def test_before_the_function_is_there_nothing_can_be_sent() -> None:
    async with LocalCloud(routes=ApiDocs(lambda: None).routes()) as cloud:
        page.extend(cloud, lambda: None, Shops({}), has_storage=False)
        async with httpx.AsyncClient(base_url=cloud.page_url, trust_env=False) as client:
            for action in ("send", "send-again"):
                answer = await client.post(f"page/actions/{action}", json={})
                assert (answer.status_code, list(answer.json())) == (400, ["error"])
            assert (await client.post(CARTS, json={})).status_code == 503
        assert await page.calls_panel(lambda: None).rows() == []


async def test_a_function_that_has_ended_has_no_calls() -> None:
    assert await page.calls_panel(lambda: ("http://127.0.0.1:1", "key")).rows() == []
