"""The context in which a use case is called, and the answer that it gives."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from cart_core.deadline import Deadline


@dataclass(frozen=True, slots=True)
class Trace:
    """How a request can be found at Partner Center.

    `request_id` is the MS-RequestId that it was sent under. `headers` are the tracing headers of
    its last answer (MS-CV, MS-ServerId), empty where there was no answer.
    """

    request_id: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Sent:
    """What was sent to Partner Center on behalf of a call.

    `tries` counts the requests, repeated ones included. `may_have_effect` is True once a request of
    this call, or of the earlier call that it resumes, may have changed something. `unanswered` is
    True once the call's current step has a request that may change something and got no clear
    answer; `doubted` is True once any step of the call has had such a request. `connection_lost` is
    True once any request of the call was sent and not answered. `request_id` is the MS-RequestId of
    the last request, `cart_id` the cart that the call has made or goes on with.
    """

    tries: int = 0
    may_have_effect: bool = False
    unanswered: bool = False
    doubted: bool = False
    connection_lost: bool = False
    request_id: str | None = None
    cart_id: str | None = None


@dataclass(frozen=True, slots=True)
class WorkedOff:
    """What a call knows when it works off an operation that was accepted before.

    `record_name` is the name of the record of the operation's key. `comes_back` says after which
    exceptions the operation is tried again, so that its key stays taken. `accepted_at` is when the
    operation was accepted, in POSIX seconds. `require_wanted` is called just before a checkout is
    sent, and raises Problem if it must not be sent, for instance because the order was cancelled in
    the shop; None for an operation that is no part of a storefront's order.
    """

    record_name: str
    comes_back: Callable[[Exception], bool]
    accepted_at: float
    require_wanted: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its ids, the customer it is for (a GUID in lower case), and its deadline.

    `locale` is the language in which Partner Center is to answer. `caller_id` says who called (an
    application of Entra, or the fingerprint of a key), None where nothing says so. Whoever sends a
    request to Partner Center notes it in `sent`. A call with `worked_off` waits for nobody: whoever
    made it comes back later. `order` is the name of the record of the storefront's order that the
    call is a part of.
    """

    correlation_id: str
    customer_id: str
    locale: str
    deadline: Deadline
    caller_id: str | None = None
    sent: Sent = field(default_factory=Sent)
    worked_off: WorkedOff | None = None
    order: str | None = None


class Answered(NamedTuple):
    """A normalised document of Partner Center, and how the request for it can be traced."""

    body: dict[str, Any]
    trace: Trace


@dataclass(frozen=True, slots=True)
class Answer:
    """What a use case gives: an HTTP status, a JSON body, and the headers that belong to them.

    `trace` says how the request that made it can be found at Partner Center. `replayed` says that
    an earlier call with the same idempotency key was answered like this; it has no trace.
    """

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]
    trace: Trace | None = None
    replayed: bool = False

    @classmethod
    def of(cls, status: int, answered: Answered, **headers: str) -> Self:
        """The answer with this document, with the ids that Partner Center knows its request by."""
        body, trace = answered
        ids = {"MS-RequestId": trace.request_id, **trace.headers}
        return cls(status, body, {**headers, **ids}, trace)

    @classmethod
    def read(cls, body: dict[str, Any], call: Call) -> Self:
        """The answer with what was read by any number of requests; it names the last one."""
        request_id = call.sent.request_id
        return cls(200, body, {"MS-RequestId": request_id} if request_id else {})

    def with_warning(self, warning: dict[str, Any]) -> Self:
        """The answer with this entry in the `warnings` of its body, once."""
        others = [each for each in self.body.get("warnings", []) if each != warning]
        warnings = [*others, warning]
        return replace(self, body=self.body | {"warnings": warnings})
