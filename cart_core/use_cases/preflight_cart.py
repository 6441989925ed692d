"""Look at a cart before anything is sent: what stands against it, and what cannot be known.

Nothing is written. A check that fails for a reason of its own says `unknown`, and why.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_args

from cart_core.call import Answer, Call
from cart_core.cart.request import CartRequest
from cart_core.cart.skus import every_line
from cart_core.catalogue.availability import Availability
from cart_core.catalogue.preflight import (
    Check,
    Finding,
    KnownLine,
    Severity,
    line_findings,
    not_looked_at,
)
from cart_core.catalogue.resolution import DEFAULT_SEGMENT, NotAvailable, Wanted, resolve
from cart_core.partner_center.catalogue import AGE_FOR_READING, Catalogue
from cart_core.partner_center.customers import Customers
from cart_core.partner_center.eligibility import QUALIFICATIONS, Eligibility
from cart_core.partner_center.promotions import Promotions
from cart_core.problem import FieldError, Problem

_BLOCKING: Final = frozenset({"underreview", "notallowed", "unknown"})
"""Validation statuses under which Partner Center sells nothing (800073 to 800075)."""

_NO_CUSTOMER: Final = frozenset({"60003", "20002"})

_NOT_OF_TODAY: Final = (
    "The availability is not among today's of the segment commercial. It may have been replaced."
)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class PreflightCartCommand:
    """The cart to look at."""

    cart: CartRequest


@dataclass(frozen=True, slots=True)
class _Failed:
    """A question that was not answered: because it was forbidden, or there is no customer."""

    why: str
    forbidden: bool = False
    no_customer: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that was looked up: what stands against its item, and the SKU that it buys, if known.

    `segment` is None for a whole id that is not among those of today.
    """

    pointer: str
    line: dict[str, Any]
    finding: Finding | None
    known: KnownLine | None
    segment: str | None


