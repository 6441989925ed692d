"""What a 401 of Partner Center means: that it refuses the token, or that it refuses this request.

Partner Center answers 401 to some requests that it refuses for what is in them, such as
participants that are not the partner's. An operator who looks at the app's registration then looks
in vain. So a 401 counts as the refusal of one request where the token works for others.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from cart_core.cart.error_codes import Meaning, meaning_of
from cart_core.problem import Fault, Problem

EVIDENCE_SECONDS: Final = 3600.0
"""Seconds for which an accepted request proves that the token works: as long as a token lives."""

MOST_IN_A_ROW: Final = 3
"""After so many refused requests in a row, the token is what all of them have in common."""

_NOT_ACCEPTED: Final = frozenset({401, 403, 407, 408, 429})
"""Statuses below 500 that can be answered before anybody has looked at the token."""


class TokenEvidence:
    """What this process has seen of how Partner Center takes its token.

    Times are seconds on one monotonic clock.
    """

    def __init__(self) -> None:
        self._accepted_at = -math.inf
        self._refused_in_a_row = 0

    def answered(self, status: int, now: float) -> None:
        """Partner Center has answered a request."""
        if status // 100 in (2, 4) and status not in _NOT_ACCEPTED:
            self._accepted_at = now
            self._refused_in_a_row = 0

    def refused(self, now: float) -> bool:
        """It refused a request with 401, also with a renewed token; whether the token works."""
        self._refused_in_a_row += 1
        recently = now - self._accepted_at < EVIDENCE_SECONDS
        return recently and self._refused_in_a_row <= MOST_IN_A_ROW


def explained(unauthorized: Problem, *, token_works: bool) -> Problem:
    """The problem of a 401 with its likely cause: the missing MFA, or this request alone."""
    fault = unauthorized.fault or Fault(401)
    known = meaning_of(fault.code)
    if known and known.meaning is Meaning.OPERATOR:
        return unauthorized
    if re.search(r"\bMFA\b|\bmulti-?factor\b", fault.description or "", re.IGNORECASE):
        return Problem(
            unauthorized.code,
            "Partner Center demands MFA. A person has to sign in with MFA and consent again; store"
            " the new refresh token in Key Vault.",
            fault=fault,
        )
    if token_works:
        code = f" with code {fault.code}" if fault.code else ""
        words = f": {fault.description.rstrip('.')}." if fault.description else "."
        return Problem(
            "partner_center_forbidden",
            f"Partner Center answered {fault.status}{code}{words} It accepts this function's token"
            " for other requests, so look at what only this one has: its customer, participants and"
            " items.",
            fault=fault,
        )
    return unauthorized


def claims_challenge(headers: Mapping[str, str]) -> str | None:
    """The claims that a 401 demands of the next token, as it states them: JSON in Base64.

    Entra's continuous access evaluation puts them into WWW-Authenticate.
    """
    found = re.search(
        r'\bclaims=(?:"([^"]{1,8192})"|([^\s",]{1,8192}))',
        headers.get("www-authenticate", ""),
        re.IGNORECASE,
    )
    return (found[1] or found[2]) if found else None
