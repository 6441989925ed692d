"""Buying what is in a cart: what is sent after each failure, and when a purchase is refused."""

import contextlib
from datetime import timedelta
from typing import Final

import pytest

from cart_core.api.messages import Invocation, Response
from cart_core.call import Trace
from cart_core.idempotency.plan import LONGEST_REQUEST
from cart_core.partner_center.errors import order_exists
from cart_core.partner_center.exchange import Reply
from cart_core.partner_center.retry import MAX_TRIES
from cart_core.problem import CATALOGUE, Code, Outcome, Problem
from cart_core.use_cases.purchase import PAUSES, Next, after_failure
from tests.kit import partner_center
from tests.kit.builders import CART_ID, CUSTOMER
from tests.kit.fakes import Killed, in_virtual_time, monotonic
from tests.kit.partner_center import (
    FORBIDDEN,
    ORDER_ERROR,
    PARTIAL,
    USER,
    Answer,
    cart_document,
    checkout_document,
    refused,
    reply,
)
from tests.kit.world import FOR_USER, LEASE, World, problem_of, warnings

# --- What follows from a failure --------------------------------------------------------------

RAISE, CONFIRM, FIND_OUT, BECAME_ORDERED = Next.RAISE, Next.CONFIRM, Next.FIND_OUT, Next.ORDERED
REFUSALS: Final[list[Code]] = [
    *("partner_center_invalid_request", "partner_center_not_found", "partner_center_conflict"),
    *("partner_center_precondition_failed", "partner_center_expectation_failed"),
    *("partner_center_forbidden", "partner_center_unexpected", "checkout_failed"),
]
UNKNOWN = [code for code, kind in CATALOGUE.items() if kind.outcome is Outcome.UNKNOWN]
OPERATORS: Final[list[Code]] = [
    *("partner_center_unauthorized", "vault_denied", "secret_missing", "token_rejected"),
    *("consent_required", "configuration_invalid"),
]
RETRYABLE = [code for code, kind in CATALOGUE.items() if kind.retryable and code not in UNKNOWN]


@pytest.mark.parametrize(
    ("problems", "active", "ordered"),
    [
        ([Problem(code, "") for code in UNKNOWN], FIND_OUT, FIND_OUT),
        ([Problem(code, "") for code in (*RETRYABLE, *OPERATORS)], RAISE, RAISE),
        ([Problem(code, "") for code in REFUSALS], CONFIRM, BECAME_ORDERED),
        ([order_exists("", 60)], FIND_OUT, BECAME_ORDERED),
    ],
    ids=["unknown", "not-of-the-cart", "refusal", "order-exists"],
)
def test_what_follows_from_a_failed_checkout(
    problems: list[Problem], active: Next, ordered: Next
) -> None:
    for problem in problems:
        assert after_failure(problem, ordered=False) is active, problem
        assert after_failure(problem, ordered=True) is ordered, problem


# --- The whole way of a purchase --------------------------------------------------------------

WORKING = {"orderGroupId": "1", "code": 800060, "description": "In progress."}
REPLIES: dict[str, Answer] = {
    "both": reply(201, checkout_document("order-1", "order-2")),
    "the-other": reply(201, checkout_document("order-2")),
    "nothing-else": reply(201, {"orderErrors": [{"code": 1}]}),
    "not-ready": refused(409, "800082"),
    "unauthorized": refused(401, "900421"),
    "denied": refused(401),  # although the token was accepted for the cart
    "under-200": refused(200, "400072"),
    "under-500": refused(500, "800084"),
    "stale": refused(404, "400019"),
    "group-working": reply(201, {"orders": [], "orderErrors": [{"code": 800060}]}),
    "group-failed": reply(201, {"orderErrors": [{"code": "800003"}]}),
    "group-not-ready": reply(201, {"orderErrors": [{"code": "800082"}, {"code": "800023"}]}),
    "silent": reply(201, {"orders": []}),
    "one-refused": reply(201, {"orderErrors": [{"orderGroupId": "0", "code": "800023"}]}),
    "half": reply(201, checkout_document("order-1") | {"orderErrors": [WORKING]}),
    "third": reply(201, checkout_document("order-1") | {"orderErrors": [WORKING, ORDER_ERROR]}),
    "unreadable": reply(201, {}),
    "expired": reply(200, cart_document("Expired")),
    "spelt": reply(200, {"Id": CART_ID, "Status": "ordered", "LineItems": []}),
}
"""Beside these, the tables below name the constants of tests.kit.partner_center."""

