"""The HTTP sessions of Microsoft's synchronous SDKs, and the proxy that the environment sets.

A session serves one fetch of a token or of secrets, and fetches are about an hour apart: a
connection that is kept idle for so long may have been dropped by a load balancer without notice.
Every session limits the time of each step and never sends a request twice. Repeating is up to the
caller, who knows the deadline.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests
    from azure.core.pipeline.transport import RequestsTransport

CONNECT_TIMEOUT: Final = 2.0
"""Seconds to wait for a connection."""

READ_TIMEOUT: Final = 6.0
"""Seconds to wait for the next bytes of an answer."""

OpenSession = Callable[[], "requests.Session"]


def open_session() -> "requests.Session":
    """A session that may try once more to connect, but never sends a request again.

    It ignores Retry-After, because the HTTP libraries would sleep for as long as the header says.
    """
    import requests
    from urllib3.util import Retry

    retry = Retry(total=1, read=False, other=0, respect_retry_after_header=False)
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    return session


def azure_transport(session: "requests.Session") -> "RequestsTransport":
    """The session in the form that azure-core uses. Whoever opened the session closes it."""
    from azure.core.pipeline.transport import RequestsTransport

    return RequestsTransport(
        session=session,
        session_owner=False,
        connection_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
    )


def proxy_for(url: str) -> str | None:
    """The URL of the proxy that the environment sets for `url`, or None.

    HTTPS_PROXY and HTTP_PROXY apply to their schemes and ALL_PROXY to both; NO_PROXY exempts hosts.
    A value without a scheme (`proxy.example:3128`) is taken as an http:// URL.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
