"""A bell: a queue message that says which record to look at, like a doorbell, and nothing else.

To hang a bell up is to put the message into the queue; the bell rings when the message becomes
visible and is delivered to the app.

Its members must have none of the names of the queue trigger's metadata (id, dequeueCount,
insertionTime and so on): the Functions host would overwrite the metadata with them.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Final

from cart_core.operations.operation import OPEN_PREFIX

VERSION: Final = 1
GUARD_SECONDS: Final = 30.0
"""Seconds after a bell was first hung up in which the record that it names may still be written."""

_NAME: Final = re.compile(
    r"(operations/(carts|purchases)|(orders|reports)/[a-z][a-z0-9-]{0,31})/[0-9a-f]{64}"
)


@dataclass(frozen=True, slots=True)
class Bell:
    """`record` is the record's name, `rung` the POSIX second when the bell was first hung up."""

    record: str
    rung: float

    @property
    def of_an_operation(self) -> bool:
        """Whether its record is that of an accepted operation; otherwise it is a storefront's."""
        return self.record.startswith(OPEN_PREFIX)

    def text(self) -> str:
        """The message, in ASCII."""
        return json.dumps({"v": VERSION, "record": self.record, "rung": round(self.rung, 3)})

    @classmethod
    def read(cls, message: str | bytes) -> "Bell":
        """The bell of a message, plain or in base64, as the Azure portal may send it.

        Raises ValueError for another message, and for one of a newer release.
        """
        data = message.encode() if isinstance(message, str) else message
        if not data.lstrip().startswith(b"{"):
            try:
                data = base64.b64decode(data, validate=True)
            except binascii.Error:
                raise ValueError("the message is no bell") from None
        try:
            match json.loads(data):
                case {"v": 1, "record": str(name), "rung": float() | int() as rung} if (
                    _NAME.fullmatch(name)
                ):
                    return cls(name, float(rung))
        except (ValueError, RecursionError):
            pass
        raise ValueError("the message is no bell that this release can read")
