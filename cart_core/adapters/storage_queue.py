"""Bells (see cart_core.operations.bell) as messages of a Storage Queue, by its REST API.

The Functions host takes them from there (the queue trigger in function_app.py), and puts a message
that failed too often into a second queue. Messages are plain text, as host.json says.
"""

from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from cart_core.adapters.storage_rest import StorageAnswer, StorageRest, done
from cart_core.operations.bells import TakenMessage

QUEUE: Final = "accepted-operations"
POISON_QUEUE: Final = f"{QUEUE}-poison"
"""The name that the Functions host gives to it."""

HIDDEN_SECONDS: Final = 120
"""For so long a poisoned message is hidden that somebody has taken."""

_NEVER_EXPIRES: Final = -1
_LONGEST_DELAY: Final = 604_800 - 1
_AT_ONCE: Final = 32


class StorageQueue:
    """Bells (see cart_core.operations.bells) in two queues. Whoever opened `service` closes it."""

    def __init__(self, service: StorageRest) -> None:
        self._service = service

    async def hang(self, text: str, seconds: float) -> None:
        """See Bells. A message that is put twice rings twice, which does no harm."""
        delay = max(0, min(round(seconds + 0.5), _LONGEST_DELAY)) if seconds > 0 else 0
        message = ElementTree.Element("QueueMessage")
        ElementTree.SubElement(message, "MessageText").text = text
        await self._service.ask(
            "storage.hang",
            "POST",
            f"/{QUEUE}/messages?visibilitytimeout={delay}&messagettl={_NEVER_EXPIRES}",
            headers={"Content-Type": "application/xml"},
            body=ElementTree.tostring(message),
            success=201,
            read=done,
        )

    async def look(self) -> None:
        """See Bells."""
        path = f"/{QUEUE}/messages?peekonly=true&numofmessages=1"
        await self._service.ask("storage.look", "GET", path, success=200, read=done)

    async def take_poisoned(self) -> list[TakenMessage]:
        """See Bells. A queue that the host has not made yet is empty."""
        taken = await self._service.ask(
            "storage.take_poisoned",
            "GET",
            f"/{POISON_QUEUE}/messages?numofmessages={_AT_ONCE}&visibilitytimeout={HIDDEN_SECONDS}",
            success=200,
            read=_messages,
            otherwise={"QueueNotFound"},
        )
        return taken or []

    async def delete_poisoned(self, message: TakenMessage) -> None:
        """See Bells."""
        receipt = quote(message.pop_receipt, safe="")
        await self._service.ask(
            "storage.delete_poisoned",
            "DELETE",
            f"/{POISON_QUEUE}/messages/{message.id}?popreceipt={receipt}",
            success=204,
            read=done,
            otherwise={"MessageNotFound", "PopReceiptMismatch"},
        )


def _messages(answer: StorageAnswer) -> list[TakenMessage]:
    # It is storage's own answer, over TLS.
    found = ElementTree.fromstring(answer.body)  # noqa: S314
    return [
        TakenMessage(
            each.findtext("MessageId") or "",
            each.findtext("PopReceipt") or "",
            each.findtext("MessageText") or "",
        )
        for each in found.iter("QueueMessage")
    ]
