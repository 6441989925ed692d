"""A Storage Queue as the Functions host sees it: the one that AzureWebJobsStorage names.

It asks the REST API with the app's managed identity, and reads HTTPS_PROXY, NO_PROXY and
SSL_CERT_FILE. What passes by itself is asked a few times.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Final, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

import aiohttp
from yarl import URL

from local.queue_listener import POISON, QueueUnavailableError
from local.queue_trigger import Message

QUEUE_SERVICE: Final = "AzureWebJobsStorage__queueServiceUri"
POISON_LIFE: Final = 604_800
"""Seconds for which a copy stays in the poison queue: seven days, and no setting changes that."""

_VERSION: Final = "2024-08-04"
_RESOURCE: Final = "https://storage.azure.com/"
_TRIES: Final = 3
_PAUSE: Final = 0.5
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_EARLY: Final = 300.0


class QueueRefusedError(Exception):
    """Storage refuses the host for good, as with 403. Azure's host ends then, and so does this."""


class _Answer(NamedTuple):
    status: int
    code: str
    headers: Mapping[str, str]
    body: bytes


class HostStorage:
    """The queue service of an app, and the connections to it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.url = environment[QUEUE_SERVICE].rstrip("/")
        self._environment = environment
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._token_ends = 0.0

    async def send(
        self, method: str, path: str, body: bytes = b"", known: frozenset[str] = frozenset()
    ) -> _Answer:
        """The answer, if it is a success or has one of the error codes.

        Raises QueueUnavailableError and QueueRefusedError.
        """
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(_PAUSE)
            try:
                answer = await self._try(method, path, body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = type(error).__name__
                continue
            if answer.status < 300 or answer.code in known:
                return answer
            reason = f"HTTP {answer.status} {answer.code}"
            if answer.status < 500:
                raise QueueRefusedError(f"{method} {path.partition('?')[0]}: {reason}")
        raise QueueUnavailableError(reason)

    async def close(self) -> None:
        """Closes the connections."""
        if self._session:
            await self._session.close()

    async def _try(self, method: str, path: str, body: bytes) -> _Answer:
        headers = {
            "Authorization": f"Bearer {await self._valid_token()}",
            "x-ms-version": _VERSION,
            "x-ms-date": formatdate(usegmt=True),
            "Content-Type": "application/xml",
        }
        async with self._open().request(
            method, URL(self.url + path, encoded=True), headers=headers, data=body
        ) as answer:
            content = await answer.read()
            code = answer.headers.get("x-ms-error-code", "")
            return _Answer(answer.status, code, answer.headers, content)

    async def _valid_token(self) -> str:
        if time.time() > self._token_ends - _EARLY:
            environment = self._environment
            async with self._open().get(
                environment["IDENTITY_ENDPOINT"],
                params={
                    "resource": _RESOURCE,
                    "api-version": "2019-08-01",
                    "client_id": environment["AZURE_CLIENT_ID"],
                },
                headers={"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]},
                raise_for_status=True,
            ) as answer:
                found = await answer.json()
            self._token, self._token_ends = found["access_token"], float(found["expires_on"])
        return self._token

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=ssl.create_default_context()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=_TIMEOUT,
                trust_env=True,
            )
        return self._session


class HostQueue:
    """One queue of it. See local.queue_listener.Queue."""

    def __init__(self, storage: HostStorage, name: str) -> None:
        self.name = name
        self._storage = storage

    async def take(self, count: int, hidden: float) -> list[Message]:
        """See Queue."""
        path = f"/{self.name}/messages?numofmessages={count}&visibilitytimeout={hidden:.0f}"
        answer = await self._storage.send("GET", path, known=frozenset({"QueueNotFound"}))
        if answer.code:
            return []
        found = ElementTree.fromstring(answer.body)
        return [_message(each) for each in found.iter("QueueMessage")]

    async def hide(self, message: Message, receipt: str, seconds: float) -> str | None:
        """See Queue."""
        path = f"{self._path(message, receipt)}&visibilitytimeout={seconds:.0f}"
        answer = await self._storage.send("PUT", path, known=_OLD_RECEIPT)
        return None if answer.code else answer.headers["x-ms-popreceipt"]

    async def delete(self, message: Message, receipt: str) -> None:
        """See Queue."""
        await self._storage.send("DELETE", self._path(message, receipt), known=_OLD_RECEIPT)

    async def poison(self, text: str) -> None:
        """See Queue."""
        element = ElementTree.Element("QueueMessage")
        ElementTree.SubElement(element, "MessageText").text = text
        body = ElementTree.tostring(element)
        path = f"/{self.name}{POISON}/messages?messagettl={POISON_LIFE}"
        answer = await self._storage.send("POST", path, body, frozenset({"QueueNotFound"}))
        if answer.code:
            await self._storage.send("PUT", f"/{self.name}{POISON}")
            await self._storage.send("POST", path, body)

    def _path(self, message: Message, receipt: str) -> str:
        return f"/{self.name}/messages/{message.id}?popreceipt={quote(receipt, safe='')}"


_OLD_RECEIPT: Final = frozenset({"MessageNotFound", "PopReceiptMismatch"})


def _message(element: ElementTree.Element) -> Message:
    def text(name: str) -> str:
        return element.findtext(name) or ""

    return Message(
        text("MessageId"),
        text("PopReceipt"),
        text("MessageText"),
        int(text("DequeueCount")),
        text("InsertionTime"),
        text("ExpirationTime"),
        text("TimeNextVisible"),
    )


def host_storage() -> HostStorage | None:
    """The queue service that the environment names; None where it names none."""
    return HostStorage(os.environ) if os.environ.get(QUEUE_SERVICE) else None
