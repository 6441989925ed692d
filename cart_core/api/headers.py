"""How the text of a request's header is read where it may be a list.

The Functions host gives a header that was sent twice as one text, joined by a comma. So a comma in
a header that can have only one value says that there were two, unless it is within quotes.
"""

import re
from collections.abc import Mapping
from typing import Final

from cart_core.problem import FieldError

_PIECE: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[^",]+|,', re.DOTALL)


def elements(value: str) -> list[str]:
    """The elements of a list (RFC 9110, section 5.6.1), empty ones too, without blanks around."""
    found = [""]
    for piece in _PIECE.findall(value):
        if piece == ",":
            found.append("")
        else:
            found[-1] += piece
    return [element.strip(" \t") for element in found]


def repeated_header(headers: Mapping[str, str], name: str) -> list[FieldError]:
    """The error of a header that may be sent once and was sent more often; else none."""
    if len(elements(headers.get(name.lower(), ""))) == 1:
        return []
    detail = f"The header {name} came more than once, or has a comma in it. Send one value."
    return [FieldError("", "repeated_header", detail)]


def preferences(headers: Mapping[str, str]) -> dict[str, str]:
    """What the request prefers (RFC 7240): each value by its name in lower case, "" without one.

    Of a preference that is given twice the first one counts. Its parameters are left out.
    """
    found: dict[str, str] = {}
    for element in elements(headers.get("prefer", "")):
        name, _, value = element.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip(' \t"'))
    return found
