"""One request to Partner Center and its answer, as values that adapters and core share."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a request: its access token, its MS-RequestId, and the seconds it may take.

    `timeout` is more than 0. `fresh_connection`: it must not use a connection that was used before.
    """

    token: str = field(repr=False)
    request_id: str
    timeout: float
    fresh_connection: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer. Header names are in lower case, and the body is decompressed.

    The body of a 2xx is complete. That of any other status is what could be read of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoReply:
    """There was no answer, or a 2xx that is not complete.

    `sent` is False only if the request certainly never reached Partner Center; in any doubt it is
    True. `reason` is a short phrase that is safe to show to a caller.
    """

    sent: bool
    timed_out: bool
    reason: str
