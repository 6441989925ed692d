"""The port to the queue whose messages are bells (see bell.py)."""

from typing import NamedTuple, Protocol


class TakenMessage(NamedTuple):
    """A message that was taken from a queue; `pop_receipt` is what deletes it."""

    id: str
    pop_receipt: str
    text: str


class Bells(Protocol):
    """The queue of bells, and that of those which nobody could answer. Raises StoreUnavailable."""

    async def hang(self, text: str, seconds: float) -> None:
        """Put a message into the queue that is visible after so many seconds, and never expires."""

    async def look(self) -> None:
        """See whether the queue answers, and take nothing from it."""

    async def take_poisoned(self) -> list[TakenMessage]:
        """Take some of the messages that failed again and again; they come back in a while."""

    async def delete_poisoned(self, message: TakenMessage) -> None:
        """Delete one of them; that it is gone already is no error."""
