"""The requests to send by hand are accepted by the app that they are for."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud

from description.document import describe
from description.examples import CART_ID, OPERATION_ID, STOREFRONT_ORDER_ID
from description.requests import LOCAL_KEY, LOCAL_URL, to_http_file, to_postman
from local.environment import BUYING, app_environment
from local.function_process import FunctionProcess
from tests.docs.openapi import OPERATIONS


class Sent(NamedTuple):
    """A request as a tool would send it."""

    name: str
    method: str
    target: str
    headers: dict[str, str]
    body: str


def of_http_file() -> Iterator[Sent]:
    """The requests of requests.http, read by the few rules of its format that are used."""
    head, *blocks = to_http_file(describe()).split("\n### ")
    variables = dict(re.findall(r"^@(\w+) = (.+)$", head, re.M))
    assert (variables["host"], variables["key"]) == (LOCAL_URL, LOCAL_KEY)
    for block in blocks:
        text, _, body = block.partition("\n\n")
        name, line, *headers = filled(text, variables).splitlines()
        method, target = line.split()
        yield Sent(name, method, target, dict(h.split(": ", 1) for h in headers), body.strip())


def of_postman() -> Iterator[Sent]:
    """The requests of the Postman collection."""
    collection = to_postman(describe())
    variables = {each["key"]: each["value"] for each in collection["variable"]}
    for folder in collection["item"]:
        for item in folder["item"]:
            request = item["request"]
            headers = {each["key"]: each["value"] for each in request["header"]}
            if request.get("auth") != {"type": "noauth"}:
                headers["x-functions-key"] = variables["key"]
            body = request.get("body", {}).get("raw", "")
            if body:
                headers["Content-Type"] = "application/json"  # Postman adds it for JSON
            url = filled(request["url"], variables)
            yield Sent(item["name"], request["method"], url, headers, body)


def filled(text: str, variables: dict[str, str]) -> str:
    """The text with the values of its variables."""
    return re.sub(r"{{(\w+)}}", lambda name: variables[name[1]], text)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        LocalCloud.in_thread() as cloud,
        FunctionProcess(app_environment(cloud, **BUYING)) as function,
        httpx.Client(base_url=function.url, trust_env=False, timeout=60) as running,
    ):
        yield running


@pytest.mark.parametrize("requests", [of_http_file, of_postman])
def test_every_request_is_accepted(client: httpx.Client, requests: Any) -> None:
    sent = list(requests())
    for each in sent:
        target = each.target.removeprefix(LOCAL_URL)
        body = each.body.encode()
        answer = client.request(each.method, target, headers=each.headers, content=body)

        if CART_ID in target:  # the examples' cart is not there
            assert answer.json()["code"] == "partner_center_not_found", (each, answer.text)
        elif STOREFRONT_ORDER_ID in target:
            assert answer.json()["code"] == "order_not_found", (each, answer.text)
        elif OPERATION_ID in target:  # nor is the examples' operation
            assert answer.json()["code"] == "operation_not_found", (each, answer.text)
        else:
            assert answer.status_code in (200, 201), (each, answer.text)

    assert {each.method for each in sent} == {"GET", "PUT", "POST"}
    assert len(sent) >= len(OPERATIONS)


def test_postman_takes_the_id_of_a_new_cart_out_of_the_answer() -> None:
    scripts = {
        item["name"]: "\n".join(item["event"][0]["script"]["exec"])
        for folder in to_postman(describe())["item"]
        for item in folder["item"]
        if "event" in item
    }

    assert all("pm.collectionVariables.set" in script for script in scripts.values())
    assert {name.partition(":")[0] for name in scripts} == {"Create a cart", "Place an order"}
    assert "pm.response.json().id)" in scripts["Create a cart: An Azure reservation"]
    assert json.dumps(to_postman(describe()))
