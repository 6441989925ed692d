"""The processes that the app runs in, and what each sees of the outside until it dies."""

import asyncio
import functools
import itertools
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from cart_core.api.messages import Invocation, Request, Response
from cart_core.api.responses import problem_response
from cart_core.assembly import assemble
from cart_core.call import Call
from cart_core.idempotency.memory_store import MemoryStore
from cart_core.idempotency.record import Record
from cart_core.idempotency.store import StoreUnavailable, Versioned
from cart_core.operations.memory_bells import MemoryBells
from cart_core.operations.memory_documents import MemoryDocuments
from cart_core.partner_center.exchange import Attempt, NoReply, Reply
from cart_core.problem import Problem
from cart_core.settings import Settings
from cart_core.surroundings import Surroundings
from cart_core.tokens import AccessToken, TokenFailure
from tests.kit.fakes import EPOCH_SECONDS, Killed, StoreFault
from tests.kit.partner_center import FakeTenants
from tests.kit.world import ENVIRONMENT
from tests.walks.partner_center import CUSTOMER, SENDER, PartnerCenter
from tests.walks.plan import AtStore, Death, NoToken, Plan

T = TypeVar("T")

STORE_SECONDS = 0.02
"""How long a call of the store takes."""


@functools.cache
def settings() -> Settings:
    """The settings of every process: the defaults, and buying is allowed."""
    return Settings.read(ENVIRONMENT)


@dataclass
class Outside:
    """What all processes share. `now` is in seconds of the walk."""

    plan: Plan
    center: PartnerCenter
    now: Callable[[], float]
    tell: Callable[..., None]
    calm: bool = False

    def __post_init__(self) -> None:
        plan = self.plan
        self.store = MemoryStore(self.now)
        self.random = random.Random(plan.seed)
        self.ids = itertools.count(1)
        self._points, self._store_calls, self._tokens = (itertools.count(1) for _ in range(3))
        self._deaths: dict[int, str] = {death.point: death.when for death in plan.of(Death)}
        self._no_tokens = {event.number for event in plan.of(NoToken)}
        self._faults: dict[int, StoreFault] = {
            number: event.fault
            for event in plan.of(AtStore)
            for number in range(event.number, event.number + event.times)
        }

    # Each of these is asked once for each thing of its kind that happens.

    def death(self) -> str:
        when = self._deaths.get(next(self._points), "")
        return "" if self.calm else when

    def store_fault(self) -> StoreFault:
        fault = self._faults.get(next(self._store_calls), "")
        return "" if self.calm else fault

    def has_no_token(self) -> bool:
        return next(self._tokens) in self._no_tokens and not self.calm