class PreflightCart:
    """Looks at carts."""

    def __init__(
        self,
        catalogue: Catalogue,
        customers: Customers,
        eligibility: Eligibility,
        promotions: Promotions,
    ) -> None:
        self._catalogue = catalogue
        self._customers = customers
        self._eligibility = eligibility
        self._promotions = promotions

    async def __call__(self, call: Call, command: PreflightCartCommand) -> Answer:
        """What was found (200), blockers or not. Raises Problem if nothing can be looked at."""
        findings = await self.findings(call, command.cart)
        found = {finding.check for finding in findings}
        body = {
            "customerId": call.customer_id,
            "blocked": any(finding.severity == "blocker" for finding in findings),
            "findings": [finding.as_json() for finding in findings],
            "passed": [check for check in get_args(Check) if check not in found],
        }
        return Answer.read(body, call)

    async def require_no_blocker(self, call: Call, cart: CartRequest) -> None:
        """Raises Problem `preflight_failed` with the blockers, if there are any."""
        findings = await self.findings(call, cart)
        blockers = [each for each in findings if each.severity == "blocker"]
        if blockers:
            raise Problem(
                "preflight_failed",
                f"{blockers[0].detail} No cart was made; see 'errors'.",
                errors=[FieldError(each.pointer, each.check, each.detail) for each in blockers],
            )

    async def findings(self, call: Call, cart: CartRequest) -> list[Finding]:
        """Everything that was found, the customer's first."""
        eligibility = self._eligibility
        customer, agreement, validation, seats, lines = await asyncio.gather(
            _asked(self._customers.get(call, call.customer_id)),
            _asked(eligibility.has_agreement(call)),
            _asked(eligibility.validation(call)),
            _asked(eligibility.seats(call)),
            self._lines(call, cart),
        )
        known = [each.known for each in lines if each.known]
        country = None if isinstance(customer, _Failed) else customer.body["country"]
        findings = [*_of_customer(customer), *_of_agreement(agreement), *_of_account(validation)]
        findings.append(
            Finding("credit", "unknown", "Partner Center does not tell how much credit is left.")
        )
        findings += [each.finding for each in lines if each.finding]
        findings += not_looked_at(each.pointer for each in lines if not each.known)
        in_cart = {_sku_id(each.line) for each in lines}
        findings += line_findings(known, None if isinstance(seats, _Failed) else seats, in_cart)
        for more in await asyncio.gather(
            self._qualifications(call, lines),
            self._inventory(call, known, country),
            self._of_promotions(call, lines),
            self._end_dates(call, lines),
        ):
            findings += more
        return findings

    async def _lines(self, call: Call, cart: CartRequest) -> list[_Line]:
        """The lines and add-ons, with what was found of their items."""
        lines = every_line(cart.body["lineItems"])
        return await asyncio.gather(
            *(self._line(call, cart.locate(path), line) for path, line in lines)
        )

    async def _line(self, call: Call, pointer: str, line: dict[str, Any]) -> _Line:
        item = line["catalogItemId"].upper()
        is_whole, segment = item.count(":") == 2, line.get("segment") or DEFAULT_SEGMENT
        own_segment = None if is_whole else segment

        def found(severity: Severity, detail: str, known: KnownLine | None = None) -> _Line:
            finding = Finding("item", severity, detail, pointer)
            return _Line(pointer, line, finding, known, own_segment)

        if not 1 <= item.count(":") <= 2:
            own_segment = None
            return found("unknown", "The item is not one of the catalogue.")
        listed = await _asked(
            self._catalogue.availabilities(
                call, _sku_id(line), segment, longest_age=AGE_FOR_READING
            )
        )
        if isinstance(listed, _Failed):
            return found("unknown", f"The catalogue was not read. {listed.why}")
        if isinstance(listed, NotAvailable):
            return found("unknown" if is_whole else "blocker", listed.detail)
        known = KnownLine(pointer, line, listed[0].sku) if listed else None
        if not is_whole:
            resolved = resolve(Wanted.by({**line, "catalogItemId": item}), listed)
            if isinstance(resolved, NotAvailable):
                return found("blocker", resolved.detail, known)
            line = {**line, **resolved.line_members()}
            return _Line(pointer, line, None, KnownLine(pointer, line, listed[0].sku), own_segment)
        mine = next((each for each in listed if each.catalog_item_id.upper() == item), None)
        if mine is None:
            return found("warning", _NOT_OF_TODAY, known)
        own_segment = segment
        if stands := _against(mine, line):
            return found(*stands, known)
        return _Line(pointer, line, None, known, own_segment)

    async def _qualifications(self, call: Call, lines: list[_Line]) -> list[Finding]:
        findings = []
        if of_no_segment := [each for each in lines if each.segment is None]:
            detail = "The segment of the item is not known."
            findings.append(Finding("qualification", "unknown", detail, of_no_segment[0].pointer))
        segments = {
            each.segment: each.pointer
            for each in reversed(lines)
            if each.segment not in (None, DEFAULT_SEGMENT)
        }
        if not segments:
            return findings
        has = await _asked(self._eligibility.qualifications(call))
        for segment, pointer in segments.items():
            if isinstance(has, _Failed):
                findings.append(Finding("qualification", "unknown", has.why, pointer))
            elif not QUALIFICATIONS[segment or ""] & has:
                detail = f"The customer is not qualified for the segment {segment}."
                findings.append(Finding("qualification", "blocker", detail, pointer))
        return findings

    async def _inventory(
        self, call: Call, lines: list[KnownLine], country: str | None
    ) -> list[Finding]:
        checked = [each for each in lines if "InventoryCheck" in each.sku.prerequisites]
        whys = await asyncio.gather(*(self._of_inventory(call, each, country) for each in checked))
        return [
            Finding("inventory", *why, each.pointer)
            for each, why in zip(checked, whys, strict=True)
            if why
        ]

    async def _of_inventory(
        self, call: Call, each: KnownLine, country: str | None
    ) -> tuple[Severity, str] | None:
        """What stands against the inventory of a line that needs the check."""
        context = each.inventory_context()
        if missing := each.missing_in(context):
            return "unknown", f"To ask for the inventory, {', '.join(missing)} is needed."
        if not country:
            return "unknown", "The customer's country is not known."
        restricted = await _asked(self._eligibility.restricted(call, each.sku.id, country, context))
        if isinstance(restricted, _Failed):
            return "unknown", restricted.why
        if restricted is None:
            return "unknown", "Partner Center does not tell."
        none_left = "Partner Center has no inventory of this item for the customer."
        return ("blocker", none_left) if restricted else None

    async def _of_promotions(self, call: Call, lines: list[_Line]) -> list[Finding]:
        named = [each for each in lines if each.line.get("promotionId")]
        promoted = [each for each in named if each.line["catalogItemId"].count(":") == 2]
        findings = [
            Finding("promotion", "unknown", "The line's item is not known.", each.pointer)
            for each in named
            if each not in promoted
        ]
        if not promoted:
            return findings
        verdicts = await _asked(
            self._promotions.judge(call, [dict(each.line) for each in promoted])
        )
        if isinstance(verdicts, _Failed):
            why = verdicts.why
            return findings + [Finding("promotion", "unknown", why, p.pointer) for p in promoted]
        return findings + [
            Finding(
                "promotion",
                "warning",
                "The promotion does not apply, and the line would be bought at full price:"
                f" {', '.join(verdict.reasons) or 'no reason is told'}.",
                each.pointer,
            )
            for each, verdict in zip(promoted, verdicts, strict=True)
            if not verdict.eligible
        ]

    async def _end_dates(self, call: Call, lines: list[_Line]) -> list[Finding]:
        dated = [each for each in lines if each.line.get("customTermEndDate")]
        terms = list(dict.fromkeys(each.line.get("termDuration") or "" for each in dated))
        days = await asyncio.gather(
            *(_asked(self._eligibility.end_dates(call, term)) for term in terms)
        )
        of_term = dict(zip(terms, days, strict=True))
        findings = []
        for each in dated:
            allowed = of_term[each.line.get("termDuration") or ""]
            if isinstance(allowed, _Failed):
                findings.append(Finding("end_date", "unknown", allowed.why, each.pointer))
            elif each.line["customTermEndDate"][:10] not in allowed:
                words = ", ".join(sorted(allowed)[:10]) or "no day"
                detail = f"The first term may end on: {words}."
                findings.append(Finding("end_date", "blocker", detail, each.pointer))
        return findings


