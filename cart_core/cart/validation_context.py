"""What the validators of one request share: the operator's limits, and what they have counted."""

from dataclasses import dataclass, field


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
    unknown_members: int = 0
