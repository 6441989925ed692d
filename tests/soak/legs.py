"""The two legs of what is accepted: the queue, which is haunted, and the timer, which we fire.

The processes fire no timers here, so that the soak can hold the timer up, and need not wait for a
minute to pass. In Azure one of all instances fires it.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree import ElementTree

import aiohttp
from partner_center_emulator.watch.disturbances import Disturbance

from tests.soak.fleet import Fleet, over
from tests.soak.ledger import SoakCloud

SWEEP: Final = "/admin/functions/sweep_operations"
SWEEP_SECONDS: Final = 5.0
"""Between two sweeps; the timer of the app has a minute."""

LONGEST_PAUSE: Final = 20.0
"""Seconds; what is put off for longer is replayed: pauses double up to a quarter of an hour."""

_HAUNTED_SECONDS: Final = 10
"""For so long nobody else sees a message that is haunted."""
_LONGEST_DELAY: Final = 20
_COPIES: Final = 4

_FROZEN: Final = (503, r"/accepted-operations/messages$")
_ANSWER: Final = aiohttp.ClientTimeout(60)


class Legs:
    """Haunts bells, freezes a leg, sweeps, and replays what is dead. `happened` counts all that."""

    def __init__(self, cloud: SoakCloud, fleet: Fleet, key: str, dice: random.Random) -> None:
        self.happened = Counter[str]()
        self._cloud = cloud
        self._fleet = fleet
        self._headers = {"x-functions-key": key}
        self._dice = dice
        self._timer_frozen = False

    async def haunt(self, enough: asyncio.Event) -> None:
        """Lose, double, delay and so reorder bells."""
        while not await over(enough, self._dice.uniform(0.05, 0.4)):
            for message in await self._take():
                await self._haunt(message)

    async def freeze(self, seconds: Mapping[str, float], enough: asyncio.Event) -> None:
        """Freeze the legs by these names one after the other, each for so long."""
        for leg, long in seconds.items():
            if await over(enough, self._dice.uniform(1, 5)):
                return
            self.happened[f"{leg} frozen"] += 1
            if leg == "timer":
                self._timer_frozen = True
                await over(enough, long)
                self._timer_frozen = False
            else:
                status, path = _FROZEN
                frozen = Disturbance("storage", None, method="GET", path=path, status=status)
                # The first one that hits a request is the only one.
                self._cloud.disturbances.active.insert(0, frozen)
                await over(enough, long)
                self._cloud.disturbances.active.remove(frozen)

    async def sweep(self, end: asyncio.Event) -> None:
        """Fire the timer again and again, and replay what is dead."""
        async with aiohttp.ClientSession(headers=self._headers, timeout=_ANSWER) as session:
            while not await over(end, SWEEP_SECONDS):
                if self._timer_frozen:
                    continue
                try:
                    async with session.post(self._url(SWEEP)) as answer:
                        self.happened[f"sweep {answer.status}"] += 1
                    await self._replay(session)
                except (aiohttp.ClientError, TimeoutError):
                    self.happened["sweep cut off"] += 1

    async def _replay(self, session: aiohttp.ClientSession) -> None:
        """What an operator does: set going what is dead, and what is put off for a long time."""
        async with session.get(self._url("/api/operations")) as answer:
            listed = await answer.json() if answer.status == 200 else {"operations": []}
        for each in listed["operations"]:
            if each["state"] == "dead" or _waits_long(each):
                path = self._url(f"/api/operations/{each['id']}/replay")
                async with session.post(path) as answer:
                    self.happened[f"replay of {each['state']} {answer.status}"] += 1

    def _url(self, path: str) -> str:
        return self._fleet.any(self._dice).function.url + path

    # --- The queue, as its owner

    async def _take(self) -> list[ElementTree.Element]:
        path = f"?numofmessages=4&visibilitytimeout={_HAUNTED_SECONDS}"
        return list(ElementTree.fromstring(await self._ask("GET", path)).iter("QueueMessage"))

    async def _haunt(self, message: ElementTree.Element) -> None:
        what = self._dice.choices(
            ("lost", "doubled", "delayed", "let go"), (0.15, 0.25, 0.25, 0.35)
        )[0]
        self.happened[f"bell {what}"] += 1
        text = message.findtext("MessageText") or ""
        if what in ("lost", "delayed"):
            await self._ask("DELETE", f"/{self._named(message)}")
        else:
            await self._ask("PUT", f"/{self._named(message)}&visibilitytimeout=0")
        copies = {"doubled": self._dice.randint(1, _COPIES), "delayed": 1}.get(what, 0)
        for _ in range(copies):
            delay = self._dice.randint(0, _LONGEST_DELAY)
            element = ElementTree.Element("QueueMessage")
            ElementTree.SubElement(element, "MessageText").text = text
            path = f"?visibilitytimeout={delay}&messagettl=-1"
            await self._ask("POST", path, ElementTree.tostring(element))

    async def _ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        assert self._cloud.storage
        queue = self._cloud.storage.queue
        return await self._cloud.storage.ask_queue(method, f"/{queue}/messages{path}", body)

    def _named(self, message: ElementTree.Element) -> str:
        return f"{message.findtext('MessageId')}?popreceipt={message.findtext('PopReceipt')}"


def _waits_long(operation: Mapping[str, Any]) -> bool:
    """Whether an operation is put off for longer than a soak wants to last."""
    if operation["state"] != "waiting":
        return False
    due = datetime.fromisoformat(operation["nextAttemptDateTime"])
    return (due - datetime.now(UTC)).total_seconds() > LONGEST_PAUSE
