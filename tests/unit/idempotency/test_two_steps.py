"""Operations of two steps: what is bought is written down first, and an end may leave them open."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cart_core.idempotency.decision import OperationId
from cart_core.idempotency.record import Record, StoredAnswer
from cart_core.idempotency.runner import RETENTION, Plan, Work
from cart_core.partner_center.errors import in_doubt
from cart_core.problem import Outcome, Problem
from tests.kit.builders import CUSTOMER
from tests.kit.fakes import Fault, Killed, in_virtual_time, monotonic
from tests.unit.idempotency.test_runner import (
    DEADLINE,
    LEASE,
    NOT_SENT,
    OTHER_BODY,
    REJECTED,
    START,
    UNKNOWN,
    UNKNOWN_400,
    Function,
    Job,
    warnings,
)

ORDER = OperationId("place_order", CUSTOMER, None, "key")


def in_full(answer: StoredAnswer) -> bool:
    return bool(answer.body["status"] != "partial")


ORDER_RETENTION = timedelta(days=90)
PLAN = Plan(["cart", "checkout"], ORDER_RETENTION, in_full)
SINGLE = Plan(["checkout"], ORDER_RETENTION, in_full)


class Shop(Function):
    """Orders placed in the processes of one function app: a cart is made, and then it is bought.

    The next checkouts end as `ends` says: in part, or not at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.checkouts: list[Work] = []
        self.bought: list[str] = []
        """The cart of each checkout that had its effect."""
        self.ends: list[BaseException | str | None] = []
        self.seconds = 5.0

    async def buy(self, todo: Work) -> StoredAnswer:
        if made := todo.results.get("cart"):
            return await self.check_out(todo, made["cartId"])
        made = (await self.center(todo)).body
        return await self.check_out(await todo.finish({"cartId": made["id"]}), made["id"])

    async def check_out(self, todo: Work, cart_id: str) -> StoredAnswer:
        self.checkouts.append(todo)
        end = self.ends.pop(0) if self.ends else None
        if not (isinstance(end, Problem) and end.outcome is not Outcome.UNKNOWN):
            self.bought.append(cart_id)
        await asyncio.sleep(self.seconds)
        if isinstance(end, Problem) and todo.resumed:
            raise in_doubt(end)
        if isinstance(end, BaseException):
            raise end
        body = {"cartId": cart_id, "status": end or "completed"}
        return StoredAnswer(status=201, headers={}, body=body)

    async def order(
        self,
        body: dict[str, Any] | None = None,
        *,
        plan: Plan = PLAN,
        work: Job | None = None,
        seconds: float = DEADLINE,
    ) -> tuple[StoredAnswer, bool]:
        return await self.deliver(
            body or {"lineItems": []},
            operation=ORDER,
            plan=plan,
            seconds=seconds,
            work=work or self.buy,
        )

    async def no_order(
        self, body: dict[str, Any] | None = None, *, plan: Plan = PLAN, work: Job | None = None
    ) -> Problem:
        with pytest.raises(Problem) as caught:
            await self.order(body, plan=plan, work=work)
        return caught.value

    @property
    def checkout_ids(self) -> list[str]:
        return [todo.request_id for todo in self.checkouts]

    @property
    def writes(self) -> list[tuple[Any, ...]]:
        """State, epoch, and which steps are done, of everything that was ever written."""
        return [(r.state, r.epoch, *(step.done for step in r.steps)) for r in self.store.written]


BOUGHT = {"cartId": "cart-1", "status": "completed"}


# --- one after the other ----------------------------------------------------------------------


@in_virtual_time
async def test_the_steps_are_done_one_after_the_other_and_remembered() -> None:
    shop = Shop()
    answer, replayed = await shop.order()
    assert (answer.body, replayed) == (BOUGHT, False)
    assert shop.writes == [
        ("in_progress", 0, False, False),
        ("in_progress", 0, True, False),
        ("completed", 0, True, True),
    ]
    kept = shop.store.record
    assert kept.answer == answer
    assert [step.request_id for step in kept.steps] == [
        *shop.center.request_ids,
        *shop.checkout_ids,
    ]
    assert len({step.request_id for step in kept.steps}) == 2
    assert [step.result for step in kept.steps] == [{"cartId": "cart-1"}, None]
    assert await shop.order() == (answer, True)
    assert shop.store.calls == ["create", "replace", "replace", "create", "read"]


