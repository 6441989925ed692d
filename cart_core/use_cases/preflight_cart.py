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
from cart_core.catalogue.preflight import (
    Check,
    Finding,
    KnownLine,
    Severity,
    line_findings,
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
        found, known = lines
        country = None if isinstance(customer, _Failed) else customer.body["country"]
        findings = [*_of_customer(customer), *_of_agreement(agreement), *_of_account(validation)]
        findings.append(
            Finding("credit", "unknown", "Partner Center does not tell how much credit is left.")
        )
        findings += found
        findings += line_findings(known, None if isinstance(seats, _Failed) else seats)
        for more in await asyncio.gather(
            self._qualifications(call, known),
            self._inventory(call, known, country),
            self._of_promotions(call, known),
            self._end_dates(call, known),
        ):
            findings += more
        return findings

    async def _lines(self, call: Call, cart: CartRequest) -> tuple[list[Finding], list[KnownLine]]:
        """What stands against the items, and the lines whose items are in the catalogue."""
        lines = list(every_line(cart.body["lineItems"]))
        results = await asyncio.gather(
            *(self._line(call, cart.locate(path), line) for path, line in lines)
        )
        return (
            [each for each in results if isinstance(each, Finding)],
            [each for each in results if isinstance(each, KnownLine)],
        )

    async def _line(self, call: Call, pointer: str, line: dict[str, Any]) -> Finding | KnownLine:
        item = line["catalogItemId"].upper()
        parts = item.split(":")
        if len(parts) not in (2, 3):
            return Finding("item", "unknown", "The item is not one of the catalogue.", pointer)
        sku_id, segment = ":".join(parts[:2]), line.get("segment") or DEFAULT_SEGMENT
        listed = await _asked(
            self._catalogue.availabilities(call, sku_id, segment, longest_age=AGE_FOR_READING)
        )
        if isinstance(listed, _Failed):
            return Finding("item", "unknown", f"The catalogue was not read. {listed.why}", pointer)
        if isinstance(listed, NotAvailable):
            severity: Severity = "unknown" if len(parts) == 3 else "blocker"
            return Finding("item", severity, listed.detail, pointer)
        if len(parts) == 2:
            found = resolve(Wanted.by({**line, "catalogItemId": sku_id}), listed)
            if isinstance(found, NotAvailable):
                return Finding("item", "blocker", found.detail, pointer)
            return KnownLine(pointer, {**line, **found.line_members()}, _sku(listed))
        mine = [each for each in listed if each.catalog_item_id.upper() == item]
        if not mine:
            detail = "The availability is not among today's of the segment commercial. It may have"
            return Finding("item", "warning", f"{detail} been replaced.", pointer)
        wanted = (line.get("termDuration"), line["billingCycle"])
        if wanted not in mine[0].pairs and (None, wanted[1]) not in mine[0].pairs:
            detail = "The availability does not have this term with this billing cycle."
            return Finding("item", "blocker", detail, pointer)
        return KnownLine(pointer, line, mine[0].sku)

    async def _qualifications(self, call: Call, lines: list[KnownLine]) -> list[Finding]:
        segments = {
            each.line["segment"]: each.pointer
            for each in lines
            if each.line.get("segment", DEFAULT_SEGMENT) != DEFAULT_SEGMENT
        }
        if not segments:
            return []
        has = await _asked(self._eligibility.qualifications(call))
        findings = []
        for segment, pointer in segments.items():
            if isinstance(has, _Failed):
                findings.append(Finding("qualification", "unknown", has.why, pointer))
            elif not any(has.get(name) == "approved" for name in QUALIFICATIONS[segment]):
                detail = f"The customer is not qualified for the segment {segment}."
                findings.append(Finding("qualification", "blocker", detail, pointer))
        return findings

    async def _inventory(
        self, call: Call, lines: list[KnownLine], country: str | None
    ) -> list[Finding]:
        findings = []
        for each in lines:
            if "InventoryCheck" not in each.sku.prerequisites:
                continue
            given = {
                name.lower(): value
                for name, value in (each.line.get("provisioningContext") or {}).items()
            }
            context = {}
            if "subscriptionid" in given:
                context["azureSubscriptionId"] = given["subscriptionid"]
            restricted: bool | _Failed | None = _Failed("The customer's country is not known.")
            if country:
                restricted = await _asked(
                    self._eligibility.restricted(call, each.sku.id, country, context)
                )
            if restricted is True:
                detail = "Partner Center has no inventory of this item for the customer."
                findings.append(Finding("inventory", "blocker", detail, each.pointer))
            elif restricted is not False:
                why = restricted.why if restricted else "Partner Center does not tell."
                findings.append(Finding("inventory", "unknown", why, each.pointer))
        return findings

    async def _of_promotions(self, call: Call, lines: list[KnownLine]) -> list[Finding]:
        promoted = [each for each in lines if each.line.get("promotionId")]
        if not promoted:
            return []
        asked = self._promotions.judge(call, [dict(each.line) for each in promoted])
        verdicts = await _asked(asked)
        if isinstance(verdicts, _Failed):
            return [
                Finding("promotion", "unknown", verdicts.why, each.pointer) for each in promoted
            ]
        return [
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

    async def _end_dates(self, call: Call, lines: list[KnownLine]) -> list[Finding]:
        findings = []
        for each in lines:
            date, term = each.line.get("customTermEndDate"), each.line.get("termDuration")
            if not date:
                continue
            allowed = await _asked(self._eligibility.end_dates(call, term or ""))
            if isinstance(allowed, _Failed):
                findings.append(Finding("end_date", "unknown", allowed.why, each.pointer))
            elif date[:10] not in allowed:
                detail = (
                    f"The first term may end on: {', '.join(sorted(allowed)[:10]) or 'no day'}."
                )
                findings.append(Finding("end_date", "blocker", detail, each.pointer))
        return findings


def _sku(listed: Any) -> Any:
    return listed[0].sku


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
    elif status and status.replace(" ", "").lower() in _BLOCKING:
        yield Finding("account", "blocker", f"The validation of the account is: {status}.")


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
