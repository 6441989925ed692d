"""The checkout procedure in virtual time: what it does after each answer, and when it says no."""

import asyncio
import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from cart_core.api.messages import Call
from cart_core.call import Errand
from cart_core.idempotency.record import StoredAnswer
from cart_core.idempotency.runner import Work
from cart_core.partner_center.carts import Carts
from cart_core.partner_center.retry import MAX_TRIES, Forwarding
from cart_core.problem import CATALOGUE, Fault, FieldError, Outcome, Problem
from cart_core.use_cases.buying import PAUSES, CheckoutProcedure, Next, after_failure
from tests.kit.builders import CART_ID, CUSTOMER
from tests.kit.fakes import FakeTokens, WallClock, in_virtual_time, monotonic, within
from tests.kit.purchases import (
    ACTIVE,
    BOUGHT,
    BROKEN,
    FORBIDDEN,
    GONE,
    IN_PROGRESS,
    IN_USE,
    LINE_ERRORS,
    LOST,
    NOT_SENT,
    NOTHING,
    ORDER_ERROR,
    ORDERED,
    PARTIAL,
    SEVERAL,
    SEVERAL_UNSOLD,
    SUBMITTED,
    THROTTLED,
    UNSOLD,
    USER,
    Answer,
    FakePartnerCenter,
    cart_document,
    checkout_document,
    refused,
    reply,
)

CONFLICT = refused(409, "900112")
ODD, NO_STATE = reply(200, cart_document("Expired")), reply(200, cart_document(None))

STATES = [
    pytest.param(doubt, ordered, id=f"doubt={doubt:d}-ordered={ordered:d}")
    for doubt in (False, True)
    for ordered in (False, True)
]