WAYS = """
first   | bought                 |                   | 1             | completed
first   | partial                |                   | 1             | partial
first   | in-use bought          |                   | 1 1           | completed
first   | lost bought            | active            | 1 get 1       | completed
first   | lost bought            | ordered           | 1 get 1       | completed
first   | lost submitted         | ordered           | 1 get 1       | ordered
first   | lost nothing           | ordered           | 1 get 1       | ordered
first   | unreadable bought      | ordered           | 1 get 1       | completed
first   | lost lost bought       | active ordered    | 1 get 1 get 1 | completed
first   | lost lost submitted    | ordered           | 1 get 1 1     | ordered
first   | lost lost bought       | ordered           | 1 get 1 1     | completed
first   | submitted bought       | ordered           | 1 get 2       | completed
first   | submitted submitted    | ordered           | 1 get 2       | ordered
first   | in-progress bought     | active            | 1 get 2       | completed
first   | in-progress in-progress submitted | active ordered    | 1 get 2 get 3 | ordered
first   | in-progress lost bought | active active     | 1 get 2 get 2 | completed
first   | lost submitted submitted | active ordered    | 1 get 1 get 2 | ordered
first   | lost forbidden bought  | active ordered    | 1 get 1 get 2 | completed
first   | lost forbidden submitted | active ordered    | 1 get 1 get 2 | ordered
first   | line-errors bought     | ordered           | 1 get 2       | completed
first   | nothing submitted      | ordered           | 1 get 2       | ordered
again   | bought                 | active            | get 1         | completed
again   | submitted              | ordered           | get 1         | ordered
again   | submitted              | spelt             | get 1         | ordered
resumed | bought                 | active            | get 1         | completed
resumed | bought                 | ordered           | get 1         | completed
resumed | submitted              | ordered           | get 1         | ordered
resumed | submitted submitted    | active ordered    | get 1 get 2   | ordered
first   | forbidden              | active            | 1 get         | forbidden rejected
first   | forbidden              | unsold            | 1 get         | cart_not_orderable rejected
first   | forbidden              | gone              | 1 get         | forbidden rejected
first   | unauthorized*2         |                   | 1 1           | unauthorized rejected
first   | not-ready              |                   | 1             | not_ready rejected
first   | under-200              | active            | 1 get         | invalid_request rejected
first   | under-500              | active            | 1 get         | invalid_request rejected
first   | under-500 submitted    | ordered           | 1 get 2       | ordered
first   | under-200              | broken*5          | 1 get*5       | no_answer unknown
first   | under-500              | several           | 1 get         | no_answer unknown
first   | stale                  | active            | 1 get         | cart_not_orderable rejected
first   | stale                  | gone              | 1 get         | not_found rejected
first   | group-working submitted | ordered          | 1 get 2       | ordered
first   | group-working*5        | active*4          | 1 get 2 get 3 get 4 get 5 | busy unknown
first   | group-failed bought    | active            | 1 get 2       | completed
first   | group-not-ready        |                   | 1             | not_ready rejected
first   | silent bought          | active            | 1 get 2       | completed
first   | silent submitted       | ordered           | 1 get 2       | ordered
first   | silent*5               | active*4          | 1 get 2 get 3 get 4 get 5 | busy unknown
first   | one-refused            | active            | 1 get         | checkout_failed rejected
first   | one-refused half       | several           | 1 get 2       | in_progress
first   | one-refused*5          | several*4         | 1 get 2 get 3 get 4 get 5 | no_answer unknown
first   | half                   |                   | 1             | in_progress
first   | not-sent*5             |                   | 1 1 1 1 1     | unreachable not_sent
first   | nothing                | active            | 1 get         | checkout_failed rejected
first   | nothing                | unsold            | 1 get         | cart_not_orderable rejected
first   | nothing                | forbidden         | 1 get         | checkout_failed rejected
first   | line-errors            | unsold            | 1 get         | cart_not_orderable rejected
first   | line-errors            | active            | 1 get         | invalid_request rejected
first   | line-errors            | broken*5          | 1 get*5       | invalid_request rejected
first   | lost                   | gone              | 1 get         | no_answer unknown
first   | lost                   | broken*5          | 1 get*5       | failed unknown
first   | lost                   | unsold            | 1 get         | no_answer unknown
first   | lost                   | several-unsold    | 1 get         | no_answer unknown
first   | lost forbidden         | active active     | 1 get 1 get   | no_answer unknown
first   | lost forbidden         | several several   | 1 get 1 get   | no_answer unknown
first   | lost forbidden         | expired expired   | 1 get 1 get   | no_answer unknown
first   | lost forbidden         | ordered           | 1 get 1       | ordered
first   | lost unauthorized*2    | ordered           | 1 get 1 1     | unauthorized unknown
first   | lost denied*2          | ordered           | 1 get 1 1     | ordered
first   | lost forbidden forbidden | active ordered    | 1 get 1 get 2 | ordered
first   | lost gone              | active gone       | 1 get 1 get   | no_answer unknown
first   | lost nothing           | active active     | 1 get 1 get   | no_answer unknown
first   | lost nothing*4         | several*4         | 1 get 1 get 2 get 3 get 4 | no_answer unknown
first   | lost throttled*5       | active            | 1 get 1 1 1 1 1 | throttled unknown
first   | lost not-sent*5        | active            | 1 get 1 1 1 1 1 | unreachable unknown
first   | lost*5                 | active*4          | 1 get 1 get 1 get 1 get 1 | no_answer unknown
first   | lost*3                 | ordered           | 1 get 1 1     | ordered
first   | broken*3               | ordered           | 1 get 1 1     | ordered
first   | lost throttled*5       | ordered           | 1 get 1 1 1 1 1 | throttled unknown
first   | lost*4 forbidden       | active*4          | 1 get 1 get 1 get 1 get 1 | no_answer unknown
first   | in-progress*5          | active*4          | 1 get 2 get 3 get 4 get 5 | busy unknown
again   | forbidden              | active active     | get 1 get     | forbidden rejected
again   | forbidden              | ordered           | get 1         | ordered
again   |                        | gone              | get           | not_found rejected
again   |                        | unsold            | get           | cart_not_orderable rejected
again   |                        | lost*5            | get*5         | no_answer rejected
resumed | forbidden              | active active     | get 1 get     | no_answer unknown
resumed |                        | gone              | get           | no_answer unknown
resumed |                        | unsold            | get           | no_answer unknown
resumed |                        | broken*5          | get*5         | failed unknown
settled | bought                 | active            | get 1         | completed
settled | submitted              | ordered           | get 1         | ordered
settled | forbidden              | active active     | get 1 get     | forbidden rejected
settled | forbidden              | several several   | get 1 get     | no_answer unknown
settled | nothing                | active active     | get 1 get     | checkout_failed rejected
settled | lost forbidden         | active active active | get 1 get 1 get | no_answer unknown
settled |                        | unsold            | get           | cart_not_orderable rejected
settled |                        | several-unsold    | get           | no_answer unknown
settled |                        | gone              | get           | no_answer unknown
part    | both                   | several           | get 1         | completed
part    | the-other              | several           | get 1         | completed
part    | submitted              | ordered           | get 1         | ordered
part    | throttled*5            | several           | get 1 1 1 1 1 | throttled unknown
part    | not-sent*5             | several           | get 1 1 1 1 1 | unreachable unknown
part    | lost                   | several gone      | get 1 get     | no_answer unknown
part    | lost forbidden         | several several several | get 1 get 1 get | no_answer unknown
part    |                        | broken*5          | get*5         | failed unknown
"""
"""How the purchase begins, the answers to its checkouts, the carts that are read, the requests
(`get`, or the number of a checkout's MS-RequestId), and the end: the status of the answer, or the
code of the problem (without `partner_center_`) and its outcome.

`first`: nobody has checked the cart out before. `again`: an earlier call has, and certainly bought
nothing. `resumed`: an earlier call died on it, and its checkout may still be under way. `settled`:
that was so long ago that its checkout can no longer be under way. `part`: an earlier call has
bought "order-1", and the rest was refused; a failure that may pass is no refusal of the rest.
"""


