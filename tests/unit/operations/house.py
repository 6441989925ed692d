"""The app with a queue and a timer that a test drives, and processes that die at any write."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from urllib.parse import parse_qsl, urlsplit

from cart_core.api.invocation import answer, perform
from cart_core.api.messages import Invocation, Request, Response
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.bells import Bells, TakenMessage
from cart_core.operations.documents import Document, Documents, Listed
from cart_core.operations.memory_documents import MemoryDocuments
from cart_core.operations.operation import OPEN_PREFIX, AcceptedOperation
from cart_core.partner_center.retry import GATE_TASK
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import Killed, monotonic
from tests.kit.partner_center import Answer
from tests.kit.world import KEYED, World

ASYNC = KEYED | {"prefer": "respond-async"}
ORIGIN = "https://app.example"
LOCKED, RETRIED, MOST_TRIES, MINUTE = 600.0, 30.0, 5, 60.0
"""As the queue trigger does it with our host.json: the lock of a message whose process has died,
the pause after a try that failed, and how many tries there are."""

Point = Callable[[str], None]


class HookedDocuments(MemoryDocuments):
    """Documents that note their calls, and call `point` before and after each write."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.point: Point = lambda _: None
        self.down = False

    async def create(self, name: str, content: bytes, facts: Mapping[str, str]) -> str | None:
        self._before("create", name)
        version = await super().create(name, content, facts)
        self.point(f"after create {name}")
        return version

    async def replace(
        self, name: str, content: bytes, facts: Mapping[str, str], version: str
    ) -> str | None:
        self._before("replace", name)
        newer = await super().replace(name, content, facts, version)
        self.point(f"after replace {name}")
        return newer

    async def delete(self, name: str, version: str) -> bool:
        self._before("delete", name)
        deleted = await super().delete(name, version)
        self.point(f"after delete {name}")
        return deleted

    async def read(self, name: str) -> Document | None:
        self._note("read", name)
        return await super().read(name)

    async def list(self, prefix: str) -> list[Listed]:
        self._note("list", prefix)
        return await super().list(prefix)

    def _before(self, what: str, name: str) -> None:
        self._note(what, name)
        self.point(f"before {what} {name}")

    def _note(self, what: str, name: str) -> None:
        self.calls.append(f"{what} {name.partition('/')[0]}")
        if self.down:
            raise StoreUnavailable("The store is away.")


@dataclass(slots=True)
class Message:
    """A message in the queue, visible from `visible` on, in seconds of virtual time."""

    text: str
    visible: float
    taken: int = 0