class Desk:
    """The procedure over a Partner Center that answers as told."""

    def __init__(self, checkouts: list[Answer], carts: list[Answer] | None = None) -> None:
        self.center = FakePartnerCenter()
        self.center.script["checkout"] = list(checkouts)
        self.center.script["get"] = list(carts or [])
        self.call = Call("correlation-1", began=0.0)
        self.pauses: list[tuple[float, float]] = []
        ids = (f"new-{number}" for number in itertools.count(1))
        forwarding = Forwarding(
            FakeTokens(),
            clock=WallClock(),
            sleep=asyncio.sleep,
            uniform=lambda low, high: low,
            longest_wait=5,
            max_concurrent=64,
        )
        self._procedure = CheckoutProcedure(
            Carts(forwarding, self.center, monotonic=monotonic),
            sleep=asyncio.sleep,
            uniform=self._uniform,
            new_guid=lambda: next(ids),
        )

    async def run(
        self,
        *,
        first: bool = True,
        resumed: bool = False,
        seconds: float = 1000.0,
        warnings: tuple[FieldError, ...] = (),
        earlier: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        async def finish(result: dict[str, Any]) -> Work:
            raise AssertionError("the use case's business")

        errand = Errand(self.call, CUSTOMER, "fr-FR", within(seconds))
        answer = StoredAnswer(status=201, headers={}, body=earlier) if earlier else None
        todo = Work("first", finish, resumed=resumed, first=first, answer=answer)
        return await self._procedure.run(errand, CART_ID, USER, todo, warnings)

    async def fails(self, **how: Any) -> Problem:
        with pytest.raises(Problem) as caught:
            await self.run(**how)
        return caught.value

    @property
    def trail(self) -> str:
        """What was asked for in order: `get`, or the number of a checkout's MS-RequestId."""
        ids: list[str] = []
        steps = []
        for asked in self.center.asked:
            if asked.operation == "checkout" and asked.request_id not in ids:
                ids.append(asked.request_id)
            checkout = asked.operation == "checkout"
            steps.append(str(1 + ids.index(asked.request_id)) if checkout else asked.operation)
        return " ".join(steps)

    def _uniform(self, low: float, high: float) -> float:
        self.pauses.append((low, high))
        return low


# --- what to do after a failure ---------------------------------------------------------------


def problem_of(code: str, theirs: str | None = None, outcome: Outcome | None = None) -> Problem:
    fault = Fault(CATALOGUE[code].status, theirs) if theirs else None
    return Problem(code, "words", fault=fault, outcome=outcome)


@pytest.mark.parametrize(("doubt", "ordered"), STATES)
@pytest.mark.parametrize(
    "problem",
    [
        problem_of("partner_center_conflict", "800060"),
        problem_of("partner_center_invalid_request", "800065"),
        problem_of("partner_center_no_answer", "800065", Outcome.UNKNOWN),
    ],
    ids=["800060", "800065", "left-open"],
)
def test_what_may_mean_that_it_is_ordered(problem: Problem, doubt: bool, ordered: bool) -> None:
    expected = Next.ORDERED if ordered else Next.FIND_OUT
    assert after_failure(problem, doubt=doubt, ordered=ordered) is expected


@pytest.mark.parametrize(("doubt", "ordered"), STATES)
@pytest.mark.parametrize(
    "code", [code for code, kind in CATALOGUE.items() if kind.outcome is Outcome.UNKNOWN]
)
def test_whatever_may_have_had_its_effect_is_found_out(
    code: str, doubt: bool, ordered: bool
) -> None:
    assert after_failure(problem_of(code), doubt=doubt, ordered=ordered) is Next.FIND_OUT


@pytest.mark.parametrize(("doubt", "ordered"), STATES)
@pytest.mark.parametrize(
    "code",
    [
        code
        for code, kind in CATALOGUE.items()
        if kind.retryable and kind.outcome is not Outcome.UNKNOWN
    ],
)
def test_what_the_caller_may_repeat_is_told_at_once(code: str, doubt: bool, ordered: bool) -> None:
    assert after_failure(problem_of(code), doubt=doubt, ordered=ordered) is Next.RAISE


DEFINITE = [
    code
    for code, kind in CATALOGUE.items()
    if not kind.retryable and kind.outcome is not Outcome.UNKNOWN
]
ABOUT_THE_CART = {
    *("partner_center_invalid_request", "partner_center_not_found", "partner_center_conflict"),
    *("partner_center_precondition_failed", "partner_center_expectation_failed"),
    "checkout_failed",
}


@pytest.mark.parametrize(("doubt", "ordered"), STATES)
@pytest.mark.parametrize("code", DEFINITE)
def test_a_refusal(code: str, doubt: bool, ordered: bool) -> None:
    if ordered:  # what is ordered is refused because it is; but who may not ask, may not
        expected = Next.ORDERED if code in ABOUT_THE_CART else Next.RAISE
    else:
        worth_a_look = doubt or code == "checkout_failed"
        expected = Next.CONFIRM if worth_a_look else Next.RAISE
    assert after_failure(problem_of(code), doubt=doubt, ordered=ordered) is expected


def test_the_refusals_are_known() -> None:
    assert set(DEFINITE) > ABOUT_THE_CART
    assert {"partner_center_forbidden", "partner_center_unauthorized"} < set(DEFINITE)


@pytest.mark.parametrize(("doubt", "ordered"), STATES)
def test_errors_of_lines_are_looked_up(doubt: bool, ordered: bool) -> None:
    problem = problem_of("partner_center_invalid_request", "800009")
    expected = Next.ORDERED if ordered else Next.CONFIRM
    assert after_failure(problem, doubt=doubt, ordered=ordered) is expected


# --- paths that end in an answer --------------------------------------------------------------


@dataclass(frozen=True)
class Path:
    """What Partner Center answers, what it is asked for, and the end: a status, or a problem."""

    checkouts: list[Answer]
    carts: list[Answer]
    trail: str
    end: str
    outcome: str = ""
    first: bool = True
    resumed: bool = False


ANSWERED = {
    "at once": Path([BOUGHT], [], "1", "completed"),
    "in part": Path([PARTIAL], [], "1", "partial"),
    "busy for a while": Path([IN_USE, IN_USE, BOUGHT], [], "1 1 1", "completed"),
    "throttled for a while": Path([THROTTLED, BOUGHT], [], "1 1", "completed"),
    "never sent at first": Path([NOT_SENT, NOT_SENT, BOUGHT], [], "1 1 1", "completed"),
    "lost, and nothing happened": Path([LOST, BOUGHT], [ACTIVE], "1 get 1", "completed"),
    "lost, and it happened": Path([LOST, BOUGHT], [ORDERED], "1 get 1", "completed"),
    "lost, and not repeated": Path([LOST, SUBMITTED], [ORDERED], "1 get 1", "ordered"),
    "lost, and in progress": Path([LOST, IN_PROGRESS], [ORDERED], "1 get 1", "ordered"),
    "lost twice": Path([LOST, LOST, BOUGHT], [ACTIVE, ORDERED], "1 get 1 get 1", "completed"),
    "lost twice when ordered": Path(
        [LOST, LOST, SUBMITTED], [ORDERED, ORDERED], "1 get 1 get 1", "ordered"
    ),
    "broken": Path([BROKEN, BOUGHT], [ACTIVE], "1 get 1", "completed"),
    "unreadable": Path([reply(201, {}), BOUGHT], [ORDERED], "1 get 1", "completed"),
    "unreadable text": Path([reply(201, "ok"), BOUGHT], [ORDERED], "1 get 1", "completed"),
    "submitted": Path([SUBMITTED, BOUGHT], [ORDERED], "1 get 2", "completed"),
    "submitted, and not repeated": Path([SUBMITTED, SUBMITTED], [ORDERED], "1 get 2", "ordered"),
    "submitted, but active": Path([SUBMITTED, BOUGHT], [ACTIVE], "1 get 2", "completed"),
    "in progress": Path([IN_PROGRESS, BOUGHT], [ACTIVE], "1 get 2", "completed"),
    "in progress for long": Path(
        [IN_PROGRESS, IN_PROGRESS, SUBMITTED], [ACTIVE, ORDERED], "1 get 2 get 3", "ordered"
    ),
    "lost, then submitted": Path(
        [LOST, SUBMITTED, SUBMITTED], [ACTIVE, ORDERED], "1 get 1 get 2", "ordered"
    ),
    "in progress, then lost": Path(
        [IN_PROGRESS, LOST, BOUGHT], [ACTIVE, ACTIVE], "1 get 2 get 2", "completed"
    ),
    "lost, refused, but ordered": Path(
        [LOST, FORBIDDEN, BOUGHT], [ACTIVE, ORDERED], "1 get 1 get 2", "completed"
    ),
    "lost, refused, but ordered, and not repeated": Path(
        [LOST, FORBIDDEN, SUBMITTED], [ACTIVE, ORDERED], "1 get 1 get 2", "ordered"
    ),
    "lost, nothing ordered, but ordered": Path(
        [LOST, NOTHING, SUBMITTED], [ACTIVE, ORDERED], "1 get 1 get 2", "ordered"
    ),
    "errors of lines, but somebody ordered it": Path(
        [LINE_ERRORS, BOUGHT], [ORDERED], "1 get 2", "completed"
    ),
    "nothing ordered, but somebody ordered it": Path(
        [NOTHING, SUBMITTED], [ORDERED], "1 get 2", "ordered"
    ),
    "lost, ordered, and nothing ordered": Path([LOST, NOTHING], [ORDERED], "1 get 1", "ordered"),
    "lost, ordered, and errors of lines": Path(
        [LOST, LINE_ERRORS], [ORDERED], "1 get 1", "ordered"
    ),
    "lost, ordered, and gone": Path([LOST, GONE], [ORDERED], "1 get 1", "ordered"),
    "lost, ordered, and a conflict": Path([LOST, CONFLICT], [ORDERED], "1 get 1", "ordered"),
    "ordered, and then said to be active": Path(
        [LOST, LOST, SUBMITTED], [ORDERED, ACTIVE], "1 get 1 get 1", "ordered"
    ),
    "ordered, and then said to have errors": Path(
        [LOST, LOST, BOUGHT], [ORDERED, UNSOLD], "1 get 1 get 1", "completed"
    ),
    "lost, of several orders": Path([LOST, PARTIAL], [SEVERAL], "1 get 1", "partial"),
    "resumed, and nothing happened": Path(
        [BOUGHT], [ACTIVE], "get 1", "completed", first=False, resumed=True
    ),
    "resumed, and it happened": Path(
        [BOUGHT], [ORDERED], "get 1", "completed", first=False, resumed=True
    ),
    "resumed, and not repeated": Path(
        [SUBMITTED], [ORDERED], "get 1", "ordered", first=False, resumed=True
    ),
    "resumed, and late": Path(
        [SUBMITTED, SUBMITTED],
        [ACTIVE, ORDERED],
        "get 1 get 2",
        "ordered",
        first=False,
        resumed=True,
    ),
    "again": Path([BOUGHT], [ACTIVE], "get 1", "completed", first=False),
    "again, and ordered since": Path([SUBMITTED], [ORDERED], "get 1", "ordered", first=False),
    "resumed, ordered, and nothing ordered": Path(
        [NOTHING], [ORDERED], "get 1", "ordered", first=False, resumed=True
    ),
    "again, ordered since, and nothing ordered": Path(
        [NOTHING], [ORDERED], "get 1", "ordered", first=False
    ),
    "again, ordered since, and gone": Path([GONE], [ORDERED], "get 1", "ordered", first=False),
    "again, after a part": Path([PARTIAL], [ACTIVE], "get 1", "partial", first=False),
}


@pytest.mark.parametrize("path", ANSWERED.values(), ids=ANSWERED.keys())
@in_virtual_time
async def test_a_path_to_an_answer(path: Path) -> None:
    desk = Desk(path.checkouts, path.carts)
    answer = await desk.run(first=path.first, resumed=path.resumed)
    assert (desk.trail, answer["status"]) == (path.trail, path.end)
    assert (answer["cartId"], answer["customerId"]) == (CART_ID, CUSTOMER)
    ordered = path.end == "ordered"
    assert [order["id"] for order in answer["orders"]] == ([] if ordered else ["order-1"])
    assert [error["code"] for error in answer["orderErrors"]] == (
        ["800023"] if path.end == "partial" else []
    )
    assert [warning["code"] for warning in answer["warnings"]] == (
        ["orders_not_retrieved"] if ordered else []
    )
    assert desk.center.script == {"checkout": [], "get": []}


# --- paths that end in a problem --------------------------------------------------------------

FAILED = {
    "refused": Path([FORBIDDEN], [], "1", "partner_center_forbidden", "rejected"),
    "gone": Path([GONE], [], "1", "partner_center_not_found", "rejected"),
    "nothing ordered": Path([NOTHING], [ACTIVE], "1 get", "checkout_failed", "rejected"),
    "nothing ordered, of several": Path(
        [NOTHING], [SEVERAL], "1 get", "checkout_failed", "rejected"
    ),
    "nothing ordered, and unorderable": Path(
        [NOTHING], [UNSOLD], "1 get", "cart_not_orderable", "rejected"
    ),
    "nothing ordered, and unread": Path(
        [NOTHING], [FORBIDDEN], "1 get", "partner_center_forbidden", "rejected"
    ),
    "nothing at all": Path(
        [reply(201, {"orders": []})], [ACTIVE], "1 get", "checkout_failed", "rejected"
    ),
    "busy": Path([IN_USE] * 5, [], "1 1 1 1 1", "partner_center_busy", "rejected"),
    "throttled": Path([THROTTLED] * 5, [], "1 1 1 1 1", "partner_center_throttled", "rejected"),
    "never sent": Path([NOT_SENT] * 5, [], "1 1 1 1 1", "partner_center_unreachable", "not_sent"),
    "errors of lines": Path([LINE_ERRORS], [UNSOLD], "1 get", "cart_not_orderable", "rejected"),
    "errors of lines that are gone": Path(
        [LINE_ERRORS], [ACTIVE], "1 get", "partner_center_invalid_request", "rejected"
    ),
    "errors of lines of nothing": Path(
        [LINE_ERRORS], [GONE], "1 get", "partner_center_not_found", "rejected"
    ),
    "errors of lines, unread": Path(
        [LINE_ERRORS], [BROKEN] * 5, "1 get get get get get", "partner_center_failed", "rejected"
    ),
    "lost, and gone": Path([LOST], [GONE], "1 get", "partner_center_no_answer", "unknown"),
    "lost, and unread": Path(
        [LOST], [BROKEN] * 5, "1 get get get get get", "partner_center_failed", "unknown"
    ),
    "lost, and the read lost": Path(
        [LOST], [LOST] * 5, "1 get get get get get", "partner_center_no_answer", "unknown"
    ),
    "lost, and the read forbidden": Path(
        [LOST], [FORBIDDEN], "1 get", "partner_center_no_answer", "unknown"
    ),
    "lost, and unorderable": Path([LOST], [UNSOLD], "1 get", "cart_not_orderable", "rejected"),
    "lost, and refused": Path(
        [LOST, FORBIDDEN], [ACTIVE, ACTIVE], "1 get 1 get", "partner_center_forbidden", "rejected"
    ),
    "lost, and gone between": Path(
        [LOST, GONE], [ACTIVE, GONE], "1 get 1 get", "partner_center_no_answer", "unknown"
    ),
    "lost, and nothing ordered": Path(
        [LOST, NOTHING], [ACTIVE, ACTIVE], "1 get 1 get", "checkout_failed", "rejected"
    ),
    "lost, nothing ordered, and unread": Path(
        [LOST, NOTHING], [ACTIVE, FORBIDDEN], "1 get 1 get", "partner_center_no_answer", "unknown"
    ),
    "lost, refused, ordered, refused": Path(
        [LOST, FORBIDDEN, FORBIDDEN],
        [ACTIVE, ORDERED],
        "1 get 1 get 2",
        "partner_center_no_answer",
        "unknown",
    ),
    "lost, and refused, of several": Path(
        [LOST, FORBIDDEN],
        [SEVERAL, SEVERAL],
        "1 get 1 get",
        "partner_center_no_answer",
        "unknown",
    ),
    "lost, and nothing ordered, of several": Path(
        [LOST, NOTHING], [SEVERAL, SEVERAL], "1 get 1 get", "partner_center_no_answer", "unknown"
    ),
    "lost, and unorderable, of several": Path(
        [LOST], [SEVERAL_UNSOLD], "1 get", "partner_center_no_answer", "unknown"
    ),
    "lost, and refused, in an odd state": Path(
        [LOST, FORBIDDEN], [ODD, ODD], "1 get 1 get", "partner_center_no_answer", "unknown"
    ),
    "lost, and refused, without a state": Path(
        [LOST, FORBIDDEN], [NO_STATE] * 2, "1 get 1 get", "partner_center_no_answer", "unknown"
    ),
    "lost, and ordered, and refused": Path(
        [LOST, FORBIDDEN], [ORDERED], "1 get 1", "partner_center_no_answer", "unknown"
    ),
    "lost, and throttled": Path(
        [LOST, *[THROTTLED] * 5],
        [ACTIVE],
        "1 get 1 1 1 1 1",
        "partner_center_throttled",
        "unknown",
    ),
    "lost, and busy": Path(
        [LOST, *[IN_USE] * 5], [ACTIVE], "1 get 1 1 1 1 1", "partner_center_busy", "unknown"
    ),
    "lost, and never sent": Path(
        [LOST, *[NOT_SENT] * 5],
        [ACTIVE],
        "1 get 1 1 1 1 1",
        "partner_center_unreachable",
        "unknown",
    ),
    "lost again and again": Path(
        [LOST] * 5,
        [ACTIVE] * 4,
        "1 get 1 get 1 get 1 get 1",
        "partner_center_no_answer",
        "unknown",
    ),
    "lost again and again when ordered": Path(
        [LOST] * 5,
        [ORDERED] * 4,
        "1 get 1 get 1 get 1 get 1",
        "partner_center_no_answer",
        "unknown",
    ),
    "in progress for good": Path(
        [IN_PROGRESS] * 5,
        [ACTIVE] * 4,
        "1 get 2 get 3 get 4 get 5",
        "partner_center_no_answer",
        "unknown",
    ),
    "submitted for good, but active": Path(
        [SUBMITTED] * 5,
        [ACTIVE] * 4,
        "1 get 2 get 3 get 4 get 5",
        "partner_center_no_answer",
        "unknown",
    ),
    "refused at last": Path(
        [*[LOST] * 4, FORBIDDEN],
        [ACTIVE] * 4,
        "1 get 1 get 1 get 1 get 1",
        "partner_center_no_answer",
        "unknown",
    ),
    "in progress, and gone": Path(
        [IN_PROGRESS], [GONE], "1 get", "partner_center_no_answer", "unknown"
    ),
    "resumed, and gone": Path(
        [], [GONE], "get", "partner_center_no_answer", "unknown", first=False, resumed=True
    ),
    "resumed, and unread": Path(
        [],
        [BROKEN] * 5,
        "get get get get get",
        "partner_center_failed",
        "unknown",
        first=False,
        resumed=True,
    ),
    "resumed, and unorderable": Path(
        [], [UNSOLD], "get", "cart_not_orderable", "rejected", first=False, resumed=True
    ),
    "resumed, and refused": Path(
        [FORBIDDEN],
        [ACTIVE, ACTIVE],
        "get 1 get",
        "partner_center_forbidden",
        "rejected",
        first=False,
        resumed=True,
    ),
    "again, and gone": Path([], [GONE], "get", "partner_center_not_found", "rejected", first=False),
    "again, and unread": Path(
        [], [LOST] * 5, "get get get get get", "partner_center_no_answer", "rejected", first=False
    ),
    "again, and unorderable": Path(
        [], [UNSOLD], "get", "cart_not_orderable", "rejected", first=False
    ),
    "again, and refused": Path(
        [FORBIDDEN], [ACTIVE], "get 1", "partner_center_forbidden", "rejected", first=False
    ),
    "again, ordered since, and refused": Path(
        [FORBIDDEN], [ORDERED], "get 1", "partner_center_no_answer", "unknown", first=False
    ),
}


@pytest.mark.parametrize("path", FAILED.values(), ids=FAILED.keys())
@in_virtual_time
async def test_a_path_to_a_problem(path: Path) -> None:
    desk = Desk(path.checkouts, path.carts)
    problem = await desk.fails(first=path.first, resumed=path.resumed)
    assert (desk.trail, problem.code, problem.outcome) == (path.trail, path.end, path.outcome)
    assert desk.center.script == {"checkout": [], "get": []}
    if path.end in ("checkout_failed", "cart_not_orderable"):  # nothing is bought for certain
        assert path.carts
        assert ORDERED not in path.carts
    if path.outcome == "unknown":  # callers such as Logic Apps repeat what is none of their fault
        assert problem.kind.status >= 500 or problem.code == "partner_center_throttled"


def test_the_tables_use_all_tries() -> None:
    assert len(PAUSES) == MAX_TRIES == 5


# --- details ----------------------------------------------------------------------------------


@in_virtual_time
async def test_the_first_checkout_is_sent_at_once_and_as_ordered() -> None:
    desk = Desk([BOUGHT])
    await desk.run()
    [asked] = desk.center.asked
    assert (asked.operation, asked.time, desk.pauses) == ("checkout", 0.0, [])
    assert (asked.customer_id, asked.cart_id, asked.customer_user) == (CUSTOMER, CART_ID, USER)
    attempt = asked.attempt
    assert (attempt.request_id, attempt.correlation_id) == ("first", "correlation-1")
    assert (attempt.locale, attempt.timeout) == ("fr-FR", 60.0)


@in_virtual_time
async def test_every_read_has_an_id_of_its_own_and_the_caller_gets_the_checkouts() -> None:
    desk = Desk([LOST, IN_PROGRESS, BOUGHT], [ACTIVE, ACTIVE])
    await desk.run()
    ids = [asked.request_id for asked in desk.center.asked]
    assert len(set(ids)) == 4  # of five requests: what was lost was repeated under its id
    assert ids[0] == ids[2] == "first"
    assert desk.call.request_id == ids[-1]
    assert {asked.attempt.locale for asked in desk.center.asked} == {"fr-FR"}
    assert {asked.attempt.correlation_id for asked in desk.center.asked} == {"correlation-1"}


@in_virtual_time
async def test_the_customers_user_is_the_same_in_every_try() -> None:
    desk = Desk([LOST, IN_PROGRESS, BOUGHT], [ACTIVE, ACTIVE])
    await desk.run()
    assert [asked.customer_user for asked in desk.center.told("checkout")] == [USER] * 3
    assert [asked.customer_user for asked in desk.center.told("get")] == [None] * 2


@in_virtual_time
async def test_the_pauses_grow() -> None:
    desk = Desk([LOST] * 5, [ACTIVE] * 4)
    await desk.fails()
    assert desk.pauses == [(1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (4.0, 8.0)]
    times = [asked.time for asked in desk.center.told("checkout")]
    assert times == [0.0, 1.0, 3.0, 7.0, 11.0]


@in_virtual_time
async def test_what_is_in_doubt_is_given_time_before_it_is_confirmed() -> None:
    desk = Desk([LOST, FORBIDDEN], [ACTIVE, ACTIVE])
    await desk.fails()
    assert desk.pauses == [(1.0, 2.0), (2.0, 4.0)]
    assert [asked.time for asked in desk.center.asked] == [0.0, 0.0, 1.0, 3.0]


@pytest.mark.parametrize(
    ("checkouts", "carts", "pauses"),
    [
        ([LOST, BOUGHT], [ORDERED], []),
        ([LOST, LOST, BOUGHT], [ORDERED, ORDERED], [(2.0, 4.0)]),
        (
            [LOST, FORBIDDEN, LOST, BOUGHT],
            [ACTIVE, ORDERED, ORDERED],
            [(1.0, 2.0), (2.0, 4.0), (4.0, 8.0)],
        ),
    ],
    ids=["once", "twice", "after-a-refusal"],
)
@in_virtual_time
async def test_what_is_ordered_is_asked_for_at_once_but_not_again_and_again(
    checkouts: list[Answer], carts: list[Answer], pauses: list[tuple[float, float]]
) -> None:
    desk = Desk(checkouts, carts)
    assert (await desk.run())["status"] == "completed"
    assert desk.pauses == pauses


@in_virtual_time
async def test_what_is_not_in_doubt_is_confirmed_at_once() -> None:
    desk = Desk([LINE_ERRORS], [UNSOLD])
    await desk.fails()
    assert (desk.pauses, monotonic()) == ([], 0)


@in_virtual_time
async def test_who_resumes_pauses_before_it_checks_out_what_is_not_ordered() -> None:
    desk = Desk([BOUGHT], [ACTIVE])
    await desk.run(first=False, resumed=True)
    assert desk.pauses == [(0.5, 1.0)]
    assert [asked.time for asked in desk.center.asked] == [0.0, 0.5]


@pytest.mark.parametrize(("cart", "resumed"), [(ACTIVE, False), (ORDERED, False), (ORDERED, True)])
@in_virtual_time
async def test_where_there_is_nothing_to_wait_for_there_is_no_pause(
    cart: Answer, resumed: bool
) -> None:
    desk = Desk([BOUGHT], [cart])
    await desk.run(first=False, resumed=resumed)
    assert desk.pauses == []
    assert monotonic() == 0


@pytest.mark.parametrize("failure", [LOST, IN_PROGRESS])
@in_virtual_time
async def test_a_pause_that_the_deadline_does_not_leave_time_for(failure: Answer) -> None:
    desk = Desk([failure], [ACTIVE])
    problem = await desk.fails(seconds=1.0)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.UNKNOWN)
    assert desk.trail == "1 get"
    assert monotonic() == 0  # it does not even wait


@in_virtual_time
async def test_a_pause_that_the_deadline_just_leaves_time_for() -> None:
    desk = Desk([LOST, BOUGHT], [ACTIVE])
    assert (await desk.run(seconds=1.01))["status"] == "completed"
    assert desk.center.asked[-1].attempt.timeout == pytest.approx(0.01)


@in_virtual_time
async def test_a_deadline_that_is_over_before_the_first_try() -> None:
    desk = Desk([])
    problem = await desk.fails(seconds=0.0)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.NOT_SENT)
    assert desk.center.asked == []


