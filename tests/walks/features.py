"""What can happen in a walk, one name for each kind of behaviour.

Each walk draws from some of these only, so that what takes several events of one kind comes about.
"""

from collections.abc import Mapping
from typing import Final

FATES: Final[Mapping[str, str]] = {
    "lost": "a request takes effect, and its answer is lost, cut off or unreadable",
    "lost before": "a request is lost before it takes effect",
    "late": "the answer is lost, and the request takes effect seconds to minutes later",
    "late refusal": "the answer is lost, and after a while the request comes to nothing",
    "errors": "500 to 504 and 408, with an effect or without",
    "refused": "a refusal of every documented kind",
    "refused for now": "a refusal that passes by itself",
    "codes under 200": "200 with the body of a refusal",
    "throttled": "429",
    "unauthorised": "401, to a renewed token as well",
    "unsent": "no connection can be made",
    "slow": "the answer comes late, or after the time of a try",
    "another cart": "reading a cart gives the body of another one",
    "line errors": "a line of the cart has an error, from some moment on or for a while",
    "lines differ": "a cart is made with another quantity than was sent",
    "no lines": "an answer shows the cart without its lines",
    "without ids": "orders without an id",
    "groups": "an order group is refused",
    "groups for now": "an order group is refused by a code that passes by itself",
    "groups in progress": "an order group is answered with 800060, and ordered later or never",
}
"""What can become of a request at Partner Center."""

HABITS: Final[Mapping[str, str]] = {
    "never created": "the order's cart is refused every time",
    "never created oddly": "the same, by a code under 200 or 500",
    "carts refused after a doubt": "a cart of its own is refused every time",
    "faulty": "a line of the order has an error in every cart",
    "hopeless": "an order that Partner Center never makes",
    "tells new": "a repeated checkout tells only the orders that it made itself",
    "duplicates": "a repeated MS-RequestId makes another cart",
    "ordered is broken": "the checkout of an ordered cart is answered with 500 every time",
    "partial is ordered": "a cart of which a part was ordered reads Ordered",
    "expiry": "the cart expires",
    # A cart of several orders (the feature "groups") together with what works for one order:
    "late among groups": "a late checkout of such a cart",
    "failures of partial orders": "anything fails when a part of it may be ordered already",
    "several without ids": "its orders have no ids",
    "hopeless among groups": "one of its orders is never made",
    "errors that stay among groups": "a line of it has an error that never ends",
}
"""How Partner Center can behave throughout a walk."""

SURROUNDINGS: Final[Mapping[str, str]] = {
    "store": "the store is down, loses answers, or meets its own writes",
    "deaths": "a process dies at any call of the outside, or at any time",
    "clocks": "the clocks of two processes are apart",
    "no tokens": "no token can be had",
    "hang ups": "the shop hangs up before it is answered",
    "several hang-ups": "the shop hangs up on several requests, of which one waits for another",
    "in parallel": "the shop delivers again before it is answered",
    "mended": "the shop corrects the cart that was refused by PUT",
    "put between": "somebody else puts the cart while its order runs",
    "by cart": "the shop creates a cart and checks it out",
}
"""What can happen around the app."""

OFF: Final[Mapping[str, str]] = {
    "hopeless among groups": "in doubt, the refusal of the group that is left proves nothing",
    "errors that stay among groups": "docs/contract.md: once a try is in doubt, it stays unknown",
}
"""What is not drawn, each with the reason."""

ALL: Final = FATES.keys() | HABITS.keys() | SURROUNDINGS.keys()
ON: Final = frozenset(ALL - OFF.keys())
