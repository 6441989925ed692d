"""Bells as messages of a Storage Queue, by its REST API.

The Functions host takes them from there (the queue trigger in function_app.py), and puts a message
that failed too often into a second queue. Messages are plain text, as host.json says.
"""

from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from cart_core.adapters.storage_rest import StorageRest
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.bells import TakenMessage
from cart_core.tokens import TokenCache

QUEUE: Final = "accepted-operations"
POISON_QUEUE: Final = f"{QUEUE}-poison"
"""The name that the Functions host gives to it."""

ROLE: Final = "Storage Queue Data Contributor on the account"

HIDDEN_SECONDS: Final = 120
"""For so long a poisoned message is hidden that somebody has taken."""

_NEVER_EXPIRES: Final = -1
_LONGEST_DELAY: Final = 604_800 - 1
_AT_ONCE: Final = 32


class StorageQueue:
    """Bells (see cart_core.operations.bells) in the queues of the service at `url`."""

    def __init__(self, url: str, tokens: TokenCache) -> None:
        self._rest = StorageRest(url, tokens, what="The queue", role=ROLE)

    async def hang(self, text: str, seconds: float) -> None:
        """See Bells. A message that is put twice rings twice, which does no harm."""
        delay = max(0, min(round(seconds + 0.5), _LONGEST_DELAY)) if seconds > 0 else 0
        message = ElementTree.Element("QueueMessage")
        ElementTree.SubElement(message, "MessageText").text = text
        await self._rest.send(
            "hang",
            "POST",
            f"/{QUEUE}/messages?visibilitytimeout={delay}&messagettl={_NEVER_EXPIRES}",
            headers={"Content-Type": "application/xml"},
            body=ElementTree.tostring(message),
            expected=frozenset({201}),
        )

    async def look(self) -> None:
        """See Bells."""
        await self._rest.send(
            "look",
            "GET",
            f"/{QUEUE}/messages?peekonly=true&numofmessages=1",
            expected=frozenset({200}),
        )

    async def take_poisoned(self) -> list[TakenMessage]:
        """See Bells. A queue that the host has not made yet is empty."""
        answer = await self._rest.send(
            "take_poisoned",
            "GET",
            f"/{POISON_QUEUE}/messages?numofmessages={_AT_ONCE}&visibilitytimeout={HIDDEN_SECONDS}",
            expected=frozenset({200}),
            codes=frozenset({"QueueNotFound"}),
        )
        if answer.status != 200:
            return []
        try:
            # It is storage's own answer, over TLS.
            found = ElementTree.fromstring(answer.body)  # noqa: S314
        except ElementTree.ParseError:
            raise StoreUnavailable("The queue gave no messages that can be read.") from None
        return [
            TakenMessage(
                each.findtext("MessageId") or "",
                each.findtext("PopReceipt") or "",
                each.findtext("MessageText") or "",
            )
            for each in found.iter("QueueMessage")
        ]

    async def delete_poisoned(self, message: TakenMessage) -> None:
        """See Bells."""
        receipt = quote(message.receipt, safe="")
        await self._rest.send(
            "delete_poisoned",
            "DELETE",
            f"/{POISON_QUEUE}/messages/{message.id}?popreceipt={receipt}",
            expected=frozenset({204}),
            codes=frozenset({"MessageNotFound", "PopReceiptMismatch"}),
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._rest.close()
