"""The processes of one function app, which share a store, and the Partner Center they send to."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import pytest

from cart_core.call import Answer, Call
from cart_core.idempotency.claim import Claim, Claims
from cart_core.idempotency.operation_id import OperationId
from cart_core.idempotency.plan import RETENTION, Keyed, Plan
from cart_core.idempotency.record import Record, StoredAnswer
from cart_core.idempotency.runner import ExactlyOnce
from cart_core.partner_center.errors import in_doubt
from cart_core.problem import Outcome, Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import EPOCH_SECONDS, FakeStore, Killed, WallClock, within

DEADLINE, MARGIN, LEASE, LONGEST_WAIT = 100.0, 20.0, 120.0, 25.0
"""Seconds. A lease begins with its call and ends a margin after the call's deadline."""
REQUEST_SECONDS: Final = 5.0
START: Final = datetime.fromtimestamp(EPOCH_SECONDS, UTC)
CONTENT: Final = {"lineItems": [{"quantity": 1}]}
OTHER_CONTENT: Final = {"lineItems": [{"quantity": 2}]}

REJECTED = Problem("partner_center_invalid_request", "no")
NOT_SENT = Problem("partner_center_unreachable", "no")
UNKNOWN = Problem("partner_center_timeout", "nobody knows")

End = BaseException | Literal["partial"] | None
"""How a request ends: in full, in part, or by an exception; a rejected one has had no effect."""


def _is_whole(answer: Answer) -> bool:
    return bool(answer.body["status"] != "partial")


PLANS: Final = {
    "create": Plan(["cart"], RETENTION),
    "check out": Plan(["checkout"], timedelta(days=90), _is_whole),
    "order": Plan(["cart", "checkout"], timedelta(days=90), _is_whole),
}
OPERATIONS: Final = {
    name: OperationId(operation, CUSTOMER, "key")
    for name, operation in zip(PLANS, ["create_cart", "checkout_cart", "place_order"], strict=True)
}

every_plan = pytest.mark.parametrize("plan", PLANS)
every_step = pytest.mark.parametrize(
    ("plan", "step"), [(name, step) for name, plan in PLANS.items() for step in plan.steps]
)
every_purchase = pytest.mark.parametrize("plan", ["check out", "order"])


@dataclass(frozen=True, slots=True)
class Request:
    """A request to Partner Center, with what the claim said when it was sent."""

    step: str
    request_id: str
    resumed: bool
    first: bool
    results: Mapping[str, Any]
    earlier_answer: StoredAnswer | None
    under_way_for: float
    record: Record
    """The last record that was written before."""


