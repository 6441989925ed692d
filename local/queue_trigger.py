"""The queue trigger: what host.json says of it, and what a function gets of a message."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Self

import azure.functions as func
from azure.functions.meta import Datum
from azure.functions.queue import QueueMessageInConverter


class Message(NamedTuple):
    """A message that was taken from a queue, with the names that storage gives to its parts.

    `receipt` (`PopReceipt`) is what changes or deletes it. The times are as storage writes them.
    """

    id: str
    receipt: str
    text: str
    dequeue_count: int
    insertion_time: str
    expiration_time: str
    next_visible_time: str


class WrongEncodingError(ValueError):
    """A message is not encoded as host.json says. No function is called for it."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`extensions.queues` of host.json, with the host's defaults. Times are in seconds."""

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: float
    visibility_timeout: float
    max_dequeue_count: int
    message_encoding: str

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Self:
        """The settings of host.json, by its names."""
        batch_size = int(settings.get("batchSize", 16))
        return cls(
            batch_size,
            int(settings.get("newBatchThreshold", batch_size // 2)),
            _seconds(settings.get("maxPollingInterval", "00:01:00")),
            _seconds(settings.get("visibilityTimeout", "00:00:00")),
            int(settings.get("maxDequeueCount", 5)),
            settings.get("messageEncoding", "base64"),
        )


def _seconds(span: str) -> float:
    """The seconds of a .NET time span such as 00:00:30. Raises ValueError for another form."""
    match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)", span)
    if match is None:
        raise ValueError(f"The local host does not read the time span {span}.")
    hours, minutes, seconds = map(int, match.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds


def body_of(message: Message, encoding: str) -> bytes:
    """What is in a message. Raises WrongEncodingError."""
    if encoding == "none":
        return message.text.encode()
    try:
        return base64.b64decode(message.text, validate=True)
    except (binascii.Error, ValueError):
        raise WrongEncodingError(f"The message {message.id} is not in {encoding}.") from None


def to_function(message: Message, body: bytes) -> func.QueueMessage:
    """The argument of the function, made with the converter that Azure uses.

    Raises UnicodeDecodeError for bytes that are no UTF-8, as the host cannot make a string of them.
    """
    text = body.decode()
    found: func.QueueMessage = QueueMessageInConverter.decode(
        Datum(text, "string"), trigger_metadata=trigger_metadata(message, text)
    )
    return found


def trigger_metadata(message: Message, text: str) -> dict[str, Datum]:
    """The metadata in the form in which the worker library gets it.

    The host adds the top-level members of a JSON message to it. They overwrite what has the same
    name in any case.
    """
    metadata = {
        "QueueTrigger": Datum(text, "string"),
        "Id": Datum(message.id, "string"),
        "PopReceipt": Datum(message.receipt, "string"),
        "DequeueCount": Datum(str(message.dequeue_count), "json"),
        "InsertionTime": _quoted(message.insertion_time),
        "ExpirationTime": _quoted(message.expiration_time),
        "NextVisibleTime": _quoted(message.next_visible_time),
    }
    names = {name.lower(): name for name in metadata}
    for member, value in _members(text).items():
        metadata[names.get(member.lower(), member)] = Datum(value, "string")
    return metadata


def _members(text: str) -> dict[str, str]:
    """The top-level members of a JSON object, as text; none where it is something else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in found.items()
    }


def _quoted(http_date: str) -> Datum:
    moment: datetime = parsedate_to_datetime(http_date)
    return Datum(json.dumps(moment.isoformat()), "json")
