"""The body of a request: which bodies are taken as JSON, and which are refused unread."""

import re
from email.message import Message
from functools import lru_cache
from typing import Final

from cart_core.api.headers import elements, repeated_header
from cart_core.api.messages import Request
from cart_core.problem import FieldError, Problem, invalid_request

MAX_CONTENT_TYPE_LENGTH: Final = 256
"""Characters of a Content-Type. Python's parser takes time by the square of the length."""


def unexpected_body_errors(request: Request) -> list[FieldError]:
    """What is wrong with the body of an operation that takes none; an empty object is accepted."""
    if request.body.translate(None, b" \t\r\n") in (b"", b"{}"):
        return []
    return [
        FieldError("", "unexpected_body", "A checkout takes no body: it buys the cart as it is.")
    ]


def json_body(request: Request, max_bytes: int) -> bytes:
    """The body, once its headers and its size say that it can be read as JSON.

    Raises Problem `length_required` for a body that the Functions host has dropped,
    `invalid_request` for two content types, `unsupported_media_type`,
    `unsupported_content_encoding` or `body_too_large`.
    """
    # The host hands a body on only if a Content-Length came with it, and says nothing of the rest.
    if not request.body and request.headers.get("transfer-encoding", "").strip():
        raise Problem(
            "length_required",
            "The body did not arrive: it was sent with Transfer-Encoding, which this platform does "
            "not pass on. Send it with Content-Length.",
        )
    if errors := repeated_header(request.headers, "Content-Type"):
        raise invalid_request(errors)
    media_type, charset = _content_type(request.headers.get("content-type", ""))
    if media_type != "application/json" and not re.fullmatch(r"[^/]+/[^/]+\+json", media_type):
        raise Problem("unsupported_media_type", "Send the body as 'application/json'.")
    if charset not in {"", "utf-8", "utf8", "us-ascii"}:
        raise Problem("unsupported_media_type", "Send the body in UTF-8.")
    if not {"", "identity"}.issuperset(
        elements(request.headers.get("content-encoding", "").lower())
    ):
        raise Problem("unsupported_content_encoding", "Send the body without Content-Encoding.")
    if len(request.body) > max_bytes:
        raise Problem("body_too_large", f"The body may have at most {max_bytes} bytes.")
    return request.body


@lru_cache(maxsize=64)  # Parsing takes time, and callers send the same few texts.
def _content_type(header: str) -> tuple[str, str]:
    """The media type and the charset in lower case; what is not given counts as JSON and as ""."""
    if not header.strip():
        return "application/json", ""
    if len(header) > MAX_CONTENT_TYPE_LENGTH:
        return "", ""
    message = Message()
    message["Content-Type"] = header
    charset = message.get_param("charset", "")
    text = charset[2] if isinstance(charset, tuple) else str(charset)
    return message.get_content_type(), text.strip("' ").lower()