@in_virtual_time
async def test_a_deadline_that_is_over_when_a_resumed_one_begins() -> None:
    desk = Desk([])
    problem = await desk.fails(seconds=0.0, first=False, resumed=True)
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.UNKNOWN)
    assert desk.center.asked == []


@pytest.mark.parametrize("first", [True, False])
@in_virtual_time
async def test_a_cart_that_cannot_be_ordered_is_shown(first: bool) -> None:
    desk = Desk([LINE_ERRORS], [UNSOLD])
    problem = await desk.fails(first=first)
    assert problem.code == "cart_not_orderable"
    assert problem.cart
    assert (problem.cart["id"], problem.cart["orderable"]) == (CART_ID, False)
    assert problem.cart["lineItems"][0]["error"]["code"] == "10002"


@in_virtual_time
async def test_why_nothing_was_ordered_is_told() -> None:
    problem = await Desk([NOTHING], [ACTIVE]).fails()
    assert problem.order_errors == [ORDER_ERROR]
    assert "No credit." in problem.detail


@in_virtual_time
async def test_why_nothing_was_ordered_is_told_in_doubt_as_well() -> None:
    problem = await Desk([LOST, NOTHING], [SEVERAL, SEVERAL]).fails()
    assert (problem.code, problem.outcome) == ("partner_center_no_answer", Outcome.UNKNOWN)
    assert problem.order_errors == [ORDER_ERROR]


