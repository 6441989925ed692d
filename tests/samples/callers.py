"""The samples as callers: what each makes of an order, in one form."""

import json
from collections.abc import Mapping
from typing import Any, Self
from unittest.mock import patch

import httpx

from local.function_process import ROOT
from samples.storefront import place_order as sample
from tests.end_to_end.chain import FUNCTION_KEY
from tests.samples.logic_apps import LogicApp, Run
from tests.samples.shop import Between, Shop

FOLDER = ROOT / "samples" / "logic-app"
TEMPLATE = FOLDER / "main.bicep"
WORKFLOW: dict[str, Any] = json.loads((FOLDER / "workflow.json").read_text("utf-8"))
AUDIENCE = "api://00000000-0000-0000-0000-000000000009"


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What Bicep's union() makes of two objects: objects in them are merged too."""
    merged = dict(one)
    for name, value in other.items():
        both = isinstance(value, Mapping) and isinstance(one.get(name), Mapping)
        merged[name] = _union(one[name], value) if both else value
    return merged


def deployed(*, signs_in: bool = False) -> dict[str, Any]:
    """The definition that main.bicep deploys: with a key, or with a sign-in.

    A test compares it with what Bicep's compiler makes.
    """
    by_key = {"headers": {"x-functions-key": "@{parameters('functionKey')}"}}
    by_identity = {"authentication": {"type": "ManagedServiceIdentity", "audience": AUDIENCE}}
    inputs = by_identity if signs_in else by_key
    actions = {"Until_found": {"actions": {"Place_order": {"inputs": inputs}}}}
    return _union(WORKFLOW["definition"], {"actions": actions})


DEFINITION = deployed()

Result = tuple[str, dict[str, Any]]
"""`completed`, `ordered`, `partial`, `pending` or the code of a refusal, and what came with it."""


class Caller:
    """A sample that calls the shop; the first requests get `instead` (see Between)."""

    def __init__(self, shop: Shop, way: Between, **headers: str) -> None:
        self.shop = shop
        self.waits: list[float] = []
        """How many seconds it would have waited before it tried again, each time."""
        self.polls: list[float] = []
        """The same before it asked for the result of what was accepted."""
        self.way = way
        self.client = httpx.Client(base_url=shop.url, headers=headers, transport=way, timeout=120)

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
        super().__init__(shop, Between(*instead), **{"x-functions-key": key})

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
    """The workflow, deployed with a key, or with a `way` on which it signs in."""

    def __init__(
        self,
        shop: Shop,
        *instead: httpx.Response | None,
        key: str = FUNCTION_KEY,
        url: str | None = None,
        way: Between | None = None,
    ) -> None:
        super().__init__(shop, way or Between(*instead))
        parameters = {"functionUrl": url or shop.url, "functionKey": "" if way else key}
        self.app = LogicApp(
            deployed(signs_in=way is not None),
            parameters,
            self.client,
            self._wait,
            pause=shop.look_again,
        )
        self.run = Run()
        """The newest run."""

    def place(self, order: dict[str, Any]) -> Result:
        """See Caller."""
        self.run = self.app.post(order)
        self.polls += self.run.polls
        assert self.run.answer
        body = self.run.answer.body
        return (body["code"] if body["status"] == "rejected" else body["status"]), body
