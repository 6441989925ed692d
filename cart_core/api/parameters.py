"""The parameters of a request, in its path and its headers: how each is read and what it may be.

The idempotency key follows draft-ietf-httpapi-idempotency-key-header-07 (a quoted structured-field
string), and also the bare form that most clients send, which has no comma.
"""

import re
from collections.abc import Mapping
from typing import Final

from cart_core.api.headers import elements, repeated_header
from cart_core.problem import FieldError, Problem

GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
LOCALE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", re.ASCII)
MAX_LOCALE_LENGTH: Final = 35
"""Characters of a language tag that every implementation has to take (RFC 5646, section 4.4.1)."""

_UNSET_GUID: Final = "00000000-0000-0000-0000-000000000000"
"""How .NET and others write a GUID that nobody has set."""


_CORRELATION_IDS: Final = ("MS-CorrelationId", "x-ms-client-tracking-id")
_QUOTED_KEY: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_KEY: Final = re.compile(r"[!-~]{1,255}")


def correlation_id(headers: Mapping[str, str], new_guid: str) -> str:
    """The caller's MS-CorrelationId, else Logic Apps' x-ms-client-tracking-id, else `new_guid`."""
    for name in _CORRELATION_IDS:
        if guid := valid_guid(headers.get(name.lower(), "").strip()):
            return guid
    return new_guid


def correlation_errors(headers: Mapping[str, str]) -> list[FieldError]:
    """The error where the caller gave two correlation ids, of which none can be chosen.

    Only a list with a GUID in it is one: a workflow's author may give its tracking id any text.
    """
    for name in _CORRELATION_IDS:
        ids = elements(headers.get(name.lower(), ""))
        if any(map(GUID.fullmatch, ids)):
            return repeated_header(headers, name)
    return []


def locale(headers: Mapping[str, str], default: str) -> str:
    """The caller's X-Locale if it is a language tag of usual length, else `default`."""
    value = headers.get("x-locale", "").strip()
    return value if len(value) <= MAX_LOCALE_LENGTH and LOCALE.fullmatch(value) else default


def valid_guid(value: str | None) -> str | None:
    """The value in lower case; None unless it is a GUID that somebody has set."""
    return value.lower() if value and GUID.fullmatch(value) and value != _UNSET_GUID else None


def customer_errors(customer_id: str) -> list[FieldError]:
    """What is wrong with a route's customerId; Partner Center knows customers by tenant GUID."""
    if valid_guid(customer_id):
        return []
    detail = f"The customerId in the path {_why_no_guid(customer_id)}."
    return [FieldError("", "invalid_customer_id", detail)]


def cart_errors(cart_id: str) -> list[FieldError]:
    """What is wrong with a route's cartId; Partner Center gives each cart a GUID."""
    if valid_guid(cart_id):
        return []
    detail = f"The cartId in the path {_why_no_guid(cart_id)}."
    return [FieldError("", "invalid_cart_id", detail)]


def _why_no_guid(value: str) -> str:
    return "is all zeros: nobody has set it" if value == _UNSET_GUID else "must be a GUID"


def customer_user(headers: Mapping[str, str]) -> tuple[str | None, list[FieldError]]:
    """The caller's x-ms-customeruser-upn, and what is wrong with it.

    It names the customer's user who gets the licence, as `user@domain` (SDK, ICart.Checkout). It
    is given in lower case, because Microsoft Entra ID does not tell the cases of it apart.
    """
    value = headers.get("x-ms-customeruser-upn", "").strip()
    if not value or (len(value) <= 256 and re.fullmatch(r"[!-+\--?A-~]+@[!-+\--?A-~]+", value)):
        return value.lower() or None, []
    detail = "The header x-ms-customeruser-upn must be a name like 'user@domain'."
    return None, [FieldError("", "invalid_customer_user", detail)]


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The caller's key: `Idempotency-Key`, else `webhook-id`; None without either.

    Raises Problem `invalid_idempotency_key`.
    """
    value = headers.get("idempotency-key", headers.get("webhook-id"))
    if value is None:
        return None
    value = value.strip(" \t")
    if value.startswith('"'):
        quoted = _QUOTED_KEY.fullmatch(value)
        value = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else ""
    elif "," in value:
        raise Problem(
            "invalid_idempotency_key",
            "There is a comma in the idempotency key, as if two keys were sent. Send one key; "
            "put quotes around it if the comma belongs to it.",
        )
    if not _KEY.fullmatch(value):
        raise Problem(
            "invalid_idempotency_key",
            "An idempotency key has 1 to 255 visible ASCII characters, in quotes or not.",
        )
    return value
