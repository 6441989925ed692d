"""The shops' own side: their APIs, and the receiver of what is reported to them."""

import json
import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import standardwebhooks
from aiohttp import web

from tests.kit.shop_orders import ShopOrder


class ShopServer:
    """Answers for BigCommerce and Stripe at `url`, and takes reports at `url`/reports.

    Every fourth request is refused, a message never twice. `reports` has the types of the messages
    by source and order; `wrong` has what is not signed as Standard Webhooks demands.
    """

    def __init__(self, orders: Mapping[str, ShopOrder], secret: str, dice: random.Random) -> None:
        self._orders = orders
        self._secret = secret
        self._dice = dice
        self.url = ""
        self.reports: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.wrong: list[str] = []
        self._tried: set[str] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "ShopServer":
        app = web.Application()
        app.add_routes(
            [
                web.get("/stores/abc123/v2/orders/{id}", self._order),
                web.get("/stores/abc123/v2/orders/{id}/products", self._lines),
                web.get("/v1/checkout/sessions/{id}", self._order),
                web.get("/v1/checkout/sessions/{id}/line_items", self._lines),
                web.post("/reports", self._report),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _order(self, request: web.Request) -> web.Response:
        self._refuse_sometimes()
        return _json(self._orders[request.match_info["id"]].fetched()[0])

    async def _lines(self, request: web.Request) -> web.Response:
        self._refuse_sometimes()
        lines = self._orders[request.match_info["id"]].fetched()[1]
        stripe = request.path.startswith("/v1/")
        return _json({"data": lines, "has_more": False} if stripe else lines)

    async def _report(self, request: web.Request) -> web.Response:
        message_id = request.headers["webhook-id"]
        if message_id not in self._tried:  # A third try comes after five minutes.
            self._tried.add(message_id)
            self._refuse_sometimes()
        body = await request.read()
        try:
            standardwebhooks.Webhook(self._secret).verify(body, dict(request.headers))
        except standardwebhooks.WebhookVerificationError as error:
            self.wrong.append(f"a report is not signed: {error}")
        message = json.loads(body)
        order = message["data"]["source"], message["data"]["orderId"]
        self.reports[order].add(message["type"])
        return web.Response()

    def _refuse_sometimes(self) -> None:
        if self._dice.random() < 0.25:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"})


def _json(document: Any) -> web.Response:
    return web.json_response(document)