@in_virtual_time
async def test_a_last_refusal_in_doubt_is_quoted_but_not_told_as_such() -> None:
    problem = await Desk([LOST], [GONE]).fails()
    assert problem.kind.status == 502
    assert problem.fault
    assert (problem.fault.status, problem.fault.code) == (404, "800008")


@pytest.mark.parametrize(
    ("checkouts", "status"), [([BOUGHT], "completed"), ([SUBMITTED, SUBMITTED], "ordered")]
)
@in_virtual_time
async def test_the_warnings_of_the_request_come_first(checkouts: list[Answer], status: str) -> None:
    desk = Desk(checkouts, [ORDERED])
    answer = await desk.run(warnings=(FieldError("/x", "unknown_member", "words"),))
    assert answer["status"] == status
    assert answer["warnings"][0] == {"pointer": "/x", "code": "unknown_member", "detail": "words"}


@in_virtual_time
async def test_a_cart_is_ordered_in_any_spelling_of_it() -> None:
    odd = reply(200, {"Id": CART_ID, "Status": "ordered", "LineItems": []})
    desk = Desk([SUBMITTED], [odd])
    assert (await desk.run(first=False))["status"] == "ordered"


# --- after a part -----------------------------------------------------------------------------


async def partial_answer() -> dict[str, Any]:
    """What the attempt before was answered: order-1, and an error for another one."""
    answer = await Desk([PARTIAL]).run()
    assert (answer["status"], len(answer["orders"])) == ("partial", 1)
    return answer


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        (("order-1", "order-2"), ["order-1", "order-2"]),
        (("order-2",), ["order-1", "order-2"]),
        (("order-1",), ["order-1"]),
    ],
)
@in_virtual_time
async def test_the_orders_of_a_part_are_told_with_the_rest(
    orders: tuple[str, ...], told: list[str]
) -> None:
    earlier = await partial_answer()
    desk = Desk([reply(201, checkout_document(*orders))], [SEVERAL])
    answer = await desk.run(first=False, earlier=earlier)
    assert [order["id"] for order in answer["orders"]] == told
    assert (answer["status"], answer["orderErrors"], answer["warnings"]) == ("completed", [], [])
    assert desk.trail == "get 1"


