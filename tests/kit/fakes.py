"""Time that passes only while everybody waits, and stand-ins for the world around an operation."""

import asyncio
import itertools
import selectors
from collections import defaultdict
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Literal, ParamSpec

from cart_core.deadline import Deadline
from cart_core.idempotency.memory_store import MemoryStore
from cart_core.idempotency.operation_id import RECENT_PREFIX
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import StoreUnavailable, Versioned
from cart_core.tokens import AccessToken

EPOCH_SECONDS = 1_795_348_800.0
"""2026-11-22T12:00:00Z, when every test begins."""

P = ParamSpec("P")


class _NoWaiting(selectors.DefaultSelector):
    """Instead of waiting for the next timer, it moves the clock there."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for something that nobody will do")
        self.waited += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on which sleeping takes no time."""

    def __init__(self) -> None:
        self._virtual = _NoWaiting()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.waited


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a VirtualTimeLoop.

    The test fails if a task has died of an exception that nobody has looked at, and if the loop
    reports any other error.
    """

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        tasks: list[asyncio.Task[Any]] = []
        errors: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=lambda: _watched_loop(tasks, errors)) as runner:
            runner.run(test(*args, **kwargs))
        unseen = [task for task in tasks if task.done() and _died_unseen(task)]
        assert not errors, f"the event loop reported errors: {errors}"
        assert not unseen, f"tasks died, and nobody looked: {unseen}"

    return run


def _watched_loop(tasks: list[asyncio.Task[Any]], errors: list[dict[str, Any]]) -> VirtualTimeLoop:
    """A loop that notes all its tasks, and the errors that nobody handles."""
    loop = VirtualTimeLoop()

    def new_task(
        loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        tasks.append(task)
        return task

    loop.set_task_factory(new_task)
    loop.set_exception_handler(lambda _, context: errors.append(context))
    return loop


def _died_unseen(task: asyncio.Task[Any]) -> bool:
    """Whether asyncio would log "Task exception was never retrieved" when the task is collected.

    It keeps that in a private attribute. To wait for the collection would take a full run of the
    garbage collector for each test.
    """
    unseen: bool = task._log_traceback
    task._log_traceback = False  # The failed test says it.
    return unseen


def monotonic() -> float:
    """Seconds on the running loop's clock."""
    return asyncio.get_running_loop().time()


class WallClock:
    """POSIX seconds that go with the loop's time, and that can be put forward or back."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return EPOCH_SECONDS + monotonic() + self.shift


def within(seconds: float) -> Deadline:
    """The deadline so many seconds from now."""
    return Deadline.after(seconds, monotonic)


class Killed(BaseException):
    """The process dies here: nothing that catches exceptions gets to run."""


StoreFault = Literal["", "down", "lost", "met itself", "killed before", "killed after"]
"""`down`: nothing happens. `lost`: it happens, but the answer does not arrive. `met itself`: the
driver's own retry after a lost answer finds its own write, and takes it for another's."""


class FakeStore:
    """A MemoryStore that counts its calls and fails as told, one fault for each call.

    It goes by `clock`, or by the running loop's.

    `point` is called where a process can die, such as "before create" and "after replace".
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.inner = MemoryStore(clock)
        self.calls: list[str] = []
        self.written: list[Record] = []
        """The records of operations that were written, without those of recent orders."""
        self.lease_ends: list[float] = []
        """When the lease of each record that was written ends, by the store's clock."""
        self.clock = clock
        self.faults: dict[str, list[StoreFault]] = defaultdict(list)
        self.reason = "The store is away."
        self.retry_after: int | None = None
        self.point: Callable[[str], None] = lambda _: None

    def fails(self, call: str, *faults: StoreFault, times: int = 1) -> None:
        """The next calls of `create`, `read` or `replace` go wrong like this."""
        self.faults[call] += faults * times

    async def create(self, name: str, record: Record) -> str | None:
        return await self._write("create", name, partial(self.inner.create, name, record), record)

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        write = partial(self.inner.replace, name, record, version)
        return await self._write("replace", name, write, record)

    async def read(self, name: str) -> Versioned | None:
        if self._next_fault("read") == "down":
            raise StoreUnavailable(self.reason, self.retry_after)
        return await self.inner.read(name)

    async def _write(
        self,
        call: str,
        name: str,
        write: Callable[[], Coroutine[Any, Any, str | None]],
        record: Record,
    ) -> str | None:
        fault = self._next_fault(call)
        if fault in ("down", "killed before"):
            raise StoreUnavailable(self.reason, self.retry_after) if fault == "down" else Killed
        version = await write()
        if version is not None and not name.startswith(RECENT_PREFIX):
            self.written.append(record)
            self.lease_ends.append(self.clock() + record.lease_seconds)
        self.point(f"after {call}")
        if fault in ("lost", "killed after"):
            raise StoreUnavailable(self.reason, self.retry_after) if fault == "lost" else Killed
        return None if fault == "met itself" else version

    def _next_fault(self, call: str) -> StoreFault:
        self.calls.append(call)
        self.point(f"before {call}")
        return self.faults[call].pop(0) if self.faults[call] else ""

    @property
    def record(self) -> Record:
        """The last record that was written."""
        return self.written[-1]


class FakeTokens:
    """Gives out token-1; token-2 and so on when it is renewed. Fails with what is in `failures`."""

    def __init__(self) -> None:
        self.numbers = itertools.count(2)
        self.token = AccessToken("token-1", EPOCH_SECONDS + 3600)
        self.failures: list[Exception | None] = []
        self.renewal_failure: Exception | None = None
        self.renews = True
        """Whether a renewal gives another token."""
        self.seconds = 0.0
        self.renewed: list[str] = []
        self.claims: list[str | None] = []
        """The claims that each renewal was to meet."""

    async def get(self) -> AccessToken:
        if self.seconds:
            await asyncio.sleep(self.seconds)
        failure = self.failures.pop(0) if self.failures else None
        if failure:
            raise failure
        return self.token

    async def renew(self, rejected: AccessToken, claims: str | None = None) -> AccessToken:
        self.renewed.append(rejected.value)
        self.claims.append(claims)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self.renewal_failure:
            raise self.renewal_failure
        if self.renews:
            self.token = AccessToken(f"token-{next(self.numbers)}", EPOCH_SECONDS + 3600)
        return self.token
