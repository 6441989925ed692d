"""The story of a walk as people read it: one line for each event."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cart_core.api.messages import Response
from cart_core.partner_center.exchange import NoReply, Reply


class Happened(NamedTuple):
    """One event: when, in seconds of the walk, who, and what, with the values for its braces."""

    seconds: float
    who: str
    what: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        said = self.what.format(*map(_shown, self.values))
        said = re.sub(r"00000000-0000-4000-8000-0+(\d+)", r"cart-\1", said)
        return f"{self.seconds:9.2f}  {self.who:15}{said}".rstrip()


def _shown(value: Any) -> str:
    if isinstance(value, NoReply):
        return f"nothing, {value.reason}"
    if isinstance(value, Reply):
        return f"{value.status} {_body(value.body)}"
    if isinstance(value, Response):
        return " ".join(_response(value))
    return str(value)


def _body(body: bytes) -> str:
    """What Partner Center said."""
    try:
        document = json.loads(body)
    except ValueError:
        return "unreadable"
    if "lineItems" in document:
        return f"{document['id']} {document['status']}{_lines(document['lineItems'])}"
    if "orders" in document:
        orders = [order.get("id", "without id") for order in document["orders"]]
        return f"orders {orders}{_errors(document.get('orderErrors', []))}"
    return str(document["code"])


def _lines(lines: list[Mapping[str, Any]]) -> str:
    said = [f"{line['quantity']}" + ("!" if "error" in line else "") for line in lines]
    return f", lines of {', '.join(said)}" if said else ", no lines"


def _errors(errors: list[Mapping[str, Any]]) -> str:
    refused = [f"group {error['orderGroupId']} {error['code']}" for error in errors]
    return f", not {', '.join(refused)}" if refused else ""


def _response(response: Response) -> Iterator[str]:
    """What the app said."""
    body = response.body
    yield str(response.status)
    if "outcome" in body:
        yield f"{body['code']}, {body['outcome']}" + (", retryable" if body["retryable"] else "")
    elif "orders" in body:
        orders = [order["id"] for order in body["orders"]]
        yield f"{body['status']}, orders {orders}{_errors(body['orderErrors'])} of {body['cartId']}"
    else:
        yield body["id"]
    warnings = [warning["code"] for warning in body.get("warnings", ())]
    if warnings:
        yield f"(warnings: {', '.join(warnings)})"
    if "Retry-After" in response.headers:
        yield f"(Retry-After {response.headers['Retry-After']})"
    if "Idempotent-Replayed" in response.headers:
        yield "(replayed)"
