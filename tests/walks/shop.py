"""The shop: it delivers one order until it has a final answer, and follows the contract's rules.

It repeats a request under the same key as long as the outcome is unknown or there was no answer.
After an answer that says that nothing was done, it orders again under a new key. It never does so
while an answer is still to come.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from cart_core.api.messages import Response
from tests.walks.judge import Judge, Sent
from tests.walks.partner_center import lines_of
from tests.walks.plan import Delivery, Plan, Put
from tests.walks.processes import Process

LONGEST_CALM: Final = 40
"""Deliveries after the last fault by which there is a final answer.

An unknown outcome may last for 5 minutes, and a lease of a dead process for 2.
"""
SHORTEST_PAUSE: Final = 20.0
"""Seconds between two of these deliveries; a longer Retry-After is obeyed."""

PUTS: Final = 5
"""How often a PUT is sent whose outcome is unknown."""


class Shop:
    """One order, and what the shop knows of it.

    `processes` are those that the app runs in. `now` is in seconds of the walk. `be_calm` ends the
    faults.
    """

    def __init__(
        self,
        plan: Plan,
        processes: list[Process],
        judge: Judge,
        *,
        now: Callable[[], float],
        tell: Callable[..., None],
        be_calm: Callable[[], None],
    ) -> None:
        self._plan, self._habits = plan, plan.habits
        self._processes = processes
        self._judge = judge
        self._now, self._tell, self._be_calm = now, tell, be_calm
        self._keys = 1
        self._last: Sent | None = None
        """The request under the present key that was sent last."""
        self._open: dict[str, asyncio.Task[None]] = {}
        self._cart_id: str | None = None
        self._sold = False
        """Some answer under the present key told of orders."""
        self._count = 0
        self._putting: list[asyncio.Task[Response | None]] = []
        self._puts: dict[int, list[Put]] = {}
        for put in plan.of(Put):
            self._puts.setdefault(put.delivery, []).append(put)

    @property
    def key(self) -> str:
        """The key of the order now."""
        return f"key-{self._keys}"

    async def run(self) -> None:
        """All deliveries of the plan, and then as many as it takes without any fault."""
        for delivery in self._plan.of(Delivery):
            await asyncio.sleep(delivery.pause)
            task = self._begin(delivery)
            if not delivery.parallel:
                await task
        await self._all_answered()
        self._be_calm()
        self._tell("walk", "no more faults")
        await self._to_the_end()

    # --- Deliveries ---------------------------------------------------------------------------

    def _begin(self, delivery: Delivery) -> "asyncio.Task[None]":
        """Deliver the order, under a new key where the last answer allows that."""
        last = self._last
        ended = last and last.refused and not self._open and not self._sold
        if last and ended and (delivery.new_key or not last.may_be_repeated):
            self._keys += 1
            self._cart_id = None
        self._count += 1
        sent = Sent(f"00000000-0000-4000-9000-{self._count:012}", self.key, self._now())
        self._judge.sent[sent.id] = self._last = sent
        task = asyncio.get_running_loop().create_task(self._deliver(delivery, sent, self._count))
        self._open[sent.id] = task
        return task

    async def _deliver(self, delivery: Delivery, sent: Sent, number: int) -> None:
        process = self._process(delivery.process)
        endpoint, path, headers, body = self._request(sent)
        self._tell("shop", "sends {} {} under {} to {}", endpoint, number, sent.key, process.name)
        task = process.handle(endpoint, path, headers, body)
        loop = asyncio.get_running_loop()
        if delivery.killed is not None:
            loop.call_later(delivery.killed, process.die)
        for put in self._puts.get(number, ()):
            loop.call_later(put.seconds, self._put_between, process)
        await asyncio.wait({task}, timeout=delivery.hang_up)
        sent.waits = False
        del self._open[sent.id]
        response = self._result(task, sent)
        if response is None:
            self._tell("shop", "has no answer to {}", number)
            return
        self._tell("shop", "is answered {}: {}", number, response)
        sent.answer = response
        if sent.key == self.key and endpoint == "create_cart" and response.status == 201:
            self._cart_id = response.body["id"]
        self._sold = self._sold or "orders" in response.body
        self._judge.answered(sent, response)
        if self._habits.mends and not self._open and _is_faulty(response):
            await self._mend(sent, response.body["cart"], process)

    def _request(self, sent: Sent) -> tuple[str, dict[str, str], dict[str, str], bytes]:
        """Endpoint, path, headers and body of what the shop has to send next."""
        headers = {"ms-correlationid": sent.id}
        if self._cart_id:
            return "checkout_cart", {"cartId": self._cart_id}, headers, b""
        headers["idempotency-key"] = sent.key
        endpoint = "create_cart" if self._habits.by_cart else "place_order"
        return endpoint, {}, headers, order(self._plan)

    def _process(self, number: int) -> Process:
        """A process that lives."""
        if not self._processes[number].alive:
            self._processes[number] = self._processes[number].successor()
        return self._processes[number]

    async def _all_answered(self) -> None:
        while self._open:
            await asyncio.wait(self._open.values())
        await asyncio.gather(*self._putting)

    # --- To the end ---------------------------------------------------------------------------

    async def _to_the_end(self) -> None:
        """Deliver until the answer is final. Then it is given again, and does nothing."""
        final: list[Response] = []
        for number in range(LONGEST_CALM):
            answer = await self._redeliver(number)
            if answer is None or not self._is_final(answer):
                continue
            recorded = not any(w["code"] == "not_recorded" for w in answer.body.get("warnings", ()))
            if final and recorded and answer.body != final[-1].body and _is_complete(final[-1]):
                self._judge.changed(final[-1], answer)
            final.append(answer)
            if len(final) == 2:
                return
        self._judge.never_ends(answer)

    async def _redeliver(self, number: int) -> Response | None:
        """The next answer, after the pause that the last one asked for."""
        before = self._last.answer if self._last else None
        asked = int(before.headers.get("Retry-After", 0)) if before else 0
        await asyncio.sleep(max(SHORTEST_PAUSE, asked))
        await self._begin(Delivery(0.0, number % len(self._processes)))
        return self._last.answer if self._last else None

    def _is_final(self, answer: Response) -> bool:
        """Whether the shop has nothing more to expect, as Partner Center is now."""
        body, habits = answer.body, self._habits
        if "orders" in body:
            forever = any(not passes for _, passes in habits.hopeless.values())
            gone = self._judge.center.carts[body["cartId"]].expired
            return body["status"] != "partial" or forever or habits.partial_is_ordered or gone
        return (
            body.get("outcome") in ("rejected", "not_sent")
            and not body["retryable"]
            and (
                habits.faulty
                or habits.never_created is not None
                or any(not passes for _, passes in habits.hopeless.values())
            )
        )

    # --- Putting a cart -----------------------------------------------------------------------

    async def _mend(self, sent: Sent, cart: Mapping[str, Any], process: Process) -> None:
        """Put the cart with other items, and deliver under the same key from then on."""
        lines = [line | {"catalogItemId": f"MENDED-{line['id']}:1:B"} for line in cart["lineItems"]]
        for _ in range(PUTS):
            response = await self._put(process, cart["id"], lines, who="shop")
            if response is None or response.body.get("outcome") != "unknown":
                break
            await asyncio.sleep(SHORTEST_PAUSE)
        self._last = None

    def _put_between(self, process: Process) -> None:
        """Somebody else puts another quantity."""
        carts = [c for c in self._judge.center.carts.values() if self._judge.key_of(c) == self.key]
        if carts and process.alive:
            lines = [{**line, "quantity": 7} for line in carts[-1].lines]
            put = self._put(process, carts[-1].id, lines, who="other caller")
            self._putting.append(asyncio.get_running_loop().create_task(put))

    async def _put(
        self, process: Process, cart_id: str, lines: list[dict[str, Any]], *, who: str
    ) -> Response | None:
        """Put a cart. After a refusal, this is the recovery that the contract prescribes."""
        if not process.alive:
            return None
        key = self.key
        self._count += 1
        sent = Sent(f"00000000-0000-4000-9000-{self._count:012}", "", self._now(), waits=False)
        self._judge.sent[sent.id] = sent
        self._tell(who, "puts {}", cart_id)
        body = json.dumps({"lineItems": lines}).encode()
        path = {"cartId": cart_id}
        task = process.handle("update_cart", path, {"ms-correlationid": sent.id}, body)
        await asyncio.wait({task})
        response = self._result(task, sent)
        self._tell(who, "put: {}", response)
        if self._judge.may_be_refused(key):
            self._judge.contents.append(lines_of(lines))
        return response

    def _result(self, task: "asyncio.Task[Response]", sent: Sent) -> Response | None:
        """The answer of a request; None if there is none yet, or its process died."""
        if not task.done():
            task.add_done_callback(_look_at)
            return None
        error = _look_at(task)
        if isinstance(error, Exception):
            self._judge.crashed(sent, error)
        return None if task.cancelled() or error else task.result()


def order(plan: Plan) -> bytes:
    """The order of a walk, with one line for each place in `groups`."""
    return json.dumps({"lineItems": order_lines(plan)}).encode()


def order_lines(plan: Plan) -> list[dict[str, Any]]:
    """The lines of the order."""
    return [
        {
            "id": number,
            "catalogItemId": f"ITEM-{number}:1:B",
            "quantity": number + 1,
            "billingCycle": "monthly",
            "termDuration": "P1M",
        }
        for number in range(len(plan.habits.groups))
    ]


def _is_complete(response: Response) -> bool:
    """Whether an answer is given again as it is from now on."""
    return response.body.get("status") in ("completed", "ordered")


def _is_faulty(response: Response) -> bool:
    return response.body.get("code") == "cart_not_orderable" and bool(response.body["cart"])


def _look_at(task: "asyncio.Task[Response]") -> BaseException | None:
    """The exception of a task that is done, so that the loop does not report it."""
    return None if task.cancelled() else task.exception()