ROWS = [[cell.strip() for cell in row.split("|")] for row in WAYS.strip().splitlines()]


async def begun(how: str) -> World:
    """A world in which a purchase of the cart has begun like this."""
    world = World()
    if how != "first":
        earlier: dict[str, Answer] = {"again": FORBIDDEN, "part": PARTIAL}
        world.center.script["checkout"] = [earlier.get(how, Killed())]
        with contextlib.suppress(Problem, Killed):
            await world.check_out(headers=FOR_USER)
        if how in ("resumed", "settled"):
            world.clock.shift += LEASE
        if how == "settled":
            world.clock.shift += LONGEST_REQUEST.total_seconds()
        world.center.asked.clear()
    return world


def named(names: str) -> list[Answer]:
    """The replies of these names; `name*5` is five times the same."""
    replies = (
        REPLIES
        | NOT_TOLD
        | {name.lower().replace("_", "-"): value for name, value in vars(partner_center).items()}
    )
    pairs = [name.partition("*") for name in names.split()]
    return [replies[name] for name, _, count in pairs for _ in range(int(count or 1))]


def scripted(world: World, checkouts: str, carts: str = "") -> None:
    """Make these Partner Center's next answers."""
    world.center.script["checkout"] = named(checkouts)
    world.center.script["get"] = named(carts)


