"""One request to Partner Center and its answer, as values that adapters and core share."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a request: its access token, its MS-RequestId, and the seconds it may take.

    `timeout` is more than 0.
    """

    token: str = field(repr=False)
    request_id: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP answer. Header names are in lower case; the body may begin with a BOM."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoReply:
    """There was no complete answer.

    `sent` is False only if the request certainly never reached Partner Center; in any doubt it is
    True. `reason` is a short phrase that is safe to show to a caller.
    """

    sent: bool
    timed_out: bool
    reason: str