@in_virtual_time
async def test_a_step_knows_what_came_of_those_before_it() -> None:
    shop = Shop()
    await shop.order()
    (making,), (buying,) = shop.center.heard, shop.checkouts
    assert (making.results, making.resumed, making.first) == ({}, False, True)
    assert (buying.resumed, buying.first) == (False, True)
    assert buying.results == {"cart": {"cartId": "cart-1"}}
    assert "finish" not in repr(buying)


@in_virtual_time
async def test_what_a_step_came_to_is_written_before_the_next_begins() -> None:
    shop = Shop()

    async def work(todo: Work) -> StoredAnswer:
        made = (await shop.center(todo)).body
        assert not shop.store.record.steps[0].done
        todo = await todo.finish({"cartId": made["id"]})
        kept = await shop.store.inner.read(ORDER.record_name())
        assert kept
        assert kept.record.steps[0].result == {"cartId": "cart-1"}
        assert (kept.record.state, kept.record.answer) == ("in_progress", None)
        assert kept.record.steps[1].request_id == todo.request_id
        return await shop.check_out(todo, made["id"])

    await shop.order(work=work)
    assert shop.bought == ["cart-1"]


@in_virtual_time
async def test_a_step_that_is_done_renews_no_lease() -> None:
    shop = Shop()
    shop.center.seconds = 60
    await shop.order()
    assert {record.lease_until for record in shop.store.written} == {
        START + timedelta(seconds=LEASE)
    }


@in_virtual_time
async def test_two_writes_of_one_run_never_carry_the_same_nonce() -> None:
    shop = Shop()
    shop.ends = ["partial", REJECTED]
    await shop.order()
    await shop.no_order()
    await shop.order()
    nonces = [record.nonce for record in shop.store.written]
    assert len(nonces) == len(set(nonces)) == 3 + 2 + 2


@in_virtual_time
async def test_a_twin_waits_for_both_steps() -> None:
    shop = Shop()
    (first, mine), (second, replayed) = await asyncio.gather(shop.order(), shop.order())
    assert first == second
    assert (mine, replayed) == (False, True)
    assert shop.bought == ["cart-1"]


@in_virtual_time
async def test_a_plan_of_one_step_is_done_with_its_answer() -> None:
    shop = Shop()
    answer, _ = await shop.order(plan=SINGLE, work=lambda todo: shop.check_out(todo, "cart-1"))
    assert answer.body == BOUGHT
    assert shop.writes == [("in_progress", 0, False), ("completed", 0, True)]


# --- how the first step ends ------------------------------------------------------------------


@pytest.mark.parametrize("end", [REJECTED, NOT_SENT], ids=["rejected", "not-sent"])
@in_virtual_time
async def test_without_the_first_step_the_key_is_free_for_something_else(end: Problem) -> None:
    shop = Shop()
    shop.center.ends = [end]
    assert await shop.no_order() is end
    assert shop.writes[-1] == ("released", 1, False, False)
    answer, _ = await shop.order(OTHER_BODY)
    assert (answer.body, shop.bought) == (BOUGHT, ["cart-1"])
    assert len(set(shop.center.request_ids)) == 2
    assert [todo.first for todo in shop.center.heard] == [True, False]
    assert shop.checkouts[0].first  # nobody was ever at that step


@in_virtual_time
async def test_a_first_step_in_doubt_is_resumed_under_its_request_id() -> None:
    shop = Shop()
    shop.center.ends = [UNKNOWN, REJECTED]
    await shop.no_order()
    problem = await shop.no_order()
    assert problem.outcome is Outcome.UNKNOWN
    assert shop.writes[-1] == ("unknown", 0, False, False)
    answer, _ = await shop.order()
    assert answer.body == BOUGHT
    assert len(set(shop.center.request_ids)) == 1
    assert shop.center.resumptions == [False, True, True]
    assert [todo.first for todo in shop.center.heard] == [True, False, False]
    (buying,) = shop.checkouts
    assert (buying.resumed, buying.first) == (False, True)


