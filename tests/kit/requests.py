"""Requests as the app receives them, and two correlation ids."""

from cart_core.api.messages import Request

NEW = "0a0a0a0a-0000-4000-8000-000000000000"
OTHER = "1b1b1b1b-1111-4111-8111-111111111111"


def request(body: bytes = b"{}", **headers: str) -> Request:
    """A request with these headers, whose names may have underscores for hyphens."""
    return Request({name.replace("_", "-"): value for name, value in headers.items()}, {}, body)
