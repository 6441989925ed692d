"""Spans and metrics by OpenTelemetry's API, which does nothing until an SDK is set up.

The Functions worker sets an SDK up where PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY is set. The
app must not set one up too, because everything would then be sent twice. No span and no metric
contains a body, a token or an address.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cart_core.problem import Outcome, Problem

_tracer = trace.get_tracer("cart_core")
_meter = metrics.get_meter("cart_core")
_created = _meter.create_counter("carts.created", description="Carts made in Partner Center")
_replayed = _meter.create_counter("carts.replayed", description="Answers given again for a key")
_purchases = _meter.create_counter(
    "purchases.answered", description="Checkouts answered, by status"
)
_purchases_replayed = _meter.create_counter(
    "purchases.replayed", description="Checkouts answered again"
)
_possible_duplicates = _meter.create_counter(
    "purchases.possible_duplicates", description="Orders like another one of minutes before"
)
_refused = _meter.create_counter("carts.refused", description="Error answers, by code")
_unknown = _meter.create_counter(
    "carts.outcome_unknown", description="Requests that may have had their effect"
)
_retries = _meter.create_counter("partner_center.retries", description="Tries after the first")
_throttled = _meter.create_counter(
    "partner_center.throttled", unit="s", description="Seconds of pause that Partner Center asked"
)
_missing_mfa = _meter.create_counter(
    "partner_center.not_mfa_compliant", description="Answers that call the token not MFA compliant"
)
_webhooks = _meter.create_counter(
    "webhooks.received", description="Deliveries of storefronts, by source and what became of them"
)
_parked = _meter.create_counter(
    "storefronts.parked", description="Orders that wait for a person, by source"
)
_reports = _meter.create_counter(
    "storefronts.reports", description="Tries to deliver a report, by what became of them"
)
_latency = _meter.create_histogram(
    "partner_center.latency", unit="s", description="Seconds for one try, by HTTP status"
)
_accepted = _meter.create_counter("operations.accepted", description="Operations accepted")
_ended = _meter.create_counter("operations.ended", description="Operations ended, by state")
_dead = _meter.create_counter("operations.dead", description="Operations given up")
_deferred = _meter.create_counter("operations.deferred", description="Deferrals, by reason")
_bells = _meter.create_counter("operations.bells", description="Bells with nothing to do")
_tries = _meter.create_histogram("operations.tries", description="Tries until the end")
_seconds_to_end = _meter.create_histogram(
    "operations.seconds", unit="s", description="Seconds from acceptance to the end"
)
_age_at_start = _meter.create_histogram(
    "operations.age_at_start", unit="s", description="How old an operation is when it is tried"
)
_oldest = _meter.create_gauge(
    "operations.oldest", unit="s", description="The age of the oldest that waits or runs"
)
_open = _meter.create_gauge("operations.open", description="Operations not ended, by state")


@contextmanager
def span(
    name: str, *, follows: str | None = None, **attributes: str | int | float
) -> Iterator[trace.Span]:
    """A span around the block, with a link to the span of the header `traceparent` in `follows`.

    An exception marks the span as failed, with the exception's class but without its text.
    """
    with _tracer.start_as_current_span(
        name,
        attributes=attributes,
        links=_links(follows),
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def _links(traceparent: str | None) -> list[trace.Link]:
    """The link to a span of another trace; none where the header names none."""
    if traceparent is None:
        return []
    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    found = trace.get_current_span(context).get_span_context()
    return [trace.Link(found)] if found.is_valid else []


def count_cart(caller: str | None, *, replayed: bool) -> None:
    """Counts one answered creation of a cart; `replayed` where a stored answer was given again."""
    (_replayed if replayed else _created).add(1, _by(caller))


def count_purchase(status: str, caller: str | None, *, replayed: bool) -> None:
    """Counts one answered checkout. `status` is that of the answer's body."""
    (_purchases_replayed if replayed else _purchases).add(1, {"status": status} | _by(caller))


def count_possible_duplicate(caller: str | None) -> None:
    """Counts an order that is like another one which was placed minutes before."""
    _possible_duplicates.add(1, _by(caller))


def count_problem(problem: Problem, caller: str | None) -> None:
    """Counts one error answer."""
    _refused.add(1, {"code": str(problem.code)} | _by(caller))
    if problem.outcome is Outcome.UNKNOWN:
        _unknown.add(1, _by(caller))


def count_webhook(source: str, verdict: str) -> None:
    """Counts one delivery of a storefront. `source` is a name of our own configuration."""
    _webhooks.add(1, {"source": source, "verdict": verdict})


def count_parked(source: str) -> None:
    """Counts one order of a storefront that waits for a person from now on."""
    _parked.add(1, {"source": source})


def count_report(end: str) -> None:
    """Counts one try to deliver a report."""
    _reports.add(1, {"end": end})


def count_try(attempt: int, seconds: float, status: int | None) -> None:
    """Counts one try at Partner Center. `status` is the HTTP status, or None without an answer."""
    if attempt > 1:
        _retries.add(1)
    _latency.record(seconds, {"status": status or 0})


def count_throttle(seconds: float) -> None:
    """Counts the seconds of a pause that Partner Center asked for."""
    _throttled.add(seconds)


def count_missing_mfa() -> None:
    """Counts one answer of Partner Center that calls the token not MFA compliant."""
    _missing_mfa.add(1)


def _by(caller: str | None) -> dict[str, str]:
    """The attribute that says who called, where anything says so."""
    return {"caller": caller} if caller else {}


def count_accepted(operation: str, caller: str | None) -> None:
    """Counts one operation that was accepted, to be worked off later."""
    _accepted.add(1, {"operation": operation} | _by(caller))


def count_bell(what: str) -> None:
    """Counts a bell for which nothing was to be done."""
    _bells.add(1, {"what": what})


def count_deferral(reason: str) -> None:
    """Counts one operation that was put off. `reason` is an error code, or why it was not tried."""
    _deferred.add(1, {"reason": reason})


def count_dead(operation: str, caller: str | None) -> None:
    """Counts one operation that was given up."""
    _dead.add(1, {"operation": operation} | _by(caller))


def count_ended(
    operation: str, state: str, caller: str | None, *, tries: int, seconds: float
) -> None:
    """Counts one operation that has ended, so many seconds after it was accepted."""
    _ended.add(1, {"operation": operation, "state": state} | _by(caller))
    _tries.record(tries, {"operation": operation})
    _seconds_to_end.record(seconds, {"operation": operation})


def record_age_at_start(seconds: float) -> None:
    """Records how old an operation is whose try begins."""
    _age_at_start.record(seconds)


def record_open(oldest: float, counts: Mapping[str, int]) -> None:
    """Records the age of the oldest operation that waits or runs, and how many there are."""
    _oldest.set(oldest)
    for state, count in counts.items():
        _open.set(count, {"state": state})