def requests(world: World) -> str:
    """What was sent, as in the table."""
    ids = list(dict.fromkeys(asked.request_id for asked in world.center.requests_for("checkout")))
    sent = [
        str(1 + ids.index(asked.request_id)) if asked.operation == "checkout" else asked.operation
        for asked in world.center.asked
    ]
    return " ".join(sent).replace("get get get get get", "get*5")


@pytest.mark.parametrize(
    ("begins", "checkouts", "carts", "sent", "expected"), ROWS, ids=map(" / ".join, ROWS)
)
@in_virtual_time
async def test_the_way_of_a_purchase(
    begins: str, checkouts: str, carts: str, sent: str, expected: str
) -> None:
    world = await begun(begins)
    first_id = world.record.steps[0].request_id if begins in ("resumed", "settled") else None
    scripted(world, checkouts, carts)
    end: Response | Problem
    try:
        end = await world.check_out(headers=FOR_USER)
    except Problem as problem:
        end = problem

    assert requests(world) == sent
    assert world.center.script == {"checkout": [], "get": []}
    bought = world.center.requests_for("checkout")
    assert {asked.customer_user for asked in bought} <= {USER}
    if first_id and bought:  # A purchase that is resumed has the MS-RequestId of its record.
        assert bought[0].request_id == first_id
    reads = {asked.request_id for asked in world.center.requests_for("get")}
    assert len(reads) == sent.count("get")  # Each read has an id of its own.
    assert reads.isdisjoint({asked.request_id for asked in bought})

    quoted = (bought or world.center.asked)[-1].request_id
    answer = world.center.answered[quoted]
    trace = Trace(quoted, {"MS-CV": answer.headers["ms-cv"]} if isinstance(answer, Reply) else {})
    if isinstance(end, Problem):
        assert f"{end.code.removeprefix('partner_center_')} {end.outcome}" == expected
        assert end.trace == trace
        unorderable = end.cart and (end.cart["id"], end.cart["orderable"]) == (CART_ID, False)
        assert bool(unorderable) is (end.code == "cart_not_orderable" and "stale" not in checkouts)
        unknown = end.outcome is Outcome.UNKNOWN
        done = "open" if begins == "part" else "released"
        told_part = begins == "part" and end.detail.startswith("A part of the cart is ordered.")
        assert world.record.state == ("unknown" if unknown and not told_part else done)
        assert (world.record.answer is not None) is (begins == "part")
        # Callers such as Logic Apps repeat a request only if its failure is not their fault.
        assert not unknown or end.kind.status >= 500 or end.code == "partner_center_throttled"
        assert "bought nothing" not in end.detail or not unknown
    else:
        assert end.body["status"] == expected
        assert (end.body["cartId"], end.body["customerId"]) == (CART_ID, CUSTOMER)
        orders = [order["id"] for order in end.body["orders"]]
        parts = {"ordered": ["order-1"], "completed": ["order-1", "order-2"]}
        once = [] if expected == "ordered" else ["order-1"]
        assert orders == (parts[expected] if begins == "part" else once)
        errors = {
            "partial": [ORDER_ERROR | {"outcome": "rejected"}],
            "in_progress": [WORKING | {"code": "800060", "outcome": "unknown"}],
        }
        assert end.body["orderErrors"] == errors.get(expected, [])
        warned = {"ordered": ["orders_not_retrieved"], "in_progress": ["order_in_progress"]}
        assert warnings(end) == warned.get(expected, [])
        ids = {"MS-RequestId": trace.request_id, "MS-CorrelationId": "correlation-1"}
        assert end.headers == {**ids, **trace.headers}
        unfinished = expected in ("partial", "in_progress")
        assert world.record.state == ("open" if unfinished else "completed")