class DrivenBells:
    """The queue, as a test sees it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.poisoned: list[TakenMessage] = []
        self.hung = 0
        self.point: Point = lambda _: None
        self.down = False

    async def hang(self, text: str, seconds: float) -> None:
        self.point("before hang")
        if self.down:
            raise StoreUnavailable("The queue is away.")
        self.hung += 1
        self.messages.append(Message(text, monotonic() + seconds))
        self.point("after hang")

    async def look(self) -> None:
        if self.down:
            raise StoreUnavailable("The queue is away.")

    async def take_poisoned(self) -> list[TakenMessage]:
        return list(self.poisoned)

    async def delete_poisoned(self, message: TakenMessage) -> None:
        self.poisoned.remove(message)


class House(World):
    """A world whose bells ring when the test lets time pass.

    With `queue` False no bell rings, with `timer` False nobody sweeps.
    """

    documents: HookedDocuments
    bells: DrivenBells

    def __init__(self, *answers: Answer, **settings: str) -> None:
        super().__init__(*answers, **settings)
        self.queue = self.timer = True
        self._next_sweep = MINUTE

    def accepted_in(self) -> tuple[Documents, Bells]:
        return HookedDocuments(), DrivenBells()

    # --- Time

    async def pass_time(self, seconds: float) -> None:
        """Let the queue and the timer do their work for so long.

        The timer sweeps every minute, and in a wait of many hours every ten: that does the same in
        a tenth of the time.
        """
        until = monotonic() + seconds
        pause = MINUTE if seconds <= 360 * MINUTE else 10 * MINUTE
        while True:
            due = [each.visible for each in self.bells.messages] if self.queue else []
            sweep = max(self._next_sweep, monotonic()) if self.timer else inf
            coming = min([*due, sweep])
            if coming > until:
                break
            await asyncio.sleep(max(0.0, coming - monotonic()))
            if coming == sweep:
                self._next_sweep = sweep + pause
                with suppress(StoreUnavailable, Killed):
                    await self.services.sweep()
            else:
                await self._ring()
        await asyncio.sleep(max(0.0, until - monotonic()))

    async def _ring(self) -> None:
        """Hand all messages that are visible now to the worker, each as often as it must be."""
        visible = [each for each in self.bells.messages if each.visible <= monotonic()]
        await asyncio.gather(*map(self._hand_over, visible))

    async def _hand_over(self, message: Message) -> None:
        message.visible, message.taken = monotonic() + LOCKED, message.taken + 1
        try:
            await self.services.answer_bell(message.text)
        except Killed:
            return
        except Exception:
            message.visible = monotonic() + RETRIED
            if message.taken < MOST_TRIES:
                return
            number = str(len(self.bells.poisoned))
            self.bells.poisoned.append(TakenMessage(number, number, message.text))
        self.bells.messages.remove(message)

    # --- Dying

    def dies_at(self, number: int) -> list[str]:
        """The process dies at this point, counted from 0; gives the points that were passed."""
        passed: list[str] = []

        def point(name: str) -> None:
            task = asyncio.current_task()
            if task and task.get_name() == GATE_TASK:
                return  # Nobody waits for it, so nobody would notice.
            passed.append(name)
            if len(passed) == number + 1:
                raise Killed

        self.documents.point = self.bells.point = self.store.point = point
        return passed

    def lives(self) -> None:
        """No process dies any more."""
        self.documents.point = self.bells.point = self.store.point = lambda _: None

    # --- What is there

    @property
    def open(self) -> list[AcceptedOperation]:
        """The operations that have not ended, as they are stored."""
        return self._stored(OPEN_PREFIX)

    @property
    def ended(self) -> list[AcceptedOperation]:
        """Those that have ended."""
        return self._stored("carts/ended/") + self._stored("purchases/ended/")

    def _stored(self, prefix: str) -> list[AcceptedOperation]:
        kept = self.documents._kept
        return [
            AcceptedOperation.from_json(kept[name].document.content)
            for name in sorted(kept)
            if name.startswith(prefix)
        ]


# --- A caller that polls


def address(accepted: Response, header: str = "Location") -> tuple[str, dict[str, str]]:
    """The id and the query of one of the addresses of a 202."""
    parts = urlsplit(accepted.headers[header])
    return parts.path.split("/")[3], dict(parse_qsl(parts.query))


async def result(world: World, accepted: Response) -> Response:
    """What is found at `Location` now."""
    return await poll(world, "get_accepted_result", *address(accepted))


async def monitor(world: World, accepted: Response) -> Response:
    """What is found at `Operation-Location` now."""
    return await poll(world, "get_accepted", *address(accepted, "Operation-Location"))


async def poll(world: World, endpoint: str, operation_id: str, query: dict[str, str]) -> Response:
    """What is found at an address, asked for without any header."""
    request = Request({}, {"id": operation_id}, b"", query, ORIGIN)
    return await answer(endpoint, world.endpoints[endpoint], request, CUSTOMER)


async def ended(world: World, accepted: Response) -> Response:
    """The result, polled as the answers ask."""
    while True:
        found = await result(world, accepted)
        if found.status != 202:
            return found
        await asyncio.sleep(int(found.headers["Retry-After"]))


async def order(
    world: World,
    body: bytes | None = None,
    *,
    customer: str = CUSTOMER,
    caller: str | None = None,
    query: Mapping[str, str] | None = None,
    **headers: str,
) -> Response:
    """An order that nobody waits for, as the whole app answers it."""
    asked = ASYNC | {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(asked, {"customerId": customer}, body or ORDER, query or {}, ORIGIN)
    invocation = Invocation(CUSTOMER, monotonic(), caller=caller)
    response, _ = await perform("place_order", world.endpoints["place_order"], request, invocation)
    return response


ORDER = b'{"lineItems": [{"catalogItemId": "A:1:B", "quantity": 1, "billingCycle": "monthly"}]}'