@in_virtual_time
async def test_whether_what_is_resumed_is_still_in_doubt_is_for_the_work_to_say() -> None:
    shop = Shop()
    shop.center.ends = [UNKNOWN]
    await shop.no_order()

    async def looks(todo: Work) -> StoredAnswer:
        assert todo.resumed
        raise REJECTED

    assert await shop.no_order(work=looks) is REJECTED
    assert shop.writes[-1] == ("released", 1, False, False)


# --- how the last step ends -------------------------------------------------------------------


@pytest.mark.parametrize("end", [REJECTED, NOT_SENT], ids=["rejected", "not-sent"])
@in_virtual_time
async def test_a_last_step_that_was_certainly_not_done_is_done_anew_and_no_other(
    end: Problem,
) -> None:
    shop = Shop()
    shop.ends = [end]
    assert await shop.no_order() is end
    assert shop.writes[-1] == ("open", 1, True, False)
    answer, replayed = await shop.order()
    assert (answer.body, replayed) == (BOUGHT, False)
    assert shop.writes[-2:] == [("in_progress", 1, True, False), ("completed", 1, True, True)]
    assert len(shop.center.heard) == 1
    assert len(set(shop.checkout_ids)) == 2
    again = shop.checkouts[1]
    assert (again.resumed, again.first) == (False, False)
    assert again.results == {"cart": {"cartId": "cart-1"}}


@in_virtual_time
async def test_what_was_done_in_part_stays_open_and_is_no_replay() -> None:
    shop = Shop()
    shop.ends = ["partial", "partial"]
    first, replayed = await shop.order()
    assert (first.body["status"], replayed) == ("partial", False)
    kept = shop.store.record
    assert (kept.state, kept.epoch, kept.answer) == ("open", 1, first)
    second, replayed = await shop.order()
    assert (second.body["status"], replayed) == ("partial", False)
    third, replayed = await shop.order()
    assert (third.body, replayed) == (BOUGHT, False)
    assert await shop.order() == (third, True)
    assert [state for state, *_ in shop.writes] == [
        "in_progress",
        "in_progress",
        "open",
        "in_progress",
        "open",
        "in_progress",
        "completed",
    ]
    assert len(set(shop.checkout_ids)) == 3
    assert [todo.first for todo in shop.checkouts] == [True, False, False]
    assert [todo.resumed for todo in shop.checkouts] == [False, False, False]
    assert [todo.answer for todo in shop.checkouts] == [None, first, second]
    assert len(shop.center.heard) == 1


@pytest.mark.parametrize("end", [UNKNOWN, REJECTED, Killed(), RuntimeError()], ids=repr)
@in_virtual_time
async def test_what_was_told_of_a_part_is_not_forgotten_whatever_comes_after(
    end: BaseException,
) -> None:
    shop = Shop()
    shop.ends = ["partial", end]
    first, _ = await shop.order()
    with contextlib.suppress(Problem, Killed, RuntimeError):
        await shop.order()
    assert shop.store.record.answer == first
    await asyncio.sleep(LEASE)
    await shop.order()
    assert [todo.answer for todo in shop.checkouts] == [None, first, first]
    assert shop.checkouts[2].resumed == (end is not REJECTED)


@in_virtual_time
async def test_an_answer_of_a_part_is_given_to_nobody_else() -> None:
    """Neither as a replay, nor to whoever comes once the record has expired."""
    shop = Shop()
    shop.ends = ["partial", "partial"]
    await shop.order()
    assert (await shop.no_order(OTHER_BODY)).code == "idempotency_key_reused"
    shop.clock.shift = ORDER_RETENTION.total_seconds()
    await shop.order(OTHER_BODY)
    assert shop.checkouts[1].answer is None


@in_virtual_time
async def test_each_opening_raises_the_epoch() -> None:
    shop = Shop()
    shop.ends = ["partial", REJECTED, NOT_SENT, "partial"]
    await shop.order()
    await shop.no_order()
    await shop.no_order()
    await shop.order()
    assert shop.store.record.epoch == 4
    await shop.order()
    assert len(set(shop.checkout_ids)) == 5
    assert shop.store.record.epoch == 4