@in_virtual_time
async def test_the_orders_of_a_part_are_told_where_nobody_tells_the_others() -> None:
    earlier = await partial_answer()
    answer = await Desk([SUBMITTED], [ORDERED]).run(first=False, earlier=earlier)
    assert answer["status"] == "ordered"
    assert [order["id"] for order in answer["orders"]] == ["order-1"]


@pytest.mark.parametrize(
    ("checkouts", "cart", "code"),
    [
        ([FORBIDDEN], SEVERAL, "800023"),
        ([NOTHING], SEVERAL, "800023"),
        ([reply(201, {"orderErrors": [{"code": 1}]})], SEVERAL, "1"),
        ([], SEVERAL_UNSOLD, "800023"),
        ([], GONE, "800023"),
        ([GONE], SEVERAL, "800023"),
    ],
    ids=["forbidden", "nothing", "another-error", "unorderable", "gone", "just-gone"],
)
@in_virtual_time
async def test_a_refusal_of_the_rest_does_not_deny_the_part(
    checkouts: list[Answer], cart: Answer, code: str
) -> None:
    earlier = await partial_answer()
    for _ in range(2):  # the second time it is told once, too
        answer = await Desk(checkouts, [cart, cart]).run(first=False, earlier=earlier)
        assert answer["status"] == "partial"
        assert [order["id"] for order in answer["orders"]] == ["order-1"]
        assert [error["code"] for error in answer["orderErrors"]] == [code]
        assert [warning["code"] for warning in answer["warnings"]] == ["rest_refused"]
        earlier = answer


