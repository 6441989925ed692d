"""The HTTP session under Microsoft's synchronous SDKs: bounded in time, and nothing is sent twice.

A session lives for one fetch, about once an hour: a connection kept idle for that long is one that
some load balancer has silently dropped. Repeating belongs to the caller, who has a deadline.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import requests
    from azure.core.pipeline.transport import RequestsTransport

CONNECT_TIMEOUT: Final = 2.0
READ_TIMEOUT: Final = 6.0

OpenSession = Callable[[], "requests.Session"]


def open_session() -> "requests.Session":
    """A session that tries again to connect, but never to send.

    Retry-After is left alone: the HTTP libraries would sleep for as long as it says.
    """
    import requests
    from urllib3.util import Retry

    retry = Retry(total=1, read=False, other=0, respect_retry_after_header=False)
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    return session


def transport(session: "requests.Session") -> "RequestsTransport":
    """The session as azure-core's transport. The session's owner closes it."""
    from azure.core.pipeline.transport import RequestsTransport

    return RequestsTransport(
        session=session,
        session_owner=False,
        connection_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
    )