def test_there_are_as_many_checkouts_as_tries_of_one_request() -> None:
    assert len(PAUSES) == MAX_TRIES == 5


# --- Pauses and the deadline ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "checkouts", "carts", "pauses"),
    [
        ("first", "lost*5", "active*4", [1, 2, 4, 4]),
        ("first", "lost bought", "ordered", []),
        ("first", "lost lost bought", "ordered", [2]),
        ("first", "lost forbidden", "active active", [1, 2]),
        ("first", "lost forbidden lost bought", "active ordered", [1, 2, 4]),
        ("first", "line-errors", "unsold", []),
        ("again", "bought", "active", []),
        ("resumed", "bought", "active", [0.5]),
        ("resumed", "bought", "ordered", []),
    ],
)
@in_virtual_time
async def test_a_checkout_that_may_be_under_way_is_given_time(
    begins: str, checkouts: str, carts: str, pauses: list[float]
) -> None:
    world = await begun(begins)
    scripted(world, checkouts, carts)
    began = monotonic()
    with contextlib.suppress(Problem):
        await world.check_out(headers=FOR_USER)
    assert [drawn for drawn in world.drawn if drawn[0]] == [(low, 2 * low) for low in pauses]
    assert monotonic() - began == sum(pauses)


@in_virtual_time
async def test_a_refusal_in_doubt_is_confirmed_after_a_pause_and_not_before() -> None:
    world = await begun("first")
    scripted(world, "lost forbidden", "active active")
    await problem_of(world.check_out(headers=FOR_USER))
    assert [asked.time for asked in world.center.asked] == [0.0, 0.0, 1.0, 3.0]


@pytest.mark.parametrize("failure", ["lost", "in-progress"])
@in_virtual_time
async def test_a_pause_that_would_outlast_the_deadline_is_not_made(failure: str) -> None:
    world = await begun("first")
    scripted(world, failure, "active")
    call = Invocation("correlation-1", monotonic() - 99)
    problem = await problem_of(world.check_out(headers=FOR_USER, call=call))
    assert (problem.code, problem.outcome) == ("deadline_exceeded", Outcome.UNKNOWN)
    assert problem.trace
    assert problem.trace.request_id == world.center.asked[0].request_id
    assert (requests(world), monotonic()) == ("1 get", 0)

    world = await begun("first")
    scripted(world, "lost bought", "active")
    call = Invocation("correlation-1", monotonic() - 98)
    assert (await world.check_out(call=call)).body["status"] == "completed"


