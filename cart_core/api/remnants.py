"""Texts that are left of an object or a list, because the caller's serialiser cut it off.

PowerShell's ConvertTo-Json does so below its -Depth, and every language where an object is joined
to a text. Nobody means such a text, and it would be bought.
"""

import re
from typing import Final

MARKS: Final = (
    *("[object ", "@{", "System.", "Newtonsoft.", "Microsoft.", "java.", " at 0x", "#<"),
)
"""One of these is in every remnant. To look for them is quick."""

_INSIDE: Final = re.compile(
    r"\[object \w+\]"  # JavaScript
    r"|@\{[^{}]*\}"  # PowerShell's hashtable, or an expression that Logic Apps did not resolve
    r"|<[^<>]* at 0x[0-9A-Fa-f]+>"  # Python
    r"|#<[A-Z][\w:]*"  # Ruby
)
_TYPE: Final = (
    r"(?:\[L)?(?:System|Newtonsoft|Microsoft\.(?:Store|Graph)|java)"
    r"(?:[.+][\w$]+)+(?:`\d+)?(?:\[[^ ]*\])?;?(?:@[0-9a-f]+)?"
)
_TYPES: Final = re.compile(rf"{_TYPE}(?:[ ,]+{_TYPE})*")
"""Names of types in .NET, such as those of Microsoft's SDKs, or in Java.

A list is written as its type, or as the types of its items.
"""

_LONGEST_TYPES: Final = 1_000
"""Characters. A longer text is not looked at, because it could take long."""


def is_remnant(text: str) -> bool:
    """Whether `text` is left of an object or a list."""
    if not any(mark in text for mark in MARKS):
        return False
    if _INSIDE.search(text):
        return True
    return len(text) <= _LONGEST_TYPES and _TYPES.fullmatch(text.strip()) is not None
