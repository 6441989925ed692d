"""The one shape of every error answer, and the catalogue of all error codes.

The members are those of RFC 9457 plus `code`, `errors`, `requestId`, `correlationId`, `retryable`,
`outcome`, `partnerCenter`, `cart`, `orderErrors` and `unavailableItems`; docs/contract.md explains
each code.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple

from cart_core.call import Trace

MAX_REPORTED_ERRORS: Final = 100

Code = Literal[
    "invalid_json",
    "invalid_request",
    "length_required",
    "body_too_large",
    "invalid_idempotency_key",
    "idempotency_key_required",
    "idempotency_key_reused",
    "unsupported_media_type",
    "unsupported_content_encoding",
    "caller_unknown",
    "role_missing",
    "checkout_disabled",
    "purchase_limit_exceeded",
    "possible_duplicate",
    "item_not_available",
    "preflight_failed",
    "cart_not_orderable",
    "cart_differs",
    "checkout_failed",
    "internal_error",
    "configuration_invalid",
    "store_unavailable",
    "operation_in_progress",
    "deadline_exceeded",
    "operation_not_found",
    "operation_dead",
    "operation_discarded",
    "operation_not_resting",
    "order_not_found",
    "order_not_parked",
    "order_cancelled",
    "shop_unavailable",
    "managed_identity_unavailable",
    "vault_unavailable",
    "vault_denied",
    "secret_missing",
    "token_unavailable",
    "token_rejected",
    "consent_required",
    "partner_center_invalid_request",
    "partner_center_forbidden",
    "partner_center_not_found",
    "partner_center_conflict",
    "partner_center_precondition_failed",
    "partner_center_expectation_failed",
    "partner_center_throttled",
    "partner_center_unauthorized",
    "partner_center_unexpected",
    "partner_center_unreachable",
    "partner_center_failed",
    "partner_center_no_answer",
    "partner_center_unreadable",
    "partner_center_busy",
    "partner_center_not_ready",
    "partner_center_timeout",
]
"""Every error code. CATALOGUE says what each stands for."""


class Outcome(StrEnum):
    """What is known of the effect that a failed request should have had."""

    NOT_SENT = "not_sent"
    """Partner Center never received the request."""
    REJECTED = "rejected"
    """The request had no effect: Partner Center refused it, or it only reads."""
    UNKNOWN = "unknown"
    """Partner Center may or may not have done what the request asks for."""


class Kind(NamedTuple):
    """What an error code stands for: HTTP status, title, outcome, whether a retry may help."""

    status: int
    title: str
    outcome: Outcome
    retryable: bool


_NOT_SENT, _REJECTED, _UNKNOWN = Outcome.NOT_SENT, Outcome.REJECTED, Outcome.UNKNOWN

CATALOGUE: Final[Mapping[Code, Kind]] = {
    "invalid_json": Kind(400, "The body is not valid JSON", _NOT_SENT, False),
    "invalid_request": Kind(400, "The request is not valid", _NOT_SENT, False),
    "length_required": Kind(411, "The body did not arrive", _NOT_SENT, False),
    "body_too_large": Kind(413, "The body is too large", _NOT_SENT, False),
    "invalid_idempotency_key": Kind(400, "The idempotency key is not valid", _NOT_SENT, False),
    "idempotency_key_required": Kind(400, "An idempotency key is required", _NOT_SENT, False),
    "idempotency_key_reused": Kind(422, "The idempotency key is taken", _NOT_SENT, False),
    "unsupported_media_type": Kind(415, "The body must be JSON", _NOT_SENT, False),
    "unsupported_content_encoding": Kind(415, "The body must not be encoded", _NOT_SENT, False),
    "caller_unknown": Kind(401, "Nobody knows who calls", _NOT_SENT, False),
    "role_missing": Kind(403, "The caller may not do this", _NOT_SENT, False),
    "checkout_disabled": Kind(403, "Buying is not allowed here", _NOT_SENT, False),
    "purchase_limit_exceeded": Kind(403, "More than may be bought", _NOT_SENT, False),
    "possible_duplicate": Kind(409, "The same was ordered just before", _NOT_SENT, False),
    "item_not_available": Kind(422, "An item cannot be bought like this", _NOT_SENT, False),
    "preflight_failed": Kind(422, "Something stands against the order", _NOT_SENT, False),
    "cart_not_orderable": Kind(422, "The cart cannot be ordered", _REJECTED, False),
    "cart_differs": Kind(422, "The cart is not what was asked for", _REJECTED, False),
    "checkout_failed": Kind(422, "Nothing was ordered", _REJECTED, False),
    "internal_error": Kind(500, "Unexpected error", _UNKNOWN, True),
    "configuration_invalid": Kind(503, "The function is not configured", _NOT_SENT, False),
    "store_unavailable": Kind(503, "The idempotency store cannot be reached", _UNKNOWN, True),
    "operation_in_progress": Kind(503, "The same request is under way", _UNKNOWN, True),
    "deadline_exceeded": Kind(504, "There was no time left", _NOT_SENT, True),
    "operation_not_found": Kind(404, "There is no such operation", _NOT_SENT, False),
    "operation_dead": Kind(500, "The operation was given up", _UNKNOWN, False),
    "operation_discarded": Kind(409, "An operator discarded the operation", _NOT_SENT, False),
    "operation_not_resting": Kind(409, "The operation is not dead or parked", _NOT_SENT, False),
    "order_not_found": Kind(404, "There is no such order", _NOT_SENT, False),
    "order_not_parked": Kind(409, "The order is not parked", _NOT_SENT, False),
    "order_cancelled": Kind(409, "The shop's order was cancelled", _NOT_SENT, False),
    "shop_unavailable": Kind(503, "The shop cannot be reached", _NOT_SENT, True),
    "managed_identity_unavailable": Kind(503, "No managed identity token", _NOT_SENT, True),
    "vault_unavailable": Kind(503, "Key Vault cannot be reached", _NOT_SENT, True),
    "vault_denied": Kind(503, "Key Vault refuses the function", _NOT_SENT, False),
    "secret_missing": Kind(503, "A secret is missing in Key Vault", _NOT_SENT, False),
    "token_unavailable": Kind(503, "Microsoft Entra ID cannot be reached", _NOT_SENT, True),
    "token_rejected": Kind(503, "Microsoft Entra ID refuses a token", _NOT_SENT, False),
    "consent_required": Kind(503, "A person has to sign in again", _NOT_SENT, False),
    "partner_center_invalid_request": Kind(
        400, "Partner Center refused the request", _REJECTED, False
    ),
    "partner_center_forbidden": Kind(403, "Partner Center forbids it", _REJECTED, False),
    "partner_center_not_found": Kind(404, "Partner Center cannot find it", _REJECTED, False),
    "partner_center_conflict": Kind(409, "Partner Center reports a conflict", _REJECTED, False),
    "partner_center_precondition_failed": Kind(
        412, "A precondition failed in Partner Center", _REJECTED, False
    ),
    "partner_center_expectation_failed": Kind(
        417, "An expectation failed in Partner Center", _REJECTED, False
    ),
    "partner_center_throttled": Kind(429, "Partner Center is throttling", _REJECTED, True),
    "partner_center_unauthorized": Kind(
        502, "Partner Center does not accept our token", _REJECTED, False
    ),
    "partner_center_unexpected": Kind(502, "Unexpected Partner Center answer", _REJECTED, False),
    "partner_center_unreachable": Kind(502, "Partner Center cannot be reached", _NOT_SENT, True),
    "partner_center_failed": Kind(502, "Partner Center failed", _UNKNOWN, True),
    "partner_center_no_answer": Kind(502, "Partner Center's answer was lost", _UNKNOWN, True),
    "partner_center_unreadable": Kind(
        502, "Partner Center's answer cannot be read", _UNKNOWN, True
    ),
    "partner_center_busy": Kind(503, "The cart is being processed", _REJECTED, True),
    "partner_center_not_ready": Kind(503, "Partner Center cannot do it yet", _REJECTED, True),
    "partner_center_timeout": Kind(504, "Partner Center did not answer in time", _UNKNOWN, True),
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with a request.

    `pointer` is a JSON Pointer (RFC 6901) into the caller's body, in the caller's own spelling; it
    is "" for the request as a whole. `detail` never repeats the offending value.
    """

    pointer: str
    code: str
    detail: str

    def as_json(self) -> dict[str, Any]:
        """The entry of `errors` (and of `warnings`, which have the same shape)."""
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


