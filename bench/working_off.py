"""How fast accepted operations are worked off, by some processes of the local Functions host."""

import asyncio
import resource
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

import aiohttp
from partner_center_emulator.cloud import LocalCloud

from bench.load import CART
from local.function_process import FunctionProcess
from local.functions_host import DEFAULT_KEY
from tests.kit.progress import Progress

OF_EACH_PROCESS: Final = 200
AT_ONCE: Final = 20
LISTENER_OFF: Final = {"AzureWebJobs.work_off.Disabled": "true"}
LOOK_SECONDS: Final = 0.01
PATIENCE: Final = 300.0


class Pace(NamedTuple):
    """How fast operations were worked off; `cpu` are the processes' seconds for each of them."""

    per_second: float
    cpu: float


def work_off(
    cloud: LocalCloud, environment: Mapping[str, str], processes: int, progress: Progress
) -> Pace:
    """How fast these processes work operations off together, each of another customer.

    All are accepted before anybody listens. In the rate the first and the last quarter do not
    count: the processes start then, and have too little to do in the end. The processor time is
    that of whole processes. Raises RuntimeError where they do not come to the end.
    """
    count = OF_EACH_PROCESS * processes
    with FunctionProcess({**environment, **LISTENER_OFF}) as accepting:
        asyncio.run(_accept(accepting.url, count))
    progress.step()
    cpu = _cpu_of_ended_processes()
    with ExitStack() as running:
        for _ in range(processes):
            running.enter_context(FunctionProcess(environment))
        first = _when_made(cloud, count // 4)
        last = _when_made(cloud, 3 * count // 4)
        _when_made(cloud, count)
    progress.step()
    cloud.partner_center.clear()
    rate = (3 * count // 4 - count // 4) / (last - first)
    return Pace(rate, (_cpu_of_ended_processes() - cpu) / count)


def _cpu_of_ended_processes() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _when_made(cloud: LocalCloud, count: int) -> float:
    """Waits until Partner Center has made so many carts."""
    give_up = time.monotonic() + PATIENCE
    while len(cloud.partner_center.carts) < count:
        if time.monotonic() > give_up:
            made = len(cloud.partner_center.carts)
            raise RuntimeError(f"Of {count} accepted carts {made} were made.")
        time.sleep(LOOK_SECONDS)
    return time.monotonic()


async def _accept(url: str, count: int) -> None:
    """Hands over so many carts. Raises aiohttp.ClientResponseError where one is not accepted."""
    left = iter(range(count))

    async def lane(session: Any) -> None:
        for _ in left:
            path = f"/api/customers/{uuid.uuid4()}/carts"
            headers = {
                "x-functions-key": DEFAULT_KEY,
                "content-type": "application/json",
                "idempotency-key": str(uuid.uuid4()),
                "prefer": "respond-async",
            }
            async with session.post(url + path, data=CART, headers=headers) as answer:
                answer.raise_for_status()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(lane(session) for _ in range(AT_ONCE)))
