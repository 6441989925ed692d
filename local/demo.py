"""The demo: a story of one screen about what callers send and what becomes of it.

With `verbose` every header and body is printed too, without the secrets in them.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.page.masking import masked_body, masked_headers
from partner_center_emulator.watch.journal import Arrival

from cart_core.storefronts.signatures import Scheme
from cart_core.storefronts.sources import read_sources
from local.environment import BUYING, app_environment
from local.function_process import FunctionProcess
from local.samples import CARTS, ORDERS, SAMPLE_CART, SAMPLES
from local.storefronts import (
    SAMPLE,
    became,
    local_secret,
    order_id_of,
    sign,
    storefront_environment,
)

POLL_SECONDS = 0.5
"""Seconds after which the demo asks again. The answers ask for more, as Azure needs it."""

_COLOURS = {"good": "32", "bad": "31", "head": "1", "faint": "2"}


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints the story; with `colours` as a terminal shows it, with `verbose` all of it."""

    colours: bool
    verbose: bool

    def say(self, text: str = "", colour: str = "") -> None:
        """Prints a line."""
        code = _COLOURS.get(colour) if self.colours else None
        print(f"\x1b[{code}m{text}\x1b[0m" if code else text)

    def message(self, headers: Mapping[str, str], body: bytes) -> None:
        """Prints the headers and the body of a request or of an answer."""
        if self.verbose:
            for line in f"{masked_headers(headers)}\n\n{masked_body(body)}".rstrip().splitlines():
                self.say(f"      {line}", "faint")


class Story:
    """The callers of one function, told call by call."""

    def __init__(
        self, cloud: LocalCloud, function: FunctionProcess, client: httpx.Client, printer: Printer
    ) -> None:
        self._cloud = cloud
        self._client = client
        self._location = ""
        self._print = printer
        client.headers.update({"x-functions-key": function.key, "Prefer": "omit-values=nulls"})

    def tell(self, title: str) -> None:
        """Begins a chapter."""
        self._print.say()
        self._print.say(title, "head")

    def call(
        self,
        method: str,
        path: str,
        body: str = "",
        *,
        key: str = "",
        prefer: str = "",
        expected: int,
    ) -> dict[str, Any]:
        """Sends a request, and prints it, what Partner Center got, and what came back.

        Raises RuntimeError where the status is another one than was expected.
        """
        headers = {"Content-Type": "application/json"} if body else {}
        if key:
            headers["Idempotency-Key"] = key
        if prefer:
            headers["Prefer"] = prefer
        request = self._client.build_request(method, path, headers=headers, content=body)
        self._print.say(
            f"  sent    {method} {short(path)}{f'  Idempotency-Key: {key}' * bool(key)}"
        )
        self._print.message(request.headers, body.encode())
        before = len(self._cloud.journal.requests("partner_center"))
        answer = self._client.send(request)
        self._location = answer.headers.get("Location", "")
        return self._told(answer, before, f"{method} {path}", expected)

    def result(self, *, expected: int) -> dict[str, Any]:
        """Asks for the result of what was accepted, until there is one, and prints that.

        Raises RuntimeError where its status is another one than was expected.
        """
        before = len(self._cloud.journal.requests("partner_center"))
        self._print.say("  sent    GET the address in Location, until there is a result")
        while (answer := self._client.get(self._location)).status_code == httpx.codes.ACCEPTED:
            time.sleep(POLL_SECONDS)
        return self._told(answer, before, "The result", expected)

    def webhook(self, source: str, sample: Path) -> None:
        """Delivers a body as a shop does, and tells what becomes of its order.

        Raises RuntimeError where it is not acknowledged, or not bought within a minute.
        """
        shop, body = read_sources(SAMPLE.read_text("utf-8"))[source], sample.read_bytes()
        headers = sign(Scheme(shop.platform), local_secret(shop.secrets[0]), body, time.time())
        path = f"/api/webhooks/{source}"
        self._print.say(f"  sent    POST {path}  {next(iter(headers))}: a signature, and no key")
        self._print.message(headers, body)
        before = len(self._cloud.journal.requests("partner_center"))
        answer = self._client.post(path, content=body, headers=headers)
        told = f"  answer  {answer.status_code} {answer.reason_phrase}: stored, without a body"
        self._print.say(told, "good" if answer.is_success else "bad")
        key = self._client.headers["x-functions-key"]
        url, order_id = str(self._client.base_url), order_id_of(shop, body) or ""
        lines = list(became(url.rstrip("/"), source, order_id, key))
        for arrival in self._cloud.journal.requests("partner_center")[before:]:
            self._arrival(arrival)
        self._print.say(f"  bought  {lines[-1].strip()}", "good")
        if not any(": completed" in line for line in lines):
            raise RuntimeError("The order of the shop was not bought.")

    def _told(
        self, answer: httpx.Response, before: int, what: str, expected: int
    ) -> dict[str, Any]:
        got = self._cloud.journal.requests("partner_center")[before:]
        for arrival in got:
            self._arrival(arrival)
        if not got:
            self._print.say("  Partner Center got nothing.", "faint")
        replayed = ", replayed" if "Idempotent-Replayed" in answer.headers else ""
        summary = "; ".join(summary_of(answer.json()))
        self._print.say(
            f"  answer  {answer.status_code} {answer.reason_phrase}{replayed}: {summary}",
            "good" if answer.is_success else "bad",
        )
        self._print.message(answer.headers, answer.content)
        if answer.status_code != expected:
            raise RuntimeError(f"{what} was answered {answer.status_code}.")
        return dict(answer.json())

    def _arrival(self, arrival: Arrival) -> None:
        took = f"{arrival.milliseconds:.0f} ms" if arrival.milliseconds is not None else ""
        self._print.say(
            f"  Partner Center got {arrival.method} {short(arrival.path)}: {arrival.status}, {took}"
        )
        self._print.message(arrival.headers, arrival.body)


