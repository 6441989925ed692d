"""What the validators of one request share: the operator's limits, and what they have counted."""

from dataclasses import dataclass, field

from cart_core.problem import MAX_REPORTED_ERRORS

_ENOUGH_ERRORS = 2 * MAX_REPORTED_ERRORS
"""Half of them may only follow from the others, and are not listed; see request_errors."""


@dataclass(slots=True)
class ValidationContext:
    """The context of one run of pydantic's validation. It must not be used for a second run."""

    max_quantity: int | None
    """The operator's limit for each line; None for no limit."""
    reject_unknown_members: bool
    """Whether a member that Partner Center does not document is an error."""
    max_unknown_members: int | None
    """How many of them a cart may carry otherwise; None for any number."""
    replaces_cart: bool
    """Whether the cart replaces an existing one, so that it may be an edited answer of this API."""

    line_ids: set[int] = field(default_factory=set)
    lines: int = 0
    """Line items and add-ons so far."""
    unknown_members: int = 0
    meant: dict[tuple[type, str], tuple[str, ...]] = field(default_factory=dict)
    """For each model and each unknown name in it: the documented names that it resembles."""
    errors: int = 0
    """At least as many as were found."""

    @property
    def enough(self) -> bool:
        """Whether more errors were found than can be listed, so that nothing more is looked at."""
        return self.errors > _ENOUGH_ERRORS