class World:
    """Calls with one idempotency key, their store, and a Partner Center.

    Partner Center does a step once for each MS-RequestId. The next requests of a step end as
    `ends[step]` says, and take as many seconds as `seconds[step]` says. The store's `point` is also
    called before and after each request.
    """

    def __init__(self, plan: str = "create", *, longest_wait: float = LONGEST_WAIT) -> None:
        self.plan, self.operation = PLANS[plan], OPERATIONS[plan]
        self.clock = WallClock()
        self.store = FakeStore()
        self.requests: list[Request] = []
        self.effects: dict[str, dict[str, Any]] = {}
        """The document that each MS-RequestId has made."""
        self.ends: dict[str, list[End]] = defaultdict(list)
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.numbers = itertools.count(1)
        self.longest_wait = longest_wait
        self.once = self.instance(self.clock)

    def instance(self, clock: WallClock) -> ExactlyOnce:
        """An instance of the app that goes by this clock."""
        claims = Claims(
            self.store,
            clock=clock,
            sleep=asyncio.sleep,
            new_nonce=lambda: f"nonce-{next(self.numbers)}",
            lease_margin=MARGIN,
            longest_wait=self.longest_wait,
        )
        return ExactlyOnce(claims)

    async def send(self, step: str, claim: Claim) -> dict[str, Any]:
        """The document that a step makes. As a use case must, it says what is in doubt."""
        self.requests.append(
            Request(
                step,
                claim.request_id,
                claim.resumed,
                claim.first,
                claim.results,
                claim.earlier_answer,
                claim.under_way_for(),
                self.store.record,
            )
        )
        self.store.point(f"before {step}")
        end = self.ends[step].pop(0) if self.ends[step] else None
        if not (isinstance(end, Problem) and end.outcome is not Outcome.UNKNOWN):
            number = 1 + sum(document["step"] == step for document in self.effects.values())
            document = {"step": step, "number": number, "cart": claim.results.get("cart")}
            self.effects.setdefault(claim.request_id, document)
        self.store.point(f"after {step}")
        request_id, resumed = claim.request_id, claim.resumed
        await asyncio.sleep(self.seconds[step].pop(0) if self.seconds[step] else REQUEST_SECONDS)
        if isinstance(end, Problem) and resumed:
            raise in_doubt(end)
        if isinstance(end, BaseException):
            raise end.with_traceback(None)
        return self.effects[request_id] | {"status": end or "completed"}

    async def perform(self, claim: Claim) -> Answer:
        """Send the steps that are not done."""
        *before, last = self.plan.steps[len(claim.results) :]
        for step in before:
            await claim.finish_step(await self.send(step, claim))
        headers = {"MS-RequestId": claim.request_id, "MS-CV": f"call-{next(self.numbers)}"}
        return Answer(201, await self.send(last, claim), headers)

    def keyed(self, content: dict[str, Any] = CONTENT) -> Keyed:
        """What a call of this content asks for."""
        return Keyed(self.operation, self.plan, content)

    async def deliver(
        self,
        content: dict[str, Any] = CONTENT,
        *,
        seconds: float = DEADLINE,
        caller: str | None = None,
        perform: Callable[[Claim], Awaitable[Answer]] | None = None,
    ) -> Answer:
        """The answer to a call."""
        call = Call(CUSTOMER, CUSTOMER, "en-US", within(seconds), caller)
        return await self.once.run(call, self.keyed(content), perform or self.perform)

    async def fails(
        self, content: dict[str, Any] = CONTENT, *, code: str, **options: Any
    ) -> Problem:
        """The problem of a call that is not answered."""
        with pytest.raises(Problem) as caught:
            await self.deliver(content, **options)
        assert caught.value.code == code
        return caught.value

    async def ends_somehow(self, **options: Any) -> Answer | BaseException:
        """The answer or the exception of a call."""
        try:
            return await self.deliver(**options)
        except (Killed, Exception) as exception:
            return exception

    async def start(self, **options: Any) -> "asyncio.Task[Answer | BaseException]":
        """A call that has come as far as its first request."""
        task = asyncio.create_task(self.ends_somehow(**options))
        await asyncio.sleep(0)
        return task

    def vanish(self, point: str) -> None:
        """The store deletes all records the next time that a call comes to this point."""

        def delete(at: str) -> None:
            if at == point:
                self.store.inner._records.clear()
                self.store.point = lambda _: None

        self.store.point = delete

    def sent(self, step: str) -> list[Request]:
        """The requests of a step."""
        return [request for request in self.requests if request.step == step]

    def ids(self, step: str) -> list[str]:
        """The MS-RequestIds of a step, each once, in the order of their first use."""
        return list(dict.fromkeys(request.request_id for request in self.sent(step)))

    @property
    def states(self) -> list[str]:
        """The states of all records that were written."""
        return [record.state for record in self.store.written]

    async def put(self, record: Record) -> None:
        """Put another record in the place of the stored one."""
        name = self.operation.record_name()
        stored = await self.store.inner.read(name)
        assert stored
        assert await self.store.inner.replace(name, record, stored.version)


def warnings(answer: Answer) -> list[str]:
    return [warning["code"] for warning in answer.body.get("warnings", [])]


def done(record: Record) -> list[bool]:
    """Which steps of a record are done."""
    return [step.done for step in record.steps]
