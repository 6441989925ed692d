"""HTTP as the core sees it, free of any server's types, and the rules for headers and bodies."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cart_core.problem import FieldError, Problem

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Header names are in lower case; `path` holds the route's parameters."""

    headers: Mapping[str, str]
    path: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A JSON answer."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """What identifies one call in answers and logs, filled in as the call proceeds.

    `began` is when it arrived, in seconds of the monotonic clock.
    """

    correlation_id: str
    began: float
    request_id: str | None = None
    customer_id: str | None = None
    cart_id: str | None = None
    tries: int = 0
    replayed: bool = False
    may_have_effect: bool = False
    """Whether anything was sent that may have one, by this call or one that it resumes."""
    partner_center_headers: dict[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """The headers that every answer of this call carries."""
        ids = {"MS-CorrelationId": self.correlation_id}
        if self.request_id:
            ids["MS-RequestId"] = self.request_id
        return ids | self.partner_center_headers


def correlation_id(headers: Mapping[str, str], new_guid: str) -> str:
    """The caller's MS-CorrelationId, else Logic Apps' x-ms-client-tracking-id, else `new_guid`."""
    for name in ("ms-correlationid", "x-ms-client-tracking-id"):
        if GUID.fullmatch(value := headers.get(name, "").strip()):
            return value.lower()
    return new_guid


def locale(headers: Mapping[str, str], default: str) -> str:
    """The caller's X-Locale where it is a language tag, else `default`."""
    value = headers.get("x-locale", "").strip()
    return value if LOCALE.fullmatch(value) else default


def customer_flaws(customer_id: str) -> list[FieldError]:
    """What is wrong with a route's customerId; Partner Center knows customers by tenant GUID."""
    if GUID.fullmatch(customer_id):
        return []
    return [FieldError("", "invalid_customer_id", "The customerId in the path must be a GUID.")]


def cart_flaws(cart_id: str) -> list[FieldError]:
    """What is wrong with a route's cartId; Partner Center gives each cart a GUID."""
    if GUID.fullmatch(cart_id):
        return []
    return [FieldError("", "invalid_cart_id", "The cartId in the path must be a GUID.")]


def customer_user(headers: Mapping[str, str]) -> tuple[str | None, list[FieldError]]:
    """The caller's x-ms-customeruser-upn, and what is wrong with it.

    It names the customer's user who gets the licence, as `user@domain` (SDK, ICart.Checkout).
    """
    value = headers.get("x-ms-customeruser-upn", "").strip()
    if not value or (len(value) <= 256 and re.fullmatch(r"[!-?A-~]+@[!-?A-~]+", value)):
        return value or None, []
    flaw = "The header x-ms-customeruser-upn must be a name like 'user@domain'."
    return None, [FieldError("", "invalid_customer_user", flaw)]


def body_flaws(request: Request) -> list[FieldError]:
    """What is wrong with the body of an operation that takes none; an empty object is fine."""
    if request.body.translate(None, b" \t\r\n") in (b"", b"{}"):
        return []
    return [
        FieldError("", "unexpected_body", "A checkout takes no body: it buys the cart as it is.")
    ]


def json_body(request: Request, max_bytes: int) -> bytes:
    """The body, once its headers and size say that it can be read as JSON.

    Raises Problem `unsupported_media_type`, `unsupported_content_encoding` or `body_too_large`.
    """
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    media_type = media_type.strip() or "application/json"
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters)
    if media_type != "application/json" and not re.fullmatch(r"[^/]+/[^/]+\+json", media_type):
        raise Problem("unsupported_media_type", "Send the body as 'application/json'.")
    if charset and charset[1] not in {"utf-8", "utf8", "us-ascii"}:
        raise Problem("unsupported_media_type", "Send the body in UTF-8.")
    if request.headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
        raise Problem("unsupported_content_encoding", "Send the body without Content-Encoding.")
    if len(request.body) > max_bytes:
        raise Problem("body_too_large", f"The body may have at most {max_bytes} bytes.")
    return request.body