@pytest.mark.parametrize(("begins", "outcome"), [("first", "not_sent"), ("resumed", "unknown")])
@in_virtual_time
async def test_without_time_nothing_is_sent(begins: str, outcome: str) -> None:
    world = await begun(begins)
    world.tokens.seconds = 100
    problem = await problem_of(world.check_out(headers=FOR_USER))
    assert (problem.code, problem.outcome) == ("deadline_exceeded", outcome)
    assert world.center.asked == []


# --- A checkout that is lost while Partner Center still works on it ----------------------------


@in_virtual_time
async def test_a_refusal_settles_a_lost_checkout_only_when_it_can_no_longer_be_under_way() -> None:
    world = await begun("first")
    scripted(world, "lost forbidden", "active active")
    lost = await problem_of(world.check_out(headers=FOR_USER))
    assert (lost.outcome, lost.retry_after) == (Outcome.UNKNOWN, 60)

    # Later refusals do not make it longer: a caller who asks every minute gets to know it.
    for seconds, pause in ((100, 60), (150, 50), (40, 10)):
        world.clock.shift += seconds
        scripted(world, "forbidden", "active active")
        again = await problem_of(world.check_out(headers=FOR_USER))
        assert again.outcome is Outcome.UNKNOWN
        assert again.retry_after
        assert pause - 10 < again.retry_after <= pause
    world.clock.shift += 10
    scripted(world, "forbidden", "active active")
    settled = await problem_of(world.check_out(headers=FOR_USER))
    assert (settled.code, settled.outcome) == ("partner_center_forbidden", Outcome.REJECTED)
    assert world.record.state == "released"


@in_virtual_time
async def test_a_process_that_died_counts_from_the_end_of_its_lease() -> None:
    world = await begun("resumed")
    lease_end = world.store.lease_ends[-1]
    scripted(world, "forbidden", "active active")
    await problem_of(world.check_out(headers=FOR_USER))
    assert world.record.under_way_seconds
    until = world.clock() + world.record.under_way_seconds
    assert until == lease_end + LONGEST_REQUEST.total_seconds()


# --- What a problem says ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checkouts", "carts"), [("nothing", "active"), ("lost nothing", "active active")]
)
@in_virtual_time
async def test_a_problem_says_why_nothing_was_ordered(checkouts: str, carts: str) -> None:
    world = await begun("first")
    scripted(world, checkouts, carts)
    problem = await problem_of(world.check_out(headers=FOR_USER))
    assert list(problem.order_errors) == [ORDER_ERROR | {"outcome": "rejected"}]
    assert "No credit." in problem.detail


# --- Orders that are not told -----------------------------------------------------------------


def told(*items: str) -> Reply:
    """An answer to a checkout that tells of an order for each of these items."""
    orders = [{"id": f"order-{item}", "lineItems": [{"offerId": item}]} for item in items]
    return reply(201, {"orders": orders})


def two(status: str) -> Reply:
    """A cart of two order groups."""
    lines = [{"id": number, "catalogItemId": item} for number, item in enumerate("ab")]
    lines = [line | {"quantity": 1, "orderGroup": str(line["id"])} for line in lines]
    return reply(200, {"id": CART_ID, "status": status, "lineItems": lines})


NOT_TOLD = {
    "a": told("a"),
    "b": told("b"),
    "ab": told("a", "b"),
    "two": two("Active"),
    "two-ordered": two("Ordered"),
}


