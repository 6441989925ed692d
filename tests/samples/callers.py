"""The samples as callers: what each makes of an order, in one form."""

import json
from typing import Any, Self
from unittest.mock import patch

import httpx

from local.function_process import ROOT
from samples.storefront import place_order as sample
from tests.end_to_end.chain import FUNCTION_KEY, KEY_HEADER
from tests.samples.logic_apps import LogicApp, Run
from tests.samples.shop import Between, Shop

WORKFLOW: dict[str, Any] = json.loads(
    (ROOT / "samples" / "logic-app" / "workflow.json").read_text("utf-8")
)
DEFINITION: dict[str, Any] = WORKFLOW["definition"]

Result = tuple[str, dict[str, Any]]
"""`completed`, `ordered`, `partial`, `pending` or the code of a refusal, and what came with it."""


class Caller:
    """A sample that calls the shop; the first requests get `instead` (see Between)."""

    def __init__(self, shop: Shop, *instead: httpx.Response | None, key: str) -> None:
        self.shop = shop
        self.waits: list[float] = []
        """How many seconds it would have waited, each time."""
        self.client = httpx.Client(
            base_url=shop.url,
            headers=KEY_HEADER | {"x-functions-key": key},
            transport=Between(*instead),
            timeout=120,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.client.close()

    def place(self, order: dict[str, Any]) -> Result:
        """Have an order placed."""
        raise NotImplementedError

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.shop.pause(seconds)


class Storefront(Caller):
    """The storefront's program."""

    def __init__(
        self, shop: Shop, *instead: httpx.Response | None, key: str = FUNCTION_KEY
    ) -> None:
        super().__init__(shop, *instead, key=key)

    def place(self, order: dict[str, Any]) -> Result:
        """See Caller."""
        no_time = patch.object(sample, "monotonic", lambda: sum(self.waits))
        with no_time, patch.object(sample, "sleep", self._wait):
            try:
                checkout = sample.place_order(self.client, order)
            except sample.Refused as refused:
                return refused.problem["code"], refused.problem
            except sample.Pending as pending:
                return "pending", {"detail": str(pending)}
        return checkout["status"], checkout


class Workflow(Caller):
    """The workflow, deployed."""

    def __init__(
        self,
        shop: Shop,
        *instead: httpx.Response | None,
        key: str = FUNCTION_KEY,
        url: str | None = None,
    ) -> None:
        super().__init__(shop, *instead, key=key)
        parameters = {"functionUrl": url or shop.url, "functionKey": key}
        self.app = LogicApp(DEFINITION, parameters, self.client, self._wait)
        self.run = Run()
        """The newest run."""

    def place(self, order: dict[str, Any]) -> Result:
        """See Caller."""
        self.run = self.app.post(order)
        assert self.run.answer
        body = self.run.answer.body
        return (body["code"] if body["status"] == "rejected" else body["status"]), body
