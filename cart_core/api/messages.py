"""HTTP as the core sees it, free of any server's types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cart_core.call import Sent, WorkedOff


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Names of headers and of the query are in lower case.

    `path` holds the parameters of the route. `origin` is how the caller addressed this app, such
    as `https://host`.
    """

    headers: Mapping[str, str]
    path: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """A JSON answer."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Invocation:
    """One invocation of the function: what its log line and an unexpected error are written from.

    `began` is when the request arrived, in seconds of the monotonic clock. Only this room fills it
    in, except for `sent`. `caller` says who calls, None where nothing says so. `operation_id` is
    that of an operation which is accepted, or worked off. `order` is the name of the record of the
    storefront's order that it is a part of.
    """

    correlation_id: str
    began: float
    sent: Sent = field(default_factory=Sent)
    caller: str | None = None
    customer_id: str | None = None
    cart_id: str | None = None
    replayed: bool = False
    operation_id: str | None = None
    worked_off: WorkedOff | None = None
    order: str | None = None