@pytest.mark.parametrize(
    ("checkouts", "carts", "sent", "status", "orders", "warned"),
    [
        ("lost ab", "two", "1 get 1", "completed", "ab", None),
        ("lost b ab", "two two", "1 get 1 get 2", "completed", "ab", None),
        ("lost b a", "two two", "1 get 1 get 2", "completed", "ba", None),
        ("lost b b", "two two-ordered", "1 get 1 get 2", "completed", "b", "'0' is ordered"),
        ("lost b submitted", "two two-ordered", "1 get 1 get 2", "ordered", "b", "The cart is ord"),
        ("lost b b", "two two", "1 get 1 get 2", "in_progress", "b", "'0' may be ordered"),
        (
            "lost b forbidden",
            "two*3",
            "1 get 1 get 2 get",
            "in_progress",
            "b",
            "'0' may be ordered",
        ),
        ("lost a", "two broken*5", "1 get 1 get*5", "in_progress", "a", "'1' may be ordered"),
    ],
)
@in_virtual_time
async def test_orders_are_held_against_the_groups_of_the_cart(
    checkouts: str, carts: str, sent: str, status: str, orders: str, warned: str | None
) -> None:
    world = await begun("first")
    scripted(world, checkouts, carts)
    response = await world.check_out(headers=FOR_USER)
    assert requests(world) == sent
    assert response.body["status"] == status
    assert [order["id"] for order in response.body["orders"]] == [
        f"order-{each}" for each in orders
    ]
    assert warnings(response) == (["orders_not_retrieved"] if warned else [])
    assert not warned or warned in response.body["warnings"][0]["detail"]
    assert world.record.state == ("open" if status == "in_progress" else "completed")


@in_virtual_time
async def test_a_group_is_not_refused_while_an_earlier_checkout_may_order_it() -> None:
    world = await begun("first")
    scripted(world, "lost partial", "several")
    doubtful = (await world.check_out(headers=FOR_USER)).body
    assert (doubtful["status"], doubtful["orderErrors"][0]["outcome"]) == ("in_progress", "unknown")
    assert [warning["code"] for warning in doubtful["warnings"]] == ["order_in_progress"]
    for seconds, status in ((LONGEST_REQUEST.total_seconds() - 5, "in_progress"), (5, "partial")):
        world.clock.shift += seconds
        scripted(world, "partial", "several")
        body = (await world.check_out(headers=FOR_USER)).body
        assert body["status"] == status
        assert [order["id"] for order in body["orders"]] == ["order-1"]
    assert body["orderErrors"] == [ORDER_ERROR | {"outcome": "rejected"}]


@in_virtual_time
async def test_nor_is_it_refused_beside_another_group_that_is_being_ordered() -> None:
    world = await begun("first")
    scripted(world, "lost third", "several")
    body = (await world.check_out(headers=FOR_USER)).body
    assert {error["outcome"] for error in body["orderErrors"]} == {"unknown"}
    assert [each["code"] for each in body["warnings"]] == ["order_in_progress"] * 2


@pytest.mark.parametrize("first", ["half", "lost b b"])
@in_virtual_time
async def test_a_group_that_may_be_ordered_is_never_denied_later(first: str) -> None:
    world = await begun("first")
    scripted(world, first, "two two")
    assert (await world.check_out(headers=FOR_USER)).body["status"] == "in_progress"
    for days in (0, 1):
        world.clock.shift += timedelta(days=days).total_seconds()
        scripted(world, "forbidden", "two two")
        assert (await problem_of(world.check_out(headers=FOR_USER))).outcome is Outcome.UNKNOWN
    scripted(world, "ab", "two")
    assert (await world.check_out(headers=FOR_USER)).body["status"] == "completed"


# --- After a partial checkout -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("checkout", "carts", "code"),
    [
        ("forbidden", "several", "800023"),
        ("nothing", "several several", "800023"),
        ("nothing-else", "several several", "1"),
        ("gone", "several", "800023"),
        ("", "several-unsold", "800023"),
        ("", "gone", "800023"),
    ],
)
@in_virtual_time
async def test_a_refusal_of_the_rest_does_not_deny_the_part(
    checkout: str, carts: str, code: str
) -> None:
    world = await begun("part")
    for _ in range(2):  # The second refusal is one warning, too.
        scripted(world, checkout, carts)
        response = await world.check_out(headers=FOR_USER)
        assert (response.status, response.body["status"]) == (201, "partial")
        assert [order["id"] for order in response.body["orders"]] == ["order-1"]
        assert [error["code"] for error in response.body["orderErrors"]] == [code]
        assert warnings(response) == ["rest_refused"]
        asked = (world.center.requests_for("checkout") or world.center.asked)[-1]
        assert response.headers["MS-RequestId"] == asked.request_id
        assert world.record.state == "open"
