"""Requests for customers: one by its tenant id, or those whose name or domain begins so."""

import asyncio
import json
from typing import Any

from cart_core.call import Answered, Call
from cart_core.partner_center.catalogue import customer_path
from cart_core.partner_center.errors import unreadable, without_effect
from cart_core.partner_center.reading import Reader
from cart_core.problem import Problem

_NO_CUSTOMER = frozenset({"60003", "20002"})
"""No such tenant, and no relationship with it."""


class Customers:
    """The partner's customers. Every method raises Problem, never with the outcome `unknown`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, call: Call, customer_id: str) -> Answered:
        """The customer with this tenant id."""
        path = customer_path(customer_id)
        body, trace = await self._reader.document(call, "get_customer", path)
        customer = customer_answer(body)
        if customer["id"] != customer_id:
            raise without_effect(unreadable(200))
        return Answered(customer, trace)

    async def require_an_answer(self, call: Call) -> None:
        """Ask for one customer, whoever it is, and look only at whether that is answered."""
        await self._reader.document(call, "list_customers", "/customers", {"size": "1"})

    async def with_tenant(self, call: Call, customer_id: str) -> list[dict[str, Any]]:
        """The customer with this tenant id, if the tenant is a customer of the partner."""
        try:
            return [(await self.get(call, customer_id)).body]
        except Problem as problem:
            if problem.fault and problem.fault.code in _NO_CUSTOMER:
                return []
            raise

    async def beginning_with(self, call: Call, text: str) -> list[dict[str, Any]]:
        """The customers whose name or default domain begins with the text, in any case; "": all.

        Partner Center's filter knows no other operator, and no other domain of a customer.
        """
        if not text:
            return await self._list(call, {"size": "0"})
        lists = await asyncio.gather(
            *(self._list(call, _filter(field, text)) for field in ("CompanyName", "Domain")),
            return_exceptions=True,
        )
        found: dict[str, dict[str, Any]] = {}
        for customers in lists:
            if isinstance(customers, BaseException):
                raise customers
            found |= {customer["id"]: customer for customer in customers}
        return list(found.values())

    async def _list(self, call: Call, query: dict[str, str]) -> list[dict[str, Any]]:
        items = await self._reader.items(call, "list_customers", "/customers", query)
        return [customer_answer(item) for item in items]


def customer_answer(document: dict[str, Any]) -> dict[str, Any]:
    """A customer as callers get it. A list has no country, so that is null. Raises Problem."""
    members = _named(document)
    company, billing = _named(members.get("companyprofile")), _named(members.get("billingprofile"))
    tenant = members.get("id") or company.get("tenantid")
    if not isinstance(tenant, str):
        raise without_effect(unreadable(200))
    address = _named(billing.get("defaultaddress"))
    texts = {
        "name": company.get("companyname"),
        "domain": company.get("domain"),
        "country": address.get("country"),
        "relationship": members.get("relationshiptopartner"),
    }
    return {
        "id": tenant.lower(),
        **{name: text if isinstance(text, str) else None for name, text in texts.items()},
    }


def _filter(field: str, text: str) -> dict[str, str]:
    return {"filter": json.dumps({"Field": field, "Value": text, "Operator": "starts_with"})}


def _named(value: Any) -> dict[str, Any]:
    named = value.items() if isinstance(value, dict) else ()
    return {name.lower(): member for name, member in named}