def short(path: str) -> str:
    """A path with the beginnings of its ids, so that it fits a line."""
    parts = path.split("/")
    return "/".join(f"{part[:8]}…" if len(part) == 36 else part for part in parts)


def summary_of(answer: Mapping[str, Any]) -> list[str]:
    """What an answer says, in a few words: a cart, orders, or an error with its advice."""
    if "attempts" in answer:
        return [f"accepted, {answer['status']}"]
    if "code" in answer:
        errors: Sequence[Mapping[str, str]] = answer["errors"]
        advice = [f"{error['pointer']}: {error['detail']}" for error in errors]
        return [answer["code"], *(advice or [answer["detail"]])]
    if "orders" in answer:
        orders = [f"order {order['id']}: {_lines(order)}" for order in answer["orders"]]
        failed = [f"{e['code']} {e['description']}" for e in answer.get("orderErrors", ())]
        return [answer["status"], *orders, *failed]
    orderable = "can be ordered" if answer["orderable"] else "cannot be ordered"
    return [f"cart {answer['id'][:8]}…", _lines(answer), orderable]


def _lines(document: Mapping[str, Any]) -> str:
    lines = document["lineItems"]
    return ", ".join(
        f"{n['quantity']} x {n.get('friendlyName', n.get('catalogItemId'))}" for n in lines
    )


def demo(*, colours: bool, verbose: bool) -> int:
    """Tells the story of an order that is delivered twice, a mistake, and a cart. 0 if it ends."""
    printer = Printer(colours, verbose)
    with (
        LocalCloud.in_thread() as cloud,
        FunctionProcess(
            app_environment(cloud, **BUYING, **storefront_environment(cloud, SAMPLE))
        ) as function,
        httpx.Client(base_url=function.url, trust_env=False, timeout=60) as client,
    ):
        story = Story(cloud, function, client, printer)
        try:
            _tell(story)
        except (httpx.HTTPError, RuntimeError) as error:
            print(f"{error} The function's log:", function.output(), sep="\n")
            return 1
        counts = ", ".join(f"{service} {n}" for service, n in cloud.journal.counts.items())
        printer.say(f"\nCalls that the function made: {counts}.", "faint")
        if not verbose:
            printer.say("All headers and bodies: make demo VERBOSE=1. A page: make run.", "faint")
        return 0


def _tell(story: Story) -> None:
    order = SAMPLES["order"].content
    story.tell("A storefront sends an order, with the order's id as its key.")
    story.call("POST", ORDERS, order, key="order-1001", expected=201)
    story.tell("It got no answer, and delivers the order again: nothing is bought twice.")
    story.call("POST", ORDERS, order, key="order-1001", expected=201)
    story.tell("An order with a mistake is refused, and says what to change.")
    story.call("POST", ORDERS, SAMPLES["invalid"].content, key="order-1002", expected=400)
    story.tell("An order that Partner Center will not sell: its cart is there, nothing is bought.")
    story.call("POST", ORDERS, SAMPLES["not-orderable"].content, key="order-1003", expected=422)
    story.tell("An order that nobody waits for is accepted, and its result is asked for later.")
    prefer = "respond-async, omit-values=nulls"
    story.call("POST", ORDERS, order, key="order-1004", prefer=prefer, expected=202)
    story.result(expected=201)
    story.tell(
        "Step by step: Microsoft's own sample cart is created, read, changed and checked out."
    )
    created = story.call("POST", CARTS, SAMPLE_CART, key="cart-1", expected=201)
    path = f"{CARTS}/{created['id']}"
    cart = story.call("GET", path, expected=200)
    cart["lineItems"][0]["quantity"] = 3
    story.call("PUT", path, json.dumps(cart), expected=200)
    story.call("POST", f"{path}/checkout", expected=201)
    story.tell("A Shopify shop's own webhook, signed: its order is bought.")
    story.webhook("shop", SAMPLE.parent / "shopify.json")
