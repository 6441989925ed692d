"""Who sent a webhook: the signature of its raw body, in the four ways that storefronts sign.

Everything that is wrong with a signature has one result, None, and nothing raises: a sender of
forged requests learns nothing, and no malformed header can break the route.
"""

import base64
import binascii
import hashlib
import hmac
import html
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

WINDOW_SECONDS: Final = 300
"""How far a signed time may be from ours, in both directions (Standard Webhooks and Stripe)."""

MIN_KEY_BYTES: Final = 16
"""A shorter key could be guessed, so that a source with such a secret is closed."""

_MAX_HEADER_LENGTH: Final = 4096
"""Characters of a signature header. It holds one signature for each secret of the sender."""

_DIGEST_AS_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{43}=", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_MESSAGE_ID: Final = re.compile(r"[!-~]{1,256}", re.ASCII)


class Scheme(StrEnum):
    """A way to sign. Each value is the name of who made it."""

    SHOPIFY = "shopify"
    """The base64 HMAC-SHA256 of the body, in X-Shopify-Hmac-Sha256."""
    WOOCOMMERCE = "woocommerce"
    """The same in X-WC-Webhook-Signature."""
    STANDARD_WEBHOOKS = "standard_webhooks"
    """The HMAC of id, time and body, in webhook-signature, or in svix-signature."""
    BIGCOMMERCE = "bigcommerce"
    """Standard Webhooks, but the client secret's own text is the key."""
    STRIPE = "stripe"
    """The hexadecimal HMAC of time and body, in Stripe-Signature."""


_BODY_HEADERS: Final[Mapping[Scheme, tuple[str, ...]]] = {
    # Shopify's newer deliveries leave the X- out.
    Scheme.SHOPIFY: ("x-shopify-hmac-sha256", "shopify-hmac-sha256"),
    Scheme.WOOCOMMERCE: ("x-wc-webhook-signature",),
}


def signing_key(scheme: Scheme, secret: str) -> bytes | None:
    """The bytes that a secret stands for; None where it is none of this scheme.

    White space around a secret comes from the way it was stored. WooCommerce decodes HTML's
    entities in a secret before it signs. Standard Webhooks writes a key as base64 after `whsec_`,
    while Stripe uses such a text as it is.
    """
    text = secret.strip()
    if scheme is Scheme.WOOCOMMERCE:
        text = html.unescape(text)
    if scheme is not Scheme.STANDARD_WEBHOOKS:
        return text.encode(errors="replace")
    try:
        return base64.b64decode(text.removeprefix("whsec_").encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None


def matching_key(
    scheme: Scheme,
    headers: Mapping[str, str],
    body: bytes,
    keys: Sequence[bytes],
    now: float,
) -> int | None:
    """The place in `keys` of the key that has signed this delivery; None where none has.

    `headers` are by their names in lower case. A header that was sent twice arrives as one text
    with a comma in it, and is refused. `now` is in POSIX seconds. All keys are tried always, so
    that the time says nothing about which one it was.
    """
    if scheme in _BODY_HEADERS:
        found = _body_signature(headers, _BODY_HEADERS[scheme])
    elif scheme is Scheme.STRIPE:
        found = _stripe_signatures(headers, now)
    else:
        found = _standard_signatures(headers, now)
    if found is None:
        return None
    prefix, signatures = found
    matches = [_is_signed(key, prefix, body, signatures) for key in keys]
    return matches.index(True) if any(matches) else None


_Found = tuple[bytes, list[bytes]] | None
"""What is signed before the body, and the digests of which one has to be right."""


def _is_signed(key: bytes, prefix: bytes, body: bytes, signatures: list[bytes]) -> bool:
    digest = hmac.new(key, prefix, hashlib.sha256)
    digest.update(body)
    expected = digest.digest()
    matches = [hmac.compare_digest(expected, signature) for signature in signatures]
    return any(matches)


def _body_signature(headers: Mapping[str, str], names: tuple[str, ...]) -> _Found:
    given = {headers[name] for name in names if name in headers}
    digests = [_digest(text) for text in given]
    if len(digests) != 1 or digests[0] is None:
        return None
    return b"", [digests[0]]


def _standard_signatures(headers: Mapping[str, str], now: float) -> _Found:
    family = "webhook" if "webhook-signature" in headers else "svix"
    message_id, timestamp, signature = (
        headers.get(f"{family}-{part}", "") for part in ("id", "timestamp", "signature")
    )
    if not _MESSAGE_ID.fullmatch(message_id) or not _is_recent(timestamp, now):
        return None
    if len(signature) > _MAX_HEADER_LENGTH:
        return None
    found: list[bytes] = []
    for entry in signature.split(" "):
        # Two commas in an entry are what is left of a header that was sent twice.
        if entry.count(",") > 1:
            return None
        version, _, text = entry.partition(",")
        digest = _digest(text)
        if version == "v1" and digest:
            found.append(digest)
    return (f"{message_id}.{timestamp}.".encode(), found) if found else None


def _stripe_signatures(headers: Mapping[str, str], now: float) -> _Found:
    header = headers.get("stripe-signature", "")
    if len(header) > _MAX_HEADER_LENGTH:
        return None
    parts = [part.strip(" ").partition("=") for part in header.split(",")]
    timestamps = [value for name, _, value in parts if name == "t"]
    if len(timestamps) != 1 or not _is_recent(timestamps[0], now):
        return None
    found = [
        bytes.fromhex(value)
        for name, _, value in parts
        if name == "v1" and re.fullmatch(r"[0-9a-f]{64}", value, re.ASCII)
    ]
    return (f"{timestamps[0]}.".encode(), found) if found else None


def _digest(text: str) -> bytes | None:
    """The 32 bytes of a digest in base64, None for any other text."""
    return base64.b64decode(text) if _DIGEST_AS_BASE64.fullmatch(text) else None


def _is_recent(timestamp: str, now: float) -> bool:
    return (
        _TIMESTAMP.fullmatch(timestamp) is not None and abs(now - int(timestamp)) <= WINDOW_SECONDS
    )