class Process:
    """The app in one process. `ahead`: seconds by which its clock is ahead of the time.

    It is the store, Partner Center and the source of tokens of its own app, and hands everything on
    to the outside for as long as it lives. Once it is dead, a new one takes its place.
    """

    def __init__(self, name: str, outside: Outside, ahead: float) -> None:
        self.name = name
        self._outside = outside
        self._ahead = ahead
        self._alive = True
        self._tasks: set[asyncio.Task[Response]] = set()
        self._loop = asyncio.get_running_loop()
        self._endpoints = assemble(
            settings(),
            Surroundings(
                self,
                MemoryDocuments(),
                MemoryBells(),
                self,
                self,
                FakeTenants(),
                clock=lambda: EPOCH_SECONDS + outside.now() + ahead,
                monotonic=self._loop.time,
                uniform=outside.random.uniform,
                new_guid=lambda: f"00000000-0000-4000-8000-{next(outside.ids):012}",
            ),
        ).endpoints

    def successor(self) -> "Process":
        """The process that is started when this one has died."""
        return Process(self.name, self._outside, self._ahead)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._alive

    # --- Requests of the shop -----------------------------------------------------------------

    def handle(
        self, endpoint: str, path: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> "asyncio.Task[Response]":
        """Begin to answer a request, whether somebody waits for the answer or not."""
        request = Request(headers, {"customerId": CUSTOMER, **path}, body)
        invocation = Invocation(headers["ms-correlationid"], self._loop.time())
        task = self._loop.create_task(self._answer(endpoint, request, invocation))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def _answer(self, endpoint: str, request: Request, invocation: Invocation) -> Response:
        SENDER.set(invocation.correlation_id)
        try:
            return await self._endpoints[endpoint](request, invocation)
        except Problem as problem:
            return problem_response(problem, invocation, request.headers)

    def _ended(self, task: "asyncio.Task[Response]") -> None:
        self._tasks.discard(task)

    def die(self) -> None:
        """End at once: nothing that it has begun goes on."""
        if self._alive:
            self._outside.tell(self.name, "DIES")
            self._alive = False
            for task in self._tasks - {asyncio.current_task()}:
                task.cancel()

    # --- The store ----------------------------------------------------------------------------

    async def create(self, name: str, record: Record) -> str | None:
        """See Store."""
        write = partial(self._outside.store.create, name, record)
        return await self._outgoing(partial(self._write, "create", name, write, record))

    async def replace(self, name: str, record: Record, version: str) -> str | None:
        """See Store."""
        write = partial(self._outside.store.replace, name, record, version)
        return await self._outgoing(partial(self._write, "replace", name, write, record))

    async def read(self, name: str) -> Versioned | None:
        """See Store."""
        return await self._outgoing(partial(self._read, name))

    async def _read(self, name: str) -> Versioned | None:
        fault = self._outside.store_fault()
        await asyncio.sleep(STORE_SECONDS)
        if fault == "down":
            self._outside.tell(self.name, "the store is down for a read")
            raise StoreUnavailable("The store is away.")
        return await self._outside.store.read(name)

    async def _write(
        self, what: str, name: str, write: Callable[[], Awaitable[str | None]], record: Record
    ) -> str | None:
        fault = self._outside.store_fault()
        await asyncio.sleep(STORE_SECONDS)
        tell = partial(
            self._outside.tell,
            self.name,
            "{} {} {}: {} {}",
            what,
            name[: name.index("/") + 5],
            record.state,
        )
        if fault == "down":
            tell("no answer", "")
            raise StoreUnavailable("The store is away.")
        version = await write()
        tell("done" if version else "there is another record", f"({fault})" if fault else "")
        if fault == "lost":
            raise StoreUnavailable("The answer was lost.")
        return None if fault == "met itself" else version

    # --- Partner Center -----------------------------------------------------------------------

    async def create_cart(
        self, call: Call, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""
        return await self._outgoing(partial(self._outside.center.create_cart, call, cart, attempt))

    async def get_cart(self, call: Call, cart_id: str, attempt: Attempt) -> Reply | NoReply:
        """See CartsApi."""
        return await self._outgoing(partial(self._outside.center.get_cart, call, cart_id, attempt))

    async def update_cart(
        self, call: Call, cart_id: str, cart: Mapping[str, Any], attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""
        return await self._outgoing(
            partial(self._outside.center.update_cart, call, cart_id, cart, attempt)
        )

    async def checkout_cart(
        self, call: Call, cart_id: str, customer_user: str | None, attempt: Attempt
    ) -> Reply | NoReply:
        """See CartsApi."""
        return await self._outgoing(
            partial(self._outside.center.checkout_cart, call, cart_id, customer_user, attempt)
        )

    async def read_document(self, *_: object, **__: object) -> Reply | NoReply:
        """See ReadsApi. No order of a walk names a SKU."""
        raise AssertionError("nothing of the catalogue is read")

    async def ask(self, *_: object, **__: object) -> Reply | NoReply:
        """See ReadsApi."""
        raise AssertionError("nothing is asked")

    async def _outgoing(self, do: Callable[[], Awaitable[T]]) -> T:
        """A call of the outside, at which this process may die."""
        self._require_life()
        when = self._outside.death()
        if when == "before":
            self.die()
        elif when == "during":
            self._loop.call_later(STORE_SECONDS / 2, self.die)
        self._require_life()
        result = await do()
        if when == "after":
            self.die()
        self._require_life()
        return result

    def _require_life(self) -> None:
        if not self._alive:
            raise Killed

    # --- Tokens -------------------------------------------------------------------------------

    async def get(self) -> AccessToken:
        """See Tokens."""
        if self._outside.has_no_token():
            self._outside.tell(self.name, "gets no token")
            raise TokenFailure("token_unavailable", "Entra cannot be reached.")
        return AccessToken("token", EPOCH_SECONDS + 10**10)

    async def renew(self, rejected: AccessToken, claims: str | None = None) -> AccessToken:
        """See Tokens."""
        return await self.get()
