"""Whether promotions apply to lines: a question to Partner Center that changes nothing.

A cart with a promotion that does not apply is ordered at full price, without a word.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cart_core.call import Call
from cart_core.partner_center.catalogue import customer_path
from cart_core.partner_center.errors import unreadable, without_effect
from cart_core.partner_center.reading import Reader
from cart_core.problem import Problem

_STALE: Final = "InvalidCatalogItemId"
"""The type of an error: the line's item is not, or not any more, in the catalogue."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the promotion of a line applies, and the types of what speaks against it."""

    eligible: bool
    reasons: tuple[str, ...] = ()


class Promotions:
    """Promotions and the lines that name one.

    `forget` is told of each call whose line has an item that is not in the catalogue any more.
    """

    def __init__(self, reader: Reader, forget: Callable[[Call], None]) -> None:
        self._reader = reader
        self._forget = forget

    async def judge(self, call: Call, lines: Sequence[dict[str, Any]]) -> list[Verdict]:
        """The verdict on the `promotionId` of each line, in their order. Raises Problem."""
        items = [
            {
                "id": number,
                **{
                    name: line[name]
                    for name in (
                        *("catalogItemId", "quantity", "termDuration"),
                        *("billingCycle", "promotionId"),
                    )
                    if name in line
                },
            }
            for number, line in enumerate(lines)
        ]
        path = f"{customer_path(call.customer_id)}/promotionEligibilities"
        body = await self._reader.ask(call, "judge_promotions", path, {"items": items}, {})
        answers = _named(body).get("items")
        judged = {
            _named(each).get("id"): each
            for each in (answers if isinstance(answers, list) else [])
            if isinstance(each, dict)
        }
        if any(number not in judged for number in range(len(lines))):
            raise _unclear()
        verdicts = [
            _verdict(judged[number], line["promotionId"]) for number, line in enumerate(lines)
        ]
        if any(_STALE in verdict.reasons for verdict in verdicts):
            self._forget(call)
        return verdicts


def _verdict(judged: dict[str, Any], promotion: str) -> Verdict:
    eligibilities = _named(judged).get("eligibilities")
    for each in eligibilities if isinstance(eligibilities, list) else ():
        found = _named(each)
        if str(found.get("promotionid")).lower() == promotion.lower():
            errors = found.get("errors")
            reasons = tuple(
                str(_named(error).get("type"))
                for error in (errors if isinstance(errors, list) else ())
            )
            return Verdict(found.get("iseligible") is True, reasons)
    raise _unclear()


def _unclear() -> Problem:
    return without_effect(unreadable(200))


def _named(value: Any) -> dict[str, Any]:
    named = value.items() if isinstance(value, dict) else ()
    return {name.lower(): member for name, member in named}