@pytest.mark.parametrize("end", ["partial", REJECTED], ids=["partial", "rejected"])
@in_virtual_time
async def test_what_is_open_is_bound_to_its_content(end: Any) -> None:
    shop = Shop()
    shop.ends = [end]
    if end == "partial":
        await shop.order()
    else:
        await shop.no_order()
    problem = await shop.no_order(OTHER_BODY)
    assert (problem.code, problem.outcome) == ("idempotency_key_reused", Outcome.NOT_SENT)
    assert len(shop.checkouts) == 1
    assert shop.store.record.state == "open"


@pytest.mark.parametrize("end", [UNKNOWN, UNKNOWN_400, RuntimeError("a bug")], ids=repr)
@in_virtual_time
async def test_a_last_step_in_doubt_is_resumed_under_its_request_id(end: Exception) -> None:
    shop = Shop()
    shop.ends = [end, REJECTED]
    with pytest.raises(type(end)) as caught:
        await shop.order()
    assert caught.value is end
    assert shop.writes[-1] == ("unknown", 0, True, False)
    assert (await shop.no_order()).outcome is Outcome.UNKNOWN
    assert shop.writes[-1] == ("unknown", 0, True, False)
    await shop.order()
    assert len(set(shop.checkout_ids)) == 1
    assert [todo.resumed for todo in shop.checkouts] == [False, True, True]
    assert [todo.first for todo in shop.checkouts] == [True, False, False]
    assert len(shop.center.heard) == 1
    assert set(shop.bought) == {"cart-1"}


@in_virtual_time
async def test_a_doubt_that_is_settled_leaves_the_last_step_open() -> None:
    """The work has looked: the cart is not ordered."""
    shop = Shop()
    shop.ends = [UNKNOWN]
    await shop.no_order()

    async def looks(todo: Work) -> StoredAnswer:
        raise REJECTED

    await shop.no_order(work=looks)
    assert shop.writes[-1] == ("open", 1, True, False)
    await shop.order()
    assert len(set(shop.checkout_ids)) == 2
    assert [todo.resumed for todo in shop.checkouts] == [False, False]


@in_virtual_time
async def test_an_only_step_that_was_done_in_part_is_never_free_again() -> None:
    shop = Shop()
    shop.ends = ["partial", REJECTED, None]

    async def work(todo: Work) -> StoredAnswer:
        return await shop.check_out(todo, "cart-1")

    await shop.order(plan=SINGLE, work=work)
    assert shop.writes[-1] == ("open", 1, False)
    await shop.no_order(plan=SINGLE, work=work)
    assert shop.writes[-1] == ("open", 2, False)
    problem = await shop.no_order(OTHER_BODY, plan=SINGLE, work=work)
    assert problem.code == "idempotency_key_reused"
    await shop.order(plan=SINGLE, work=work)
    assert [todo.first for todo in shop.checkouts] == [True, False, False]
    assert len(set(shop.checkout_ids)) == 3


@in_virtual_time
async def test_an_only_step_that_was_not_done_at_all_is_free_again_but_no_first_one() -> None:
    shop = Shop()
    shop.ends = [REJECTED]

    async def work(todo: Work) -> StoredAnswer:
        return await shop.check_out(todo, "cart-1")

    await shop.no_order(plan=SINGLE, work=work)
    assert shop.writes[-1] == ("released", 1, False)
    await shop.order(OTHER_BODY, plan=SINGLE, work=work)
    assert [todo.first for todo in shop.checkouts] == [True, False]


@in_virtual_time
async def test_a_step_on_record_goes_under_its_id_even_if_this_release_would_make_another() -> None:
    shop = Shop()
    shop.ends = [UNKNOWN]
    await shop.no_order()
    left = shop.store.record
    steps = [step.model_copy(update={"request_id": f"older-{step.name}"}) for step in left.steps]
    stored = await shop.store.inner.read(ORDER.record_name())
    assert stored
    older = left.model_copy(update={"steps": steps})
    await shop.store.inner.replace(ORDER.record_name(), older, stored.version)
    await shop.order()
    assert shop.checkout_ids[-1] == "older-checkout"
    assert [step.request_id for step in shop.store.record.steps] == [
        "older-cart",
        "older-checkout",
    ]


