"""What Partner Center's error codes mean, wherever they stand.

The same code comes under several HTTP statuses, also under 200, in the groups of a checkout that
was accepted, and on the lines of a cart. So the code is asked first, and the status decides only
for codes that are not listed here. The codes are those of Partner Center's page "Error codes", of
its pages on carts and new-commerce add-ons, and of user reports.
"""

from enum import Enum, auto
from typing import Final, NamedTuple


class Meaning(Enum):
    """What a code says about the request, the order group or the line that it stands for."""

    REFUSED = auto()
    """Nothing was done, and the same request will be refused again."""
    NOT_YET = auto()
    """Nothing was done, but the same request may succeed after a pause."""
    FAILED = auto()
    """It went wrong, perhaps after it took effect. It may be tried again after a pause."""
    ORDER_EXISTS = auto()
    """The cart is being ordered or was ordered before. The cart itself tells which."""
    OPERATOR = auto()
    """This function's token or registration is wrong. Its operator has to act."""


class CodeMeaning(NamedTuple):
    """The meaning of a code, and the seconds to wait before the request is repeated."""

    meaning: Meaning
    pause: int = 0


CART_IN_USE: Final = "800064"
"""Another request is processing this cart."""

CART_HAS_LINE_ERRORS: Final = "800009"
"""Lines of the cart have errors, which the cart itself states."""

STALE_ITEM: Final = frozenset({"400013", "400018", "400019"})
"""The product, SKU or availability of a line is no longer in the catalogue."""

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE

_BLOCKED_BY_UPGRADE: Final = frozenset({"900112", "900113", "900114"})
"""A pending upgrade passes by itself in hours; a failed one does not. The description tells."""

_REFUSED: Final = frozenset(
    # Catalogue: not found, not offered, or not for this term, billing cycle or customer.
    {*STALE_ITEM, "400039", "400041", "400056", "400072", "800004", "2100", "800121", "900142"}
    | {"900144", "900268", "900269", "900270", "900322", "800083", "800084", "500600"}
    # Customer, partner and their agreements.
    | {"2006", "2030", "2032", "2085", "2091", "20002", "13605", "800020", "800022", "800023"}
    | {"800024", "800025", "800026", "800028", "800039", "800043", "800062", "800069", "800070"}
    | {"800073", "800074", "800075", "800086", "900121", "900123", "900124", "900149", "900150"}
    | {"900169", "900308", "900323", "900416", "2071", "2072", "800015", "800016", "900154"}
    | {"1000", "60003", "800008"}
    # Limits and quantities.
    | {"800010", "800017", "800018", "800066", "800067", "800068", "800088", "800089", "900116"}
    | {"900242", "900275", "900419", "27006", "27007"}
    # The request itself, its lines and what they depend on.
    | {"3000", "800002", CART_HAS_LINE_ERRORS, "800011", "800012", "800013", "800021", "800029"}
    | {"800030", "800031", "800036", "800087", "900126", "900128", "900129", "900203", "900206"}
    | {"900312", "900313", "900314", "900315", "900317", "900318", "900329", "4018"}
)

_MEANINGS: Final = {
    **dict.fromkeys(_REFUSED, CodeMeaning(Meaning.REFUSED)),
    **dict.fromkeys(_BLOCKED_BY_UPGRADE, CodeMeaning(Meaning.NOT_YET, _HOUR)),
    CART_IN_USE: CodeMeaning(Meaning.NOT_YET, 5),
    "800082": CodeMeaning(Meaning.NOT_YET, 2 * _MINUTE),  # The base subscription is not ready.
    "900278": CodeMeaning(Meaning.NOT_YET, 24 * _HOUR),  # "Try again after 24 hours".
    "800003": CodeMeaning(Meaning.FAILED, 30),
    "900192": CodeMeaning(Meaning.FAILED, 30),
    "800060": CodeMeaning(Meaning.ORDER_EXISTS, _MINUTE),
    "800065": CodeMeaning(Meaning.ORDER_EXISTS, _MINUTE),
    "800001": CodeMeaning(Meaning.OPERATOR),
    "900309": CodeMeaning(Meaning.OPERATOR),  # Conditional Access blocks the sign-in.
    "900420": CodeMeaning(Meaning.OPERATOR),
    "900421": CodeMeaning(Meaning.OPERATOR),
}


def meaning_of(code: str | None, description: str | None = None) -> CodeMeaning | None:
    """The meaning of a code; None for a code that is not listed, where the status decides."""
    if code in _BLOCKED_BY_UPGRADE and "fail" in (description or "").lower():
        return CodeMeaning(Meaning.REFUSED)
    return _MEANINGS.get(code or "")
