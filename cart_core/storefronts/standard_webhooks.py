"""Orders of any sender that signs by Standard Webhooks: a JMESPath expression for each member.

JMESPath (jmespath.org) is what `az --query` speaks. It has no loops, no regular expressions and no
side effects. Expressions are compiled at start; one that finds nothing gives null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from cart_core.storefronts.json_body import UnreadableBody
from cart_core.storefronts.order import Buyer, Ignored, Line, Reading, StorefrontOrder
from cart_core.storefronts.platform_types import (
    Count,
    Id,
    Moment,
    OptionalText,
    PlatformModel,
    parsed,
)

MAX_EXPRESSION_LENGTH: Final = 256
"""Characters of one expression."""

MAX_LINES: Final = 1000

REQUIRED: Final = ("id", "created", "changed", "lines")
OPTIONAL: Final = (
    *("number", "paid", "on_terms", "cancelled", "test", "draft"),
    *("customer", "company", "company_location", "external_id", "email", "email_verified"),
)
OF_A_LINE: Final = ("line_id", "line_sku", "line_quantity")
ATTRIBUTES: Final = ("attributes", "line_properties")
"""Expressions for an object of texts by name, the second one within a line."""


class InvalidExpression(ValueError):
    """An expression that JMESPath cannot compile. The text says where it stops."""


class _Order(PlatformModel):
    id: Id
    number: OptionalText = None
    created: Moment
    changed: Moment
    lines: list[Any]
    paid: bool | None = None
    on_terms: bool | None = None
    cancelled: bool | None = None
    test: bool | None = None
    draft: bool | None = None
    customer: Id | None = None
    company: Id | None = None
    company_location: Id | None = None
    external_id: Id | None = None
    email: OptionalText = None
    email_verified: bool | None = None
    attributes: dict[str, OptionalText] | None = None


class _Line(PlatformModel):
    line_id: Id
    line_sku: OptionalText = None
    line_quantity: Count = None
    line_properties: dict[str, OptionalText] | None = None


@dataclass(frozen=True, slots=True)
class Expressions:
    """The compiled expressions of one source, by the member that each one finds."""

    types: tuple[str, ...]
    members: Mapping[str, ParsedResult]

    @classmethod
    def compiled(cls, types: tuple[str, ...], texts: Mapping[str, str]) -> "Expressions":
        """The expressions of a source. `types` are the event types that are orders."""
        return cls(types, {name: compiled(text) for name, text in texts.items()})

    def read(self, body: Mapping[str, Any], received: datetime) -> Reading:
        """The order in a delivery. Raises UnreadableBody."""
        if body.get("type") not in self.types:
            return Ignored.UNWANTED
        order = parsed(_Order, self._found(body, (*REQUIRED, *OPTIONAL, "attributes")))
        if len(order.lines) > MAX_LINES:
            raise UnreadableBody(f"lines: there are more than {MAX_LINES}")
        names = (*OF_A_LINE, "line_properties")
        lines = [parsed(_Line, self._found(line, names)) for line in order.lines]
        return StorefrontOrder(
            id=order.id,
            number=order.number or order.id,
            created=order.created,
            changed=order.changed,
            lines=tuple(
                Line(line.line_id, line.line_sku, line.line_quantity, _texts(line.line_properties))
                for line in lines
            ),
            buyer=Buyer(
                company_location=order.company_location,
                company=order.company,
                customer=order.customer,
                external_id=order.external_id,
                email=order.email,
                email_verified=bool(order.email_verified),
            ),
            paid=bool(order.paid),
            on_terms=bool(order.on_terms),
            cancelled=bool(order.cancelled),
            test=bool(order.test),
            draft=bool(order.draft),
            attributes=_texts(order.attributes),
        )

    def _found(self, value: Any, names: tuple[str, ...]) -> dict[str, Any]:
        """What the expressions of these members find in a value; a null counts as nothing."""
        found: dict[str, Any] = {}
        for name in names:
            if name not in self.members:
                continue
            try:
                result = self.members[name].search(value)
            except (JMESPathError, RecursionError, ArithmeticError, TypeError, ValueError):
                raise UnreadableBody(f"{name}: its expression fails for this body") from None
            if result is not None:
                found[name] = result
        return found


def compiled(text: str) -> ParsedResult:
    """A compiled expression. Raises InvalidExpression."""
    if len(text) > MAX_EXPRESSION_LENGTH:
        raise InvalidExpression(f"has more than {MAX_EXPRESSION_LENGTH} characters")
    try:
        return jmespath.compile(text)
    except RecursionError:
        raise InvalidExpression("is nested too deep") from None
    except JMESPathError as error:
        place = getattr(error, "lex_position", None)
        where = f" at character {place + 1}" if isinstance(place, int) else ""
        raise InvalidExpression(f"is no JMESPath{where}") from None


def _texts(found: Mapping[str, str | None] | None) -> dict[str, str]:
    return {name: text for name, text in (found or {}).items() if text is not None}