def _sku_id(line: dict[str, Any]) -> str:
    """The SKU (`Product:Sku`) of a line, whether it names that or a whole id."""
    return ":".join(str(line["catalogItemId"]).upper().split(":")[:2])


def _against(mine: Availability, line: dict[str, Any]) -> tuple[Severity, str] | None:
    """What stands against the availability that a line names whole."""
    if not mine.purchasable:
        return "blocker", "This availability cannot be bought at present."
    term, cycle = line.get("termDuration"), line["billingCycle"]
    if {(term, cycle), (None, cycle)} & set(mine.pairs):
        return None
    if term is None and cycle in {pair.billing_cycle for pair in mine.pairs}:
        return "unknown", "Whether this availability can be bought without a term is not known."
    return "blocker", "The availability does not have this term with this billing cycle."


def _of_customer(customer: Any) -> Iterator[Finding]:
    if isinstance(customer, _Failed):
        none = customer.no_customer
        detail = "The tenant is no customer of this partner." if none else customer.why
        yield Finding("relationship", "blocker" if none else "unknown", detail)
    elif customer.body["relationship"] != "reseller":
        detail = f"The relationship is {customer.body['relationship'] or 'not told'}, not reseller."
        yield Finding("relationship", "warning", detail)


def _of_agreement(agreement: Any) -> Iterator[Finding]:
    if isinstance(agreement, _Failed):
        yield Finding("agreement", "unknown", _why(agreement, "agreements"))
    elif not agreement:
        detail = "The customer has not accepted the Microsoft Customer Agreement."
        yield Finding("agreement", "blocker", detail)


def _of_account(status: Any) -> Iterator[Finding]:
    if isinstance(status, _Failed):
        yield Finding("account", "unknown", _why(status, "the validation of accounts"))
    elif status and status.lower() != "allowed":
        blocks = status.replace(" ", "").lower() in _BLOCKING
        detail = f"The validation of the account is: {status}."
        yield Finding("account", "blocker" if blocks else "unknown", detail)


async def _asked(asking: Awaitable[Value]) -> Value | _Failed:
    """The answer, or why there is none."""
    try:
        return await asking
    except Problem as problem:
        fault = problem.fault
        return _Failed(
            problem.detail,
            forbidden=problem.code == "partner_center_forbidden",
            no_customer=fault is not None and fault.code in _NO_CUSTOMER,
        )


def _why(failed: _Failed, what: str) -> str:
    """Why something is not known. An application without a user is refused some questions."""
    if failed.forbidden and not failed.no_customer:
        return f"Partner Center shows {what} to signed-in users alone. {failed.why}"
    return failed.why