def pointer_to(parent: str, name: str | int) -> str:
    """The JSON Pointer of a member or item of what `parent` points to."""
    return f"{parent}/{str(name).replace('~', '~0').replace('/', '~1')}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Partner Center's own words about a failure; members it did not give are None or empty."""

    status: int
    code: str | None = None
    description: str | None = None
    source: str | None = None
    data: list[Any] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The `partnerCenter` member of an error answer."""
        return {
            "status": self.status,
            "code": self.code,
            "description": self.description,
            "source": self.source,
            "data": self.data,
        }


class Problem(Exception):
    """A failure on its way to the caller.

    `retry_after` is in whole seconds. `outcome` is given only where it differs from the one in
    CATALOGUE. `cart` is the normalised cart that cannot be ordered, `order_errors` say why nothing
    was ordered, `unavailable_items` what may be chosen instead of an item. `trace` says how the
    request that failed can be found at Partner Center; it is None as long as there is none.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        fault: Fault | None = None,
        retry_after: int | None = None,
        outcome: Outcome | None = None,
        cart: dict[str, Any] | None = None,
        order_errors: Sequence[dict[str, Any]] = (),
        unavailable_items: Sequence[dict[str, Any]] = (),
        trace: Trace | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code: Code = code
        self.kind = CATALOGUE[code]
        self.detail = detail
        self.errors = errors
        self.fault = fault
        self.retry_after = retry_after
        self.outcome = outcome or self.kind.outcome
        self.cart = cart
        self.order_errors = order_errors
        self.unavailable_items = unavailable_items
        self.trace = trace

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    @staticmethod
    @contextmanager
    def completing(*, trace: Trace | None) -> Iterator[None]:
        """Adds the trace to every Problem of the block that has none yet."""
        try:
            yield
        except Problem as problem:
            problem.trace = problem.trace or trace
            raise

    def as_json(self, *, request_id: str | None, correlation_id: str) -> dict[str, Any]:
        """The body of the error answer; every member is always present."""
        return {
            "type": f"urn:partner-center-carts:problem:{self.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": f"urn:uuid:{correlation_id}",
            "code": self.code,
            "errors": [error.as_json() for error in self.errors[:MAX_REPORTED_ERRORS]],
            "requestId": request_id,
            "correlationId": correlation_id,
            "retryable": self.kind.retryable or self.outcome is Outcome.UNKNOWN,
            "outcome": self.outcome,
            "partnerCenter": self.fault.as_json() if self.fault else None,
            "cart": self.cart,
            "orderErrors": list(self.order_errors),
            "unavailableItems": list(self.unavailable_items)[:MAX_REPORTED_ERRORS],
        }


def invalid_request(errors: Sequence[FieldError]) -> Problem:
    """All that is wrong with a request, as one answer.

    It states the total up to MAX_REPORTED_ERRORS. Where there are more, nobody has counted them.
    """
    found = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
    shown = ""
    if len(errors) > MAX_REPORTED_ERRORS:
        found = f"More than {MAX_REPORTED_ERRORS} problems"
        shown = f"; the first {MAX_REPORTED_ERRORS} are listed"
    return Problem(
        "invalid_request",
        f"{found} in the request{shown}. Nothing was sent to Partner Center.",
        errors=errors,
    )