# --- the write between the steps --------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost", "met itself"])
@in_virtual_time
async def test_a_write_between_the_steps_is_ours_though_its_answer_got_lost(fault: Fault) -> None:
    shop = Shop()
    shop.store.fails("replace", fault)
    answer, _ = await shop.order()
    assert (answer.body, warnings(answer)) == (BOUGHT, [])
    assert shop.writes == [
        ("in_progress", 0, False, False),
        ("in_progress", 0, True, False),
        ("completed", 0, True, True),
    ]
    assert len(shop.checkouts) == 1


@in_virtual_time
async def test_a_write_between_the_steps_is_ours_even_if_it_takes_long_to_find_out() -> None:
    shop = Shop()
    shop.store.fails("replace", "lost", "down", "", "")
    shop.store.fails("read", "down", "down")
    answer, _ = await shop.order()
    assert (answer.body, warnings(answer)) == (BOUGHT, [])
    assert await shop.order() == (answer, True)


@in_virtual_time
async def test_a_store_that_comes_back_in_time_lets_the_order_go_on() -> None:
    shop = Shop()
    shop.store.fails("replace", "down", times=8)
    answer, _ = await shop.order()
    assert (answer.body, warnings(answer)) == (BOUGHT, [])
    assert len(shop.checkouts) == 1