@pytest.mark.parametrize(
    ("checkouts", "carts", "code", "outcome"),
    [
        ([THROTTLED] * 5, [SEVERAL], "partner_center_throttled", "rejected"),
        ([IN_USE] * 5, [SEVERAL], "partner_center_busy", "rejected"),
        ([NOT_SENT] * 5, [SEVERAL], "partner_center_unreachable", "not_sent"),
        ([LOST], [SEVERAL, GONE], "partner_center_no_answer", "unknown"),
        ([LOST, FORBIDDEN], [SEVERAL] * 3, "partner_center_no_answer", "unknown"),
        ([], [BROKEN] * 5, "partner_center_failed", "rejected"),
    ],
    ids=["throttled", "busy", "never-sent", "lost", "lost-and-refused", "unread"],
)
@in_virtual_time
async def test_what_may_yet_succeed_is_told_as_it_is(
    checkouts: list[Answer], carts: list[Answer], code: str, outcome: str
) -> None:
    earlier = await partial_answer()
    problem = await Desk(checkouts, carts).fails(first=False, earlier=earlier)
    assert (problem.code, problem.outcome) == (code, outcome)


# --- whose ids are told -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checkouts", "carts", "how", "told"),
    [
        ([FORBIDDEN], [], {}, "cv-403"),
        ([LINE_ERRORS], [UNSOLD], {}, "cv-400"),
        ([LOST], [GONE], {}, None),
        ([LOST, FORBIDDEN], [ACTIVE, ACTIVE], {}, "cv-403"),
        ([], [GONE], {"first": False}, "cv-404"),
        ([], [UNSOLD], {"first": False}, "cv-200"),
        ([FORBIDDEN], [ACTIVE], {"first": False}, "cv-403"),
    ],
    ids=["refused", "errors", "lost", "confirmed", "read", "read-unorderable", "read-and-refused"],
)
@in_virtual_time
async def test_the_ids_of_an_answer_are_those_of_one_request(
    checkouts: list[Answer], carts: list[Answer], how: dict[str, Any], told: str | None
) -> None:
    desk = Desk(checkouts, carts)
    await desk.fails(**how)
    of_checkouts = [asked.request_id for asked in desk.center.told("checkout")]
    quoted = of_checkouts[-1] if of_checkouts else desk.center.asked[-1].request_id
    assert desk.call.request_id == quoted
    assert desk.call.partner_center_headers.get("MS-CV") == told
