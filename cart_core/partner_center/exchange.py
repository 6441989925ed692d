"""One request to Partner Center and what came of it, as values that adapters and core share."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a request: as whom, under which ids, in which language, for how long.

    `timeout` is in seconds, more than 0.
    """

    token: str = field(repr=False)
    request_id: str
    correlation_id: str
    locale: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP answer. Header names in lower case; the body as it came, BOM included."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoReply:
    """No complete answer.

    `sent` is False only where the request certainly never reached Partner Center; any doubt is
    True. `reason` is a short phrase that is safe to show to a caller.
    """

    sent: bool
    timed_out: bool
    reason: str
