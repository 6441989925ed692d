"""What can be wrong with the form of a secret that a person has stored.

Entra makes client secrets and refresh tokens of visible ASCII characters. What else is in the vault
came there by the way it was stored: a file with a byte order mark, quotes of a shell, the whole
answer of the token endpoint, the placeholder of a manual.
"""

import re
from typing import Final

_QUOTES: Final = "\"'`\u2018-\u201f\u00ab\u00bb"
_PLACEHOLDERS: Final = (
    r"^<.*>$|^\{\{.*\}\}$|^\$\{.*\}$|^\$\(.*\)$|^%[A-Z_]+%$|^@Microsoft\.KeyVault\(.*\)$"
    r"|^(none|null|undefined|nan|secret|password|token|test|value)$"
    r"|^(.)\2*$"
)
_PHRASE_OF_A_MANUAL: Final = (
    r"^(?=.*(?<![a-z])(your|change|changeme|placeholder|todo|tbd|here|insert|replace|paste|enter"
    r"|fill|dummy|example)(?![a-z]))[a-z]+([-_ .]+[a-z]+)*\W*$"
)

_FLAWS: Final = [
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), flaw)
    for pattern, flaw in (
        (
            "[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]",
            "has invisible characters in it, such as a byte order mark",
        ),
        (r"[\r\n\v\f\x85]", "has a line break in it"),
        (_PLACEHOLDERS, "is a placeholder"),
        (_PHRASE_OF_A_MANUAL, "is a placeholder"),
        (r"^[{\[].*[}\]]$", "is JSON rather than the one value in it that is needed"),
        (f"^[{_QUOTES}]|[{_QUOTES}]$", "has quotes around it"),
        (r"^(client_secret|refresh_token|access_token)\s*[=:]", "begins with its own name"),
        (r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "is a GUID, as the id of a secret is"),
        (r"^eyJ[\w-]+\.[\w-]+\.[\w-]*$", "is an access token or an ID token"),
        (r"\s", "has a space in it"),
        (r"[^!-~]", "has characters in it that are no visible ASCII"),
    )
]
"""Patterns to search for, the most telling first, and what each says in words that follow "it"."""


def flaw_in(secret: str) -> str | None:
    """What is wrong with a secret's form, without a character of it; None where it may be right."""
    return next((flaw for pattern, flaw in _FLAWS if pattern.search(secret)), None)