@pytest.mark.parametrize("fault", ["down", "lost"])
@in_virtual_time
async def test_what_cannot_be_written_down_is_not_bought(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop()
    shop.store.reason = "The store answered 500."
    shop.store.fails("replace", fault)
    shop.store.fails("replace", "down", times=1000)
    shop.store.fails("read", "down", times=1000)
    with caplog.at_level(logging.WARNING, "cart_core.idempotency.runner"):
        problem = await shop.no_order()
    assert (problem.code, problem.kind.status) == ("store_unavailable", 503)
    assert (problem.outcome, problem.kind.retryable) == (Outcome.UNKNOWN, True)
    assert problem.detail.startswith("The store answered 500. ")
    assert DEADLINE - 5 < monotonic() <= DEADLINE
    assert (shop.checkouts, shop.bought) == ([], [])
    assert "not recorded" in caplog.text
    shop.store.faults.clear()
    await asyncio.sleep(LEASE - monotonic())
    answer, replayed = await shop.order()
    assert (answer.body, replayed) == (BOUGHT, False)
    assert shop.bought == ["cart-1"]
    assert len(set(shop.center.request_ids)) == 1
    assert len(shop.center.heard) == (2 if fault == "down" else 1)


@in_virtual_time
async def test_a_store_that_comes_back_too_late_learns_that_it_is_unknown() -> None:
    shop = Shop()
    shop.store.fails("replace", "down", times=1000)
    attempts = shop.store.calls

    async def work(todo: Work) -> StoredAnswer:
        try:
            return await shop.buy(todo)
        finally:
            shop.store.faults.clear()

    problem = await shop.no_order(work=work)
    assert problem.code == "store_unavailable"
    assert attempts.count("replace") > 10
    assert shop.writes[-1] == ("unknown", 0, False, False)
    answer, _ = await shop.order()
    assert answer.body == BOUGHT
    assert shop.center.resumptions == [False, True]
    assert shop.bought == ["cart-1"]


@in_virtual_time
async def test_a_record_that_vanishes_between_the_steps_stops_the_order() -> None:
    shop = Shop()

    async def work(todo: Work) -> StoredAnswer:
        shop.store.inner._records.clear()
        return await shop.buy(todo)

    problem = await shop.no_order(work=work)
    assert (problem.code, problem.outcome) == ("store_unavailable", Outcome.UNKNOWN)
    assert shop.checkouts == []


# --- a lease that is lost ---------------------------------------------------------------------


@in_virtual_time
async def test_who_lost_the_lease_between_the_steps_buys_nothing() -> None:
    shop = Shop()
    shop.center.seconds = 300
    slow = asyncio.create_task(shop.no_order())
    await asyncio.sleep(LEASE)
    shop.center.seconds = 5
    answer, replayed = await shop.order()
    assert (answer.body, replayed) == (BOUGHT, False)
    kept = shop.store.record
    problem = await slow
    assert (problem.code, problem.outcome) == ("operation_in_progress", Outcome.UNKNOWN)
    assert problem.retry_after
    assert 1 <= problem.retry_after <= 10
    assert shop.store.record is kept
    assert len(shop.checkouts) == 1
    assert await shop.order() == (answer, True)


@pytest.mark.parametrize("end", [UNKNOWN, REJECTED, Killed(), "partial"], ids=repr)
@in_virtual_time
async def test_who_lost_the_lease_to_one_who_failed_buys_nothing_either(end: Any) -> None:
    shop = Shop()
    shop.center.seconds = 300
    slow = asyncio.create_task(shop.no_order())
    await asyncio.sleep(LEASE)
    shop.center.seconds, shop.ends = 5, [end]
    with contextlib.suppress(Problem, Killed):
        await shop.order()
    kept = shop.store.record
    assert (await slow).code == "operation_in_progress"
    assert shop.store.record is kept
    assert len(shop.checkouts) == 1


@in_virtual_time
async def test_a_partner_center_that_makes_two_carts_of_one_request_sells_one() -> None:
    """The slow one's cart is another: nobody wrote it down, so nobody buys it."""
    shop = Shop()

    numbers = itertools.count(1)

    async def work(todo: Work) -> StoredAnswer:
        cart_id, seconds = f"cart-{next(numbers)}", pauses.pop(0)
        await asyncio.sleep(seconds)
        return await shop.check_out(await todo.finish({"cartId": cart_id}), cart_id)

    pauses = [300, 5]
    slow = asyncio.create_task(shop.no_order(work=work))
    await asyncio.sleep(LEASE)
    answer, _ = await shop.order(work=work)
    assert answer.body["cartId"] == "cart-2"
    assert (await slow).code == "operation_in_progress"
    assert shop.bought == ["cart-2"]


@in_virtual_time
async def test_a_successor_goes_on_with_what_is_written_down() -> None:
    """Both are at the second step then, and under one request id, for one cart."""
    shop = Shop()
    shop.seconds = 300
    slow = asyncio.create_task(shop.order())
    await asyncio.sleep(LEASE)
    shop.seconds = 5
    answer, replayed = await shop.order()
    assert (answer.body, replayed) == (BOUGHT, False)
    assert await slow == (answer, True)
    assert len(set(shop.checkout_ids)) == 1
    assert [todo.resumed for todo in shop.checkouts] == [False, True]
    assert [todo.first for todo in shop.checkouts] == [True, False]
    assert len(shop.center.heard) == 1


@pytest.mark.parametrize("successor", ["completed", "partial"])
@pytest.mark.parametrize("end", ["partial", REJECTED], ids=["partial", "rejected"])
@in_virtual_time
async def test_an_end_that_comes_too_late_is_not_told(end: Any, successor: str) -> None:
    """What counts is on record: the successor's answer, or that there is more to do."""
    shop = Shop()
    shop.seconds, shop.ends = 300, [end, successor]
    slow = asyncio.create_task(shop.order())
    await asyncio.sleep(LEASE)
    shop.seconds = 5
    answer, _ = await shop.order()
    assert answer.body["status"] == successor
    if successor == "completed":
        assert await slow == (answer, True)
        return
    with pytest.raises(Problem, match="operation_in_progress"):
        await slow
    assert shop.store.record.state == "open"


# --- what cannot be recorded at the end -------------------------------------------------------


@in_virtual_time
async def test_a_partial_end_that_cannot_be_recorded_is_told_with_a_warning() -> None:
    shop = Shop()
    shop.ends = ["partial"]
    shop.store.fails("replace", "")
    shop.store.fails("replace", "down", times=1000)
    answer, replayed = await shop.order()
    assert (answer.body["status"], warnings(answer)) == ("partial", ["not_recorded"])
    assert not replayed
    shop.store.faults.clear()
    await asyncio.sleep(LEASE - monotonic())
    answer, _ = await shop.order()
    assert (answer.body, shop.checkouts[1].resumed) == (BOUGHT, True)
    assert len(set(shop.checkout_ids)) == 1


# --- for how long it counts -------------------------------------------------------------------


@in_virtual_time
async def test_each_write_counts_for_as_long_as_the_plan_says() -> None:
    shop = Shop()
    shop.ends = ["partial"]
    await shop.order()
    assert [record.expires_at - START for record in shop.store.written] == [
        ORDER_RETENTION,
        ORDER_RETENTION + timedelta(seconds=5),
        ORDER_RETENTION + timedelta(seconds=10),
    ]
    shop.store.written.clear()
    shop.clock.shift = RETENTION.total_seconds() * 2
    answer, _ = await shop.order()
    assert answer.body == BOUGHT
    shop.clock.shift += ORDER_RETENTION.total_seconds() - 1
    assert await shop.order() == (answer, True)


@pytest.mark.parametrize("ends", [[], ["partial"], [REJECTED], [UNKNOWN]], ids=repr)
@in_virtual_time
async def test_an_operation_that_expired_is_begun_anew_under_other_request_ids(
    ends: list[Any],
) -> None:
    shop = Shop()
    shop.ends = ends
    with contextlib.suppress(Problem):
        await shop.order()
    shop.clock.shift = ORDER_RETENTION.total_seconds()
    answer, replayed = await shop.order(OTHER_BODY)
    assert (answer.body["cartId"], replayed) == ("cart-2", False)
    assert len(set(shop.center.request_ids)) == len(set(shop.checkout_ids)) == 2
    assert [todo.first for todo in shop.center.heard] == [True, False]
    assert shop.center.resumptions == [False, False]


# --- where a process dies ---------------------------------------------------------------------


CRASHES: dict[str, Callable[[Shop], None]] = {
    "at the first step": lambda shop: shop.center.ends.append(Killed()),
    "before the write between": lambda shop: shop.store.fails("replace", "killed before"),
    "after the write between": lambda shop: shop.store.fails("replace", "killed after"),
    "at the second step": lambda shop: shop.ends.append(Killed()),
    "before the record": lambda shop: shop.store.fails("replace", "", "killed before"),
}


async def crash(shop: Shop, point: str) -> Record:
    """One delivery that dies at a certain point, and what it left."""
    CRASHES[point](shop)
    with pytest.raises(Killed):
        await shop.order()
    return shop.store.record


@pytest.mark.parametrize("point", CRASHES)
@in_virtual_time
async def test_killed_at_any_point_the_same_cart_is_bought_in_the_end(point: str) -> None:
    shop = Shop()
    left = await crash(shop, point)
    assert left.state == "in_progress"
    written = left.steps[0].done
    assert written == (point not in {"at the first step", "before the write between"})
    assert (await shop.no_order()).code == "operation_in_progress"
    await asyncio.sleep(LEASE)
    made, bought = len(shop.center.heard), len(shop.checkouts)
    answer, replayed = await shop.order()
    assert (answer.body, replayed) == (BOUGHT, False)
    assert len(shop.center.heard) == made + (0 if written else 1)
    again = shop.checkouts[bought]
    assert (again.resumed, again.first) == (written, not written)
    assert len(set(shop.checkout_ids)) == len(set(shop.center.request_ids)) == 1
    assert set(shop.bought) == {"cart-1"}
    assert await shop.order() == (answer, True)


@pytest.mark.parametrize("second", ["at the second step", "before the record"])
@pytest.mark.parametrize("first", CRASHES)
@in_virtual_time
async def test_killed_twice_it_is_still_one_cart_that_is_bought(first: str, second: str) -> None:
    shop = Shop()
    written = (await crash(shop, first)).steps[0].done
    await asyncio.sleep(LEASE)
    if not written:
        shop.store.fails("replace", "")  # the second claim; the others have one write less to do
    await crash(shop, second)
    await asyncio.sleep(LEASE)
    answer, _ = await shop.order()
    assert answer.body == BOUGHT
    assert len(set(shop.checkout_ids)) == len(set(shop.center.request_ids)) == 1
    assert set(shop.bought) == {"cart-1"}
    assert shop.store.record.epoch == 0


@pytest.mark.parametrize("fault", ["killed before", "killed after"])
@in_virtual_time
async def test_killed_at_the_opening_nothing_is_lost(fault: Fault) -> None:
    shop = Shop()
    shop.ends = ["partial"]
    shop.store.fails("replace", "", fault)
    with pytest.raises(Killed):
        await shop.order()
    await asyncio.sleep(LEASE)
    answer, _ = await shop.order()
    assert answer.body == BOUGHT
    assert len(set(shop.checkout_ids)) == (1 if fault == "killed before" else 2)
    assert shop.checkouts[1].resumed == (fault == "killed before")
    assert not shop.checkouts[1].first
