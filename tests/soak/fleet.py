"""The function processes: they are killed and started again throughout."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from local.function_process import FunctionProcess

_LOOK_SECONDS: Final = 0.01
"""Between looks at how many calls Partner Center has received."""


@dataclass(slots=True)
class Process:
    """One life of one of the processes. Times are POSIX seconds."""

    function: FunctionProcess
    killed: float | None = None


class Fleet:
    """Several processes, each with its own environment."""

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        self._environments = environments
        self._running: list[Process] = []
        self.past: list[Process] = []
        self.logs: list[str] = []
        """What the processes wrote that have ended."""

    async def __aenter__(self) -> "Fleet":
        self._running = [await _start(environment) for environment in self._environments]
        return self

    async def __aexit__(self, *exception: object) -> None:
        for process in self._running:
            await asyncio.to_thread(process.function.stop)
            self._bury(process)
        self._running = []

    def any(self, dice: random.Random) -> Process:
        """One of the processes that live."""
        return dice.choice([process for process in self._running if process.killed is None])

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return len(self.past)

    async def kill(
        self,
        kills: float,
        calls_per_kill: int,
        calls: Callable[[], int],
        dice: random.Random,
        enough: asyncio.Event,
    ) -> None:
        """Kill a process and start it again, so many times.

        Each kill is due after one to `calls_per_kill` more calls; `calls` gives how many Partner
        Center has received. It ends early where it is enough and no kill is due.
        """
        due = calls()
        while self.kills < kills:
            due += dice.randint(1, calls_per_kill)
            while calls() < due:
                if await over(enough, _LOOK_SECONDS):
                    return
            slot = dice.randrange(len(self._running))
            process = self._running[slot]
            process.killed = time.time()
            await asyncio.to_thread(process.function.kill)
            self.past.append(process)
            self._running[slot] = await _start(self._environments[slot])
            self._bury(process)

    def _bury(self, process: Process) -> None:
        self.logs.append(process.function.output())
        process.function.__exit__(None, None, None)


async def over(enough: asyncio.Event, seconds: float) -> bool:
    """Whether it is enough, now or within some seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await enough.wait()
    return enough.is_set()


async def _start(environment: Mapping[str, str]) -> Process:
    return Process(await asyncio.to_thread(FunctionProcess, environment, log_level="DEBUG"))
