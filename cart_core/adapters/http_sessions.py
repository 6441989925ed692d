"""The HTTP sessions of Microsoft's synchronous SDKs, and the proxy that the environment sets.

A session serves one fetch of a token or of secrets, and fetches are about an hour apart: a
connection that is kept idle for so long may have been dropped by a load balancer without notice.
Every session limits the time of each step and of each request as a whole, and never sends a request
twice. Repeating is up to the caller, who knows the deadline.
"""

import importlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests
    from azure.core.pipeline.transport import RequestsTransport

CONNECT_TIMEOUT: Final = 2.0
"""Seconds to wait for a connection."""

READ_TIMEOUT: Final = 6.0
"""Seconds to wait for the next bytes of an answer."""

TOTAL_TIMEOUT: Final = 10.0
"""Seconds for a request as a whole. An answer that drips in would pass every READ_TIMEOUT."""

OpenSession = Callable[[], "requests.Session"]


class _Connections:
    """The connections of one session, which can be cut by another thread.

    The libraries limit each wait for the next bytes, and none of them the whole answer. A
    connection that is shut down ends such a wait at once.
    """

    def __init__(self) -> None:
        self.cut = False
        self._sockets: list[socket.socket] = []

    def note(self, connection: socket.socket) -> None:
        """Add one that was made."""
        self._sockets.append(connection)
        if self.cut:
            self._cut()

    @contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """Shut the connections down if the block takes longer than that; then `cut` is True."""
        self.cut = False
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self.cut = True
        for connection in self._sockets:
            with suppress(OSError):  # It is closed already.
                # Not the method of a TLS socket, which another thread is reading from.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


def open_session(total_timeout: float = TOTAL_TIMEOUT) -> "requests.Session":
    """A session that may try once more to connect, but never sends a request again.

    A request that takes longer than `total_timeout` seconds fails as requests.ReadTimeout. The
    session ignores Retry-After, because the HTTP libraries would sleep for as long as it says.
    """
    import requests
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.util import Retry

    connections = _Connections()

    class NotedConnection(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            connections.note(self.sock)

    class NotedTlsConnection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            connections.note(self.sock)

    class Pool(HTTPConnectionPool):
        ConnectionCls = NotedConnection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = NotedTlsConnection

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **options)
            manager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}
            return manager

    class Session(requests.Session):
        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            with connections.cut_after(total_timeout):
                try:
                    response = super().send(request, **options)
                except requests.RequestException:
                    if not connections.cut:
                        raise
            if connections.cut:  # Even an answer that looks whole may have been cut short.
                raise requests.ReadTimeout(f"more than {total_timeout:g} seconds")
            return response

    retry = Retry(total=1, read=False, other=0, respect_retry_after_header=False)
    session = Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, Adapter(max_retries=retry))
    return session


def import_first(sdk: str) -> None:
    """Import a part of Azure's SDK where the app is built, before any thread needs it.

    The modules of azure-core import each other. Two threads that begin at different ends wait for
    each other, and Python lets one of them go on with half a module, which fails.
    """
    from azure.core.pipeline.transport import RequestsTransport  # noqa: F401  # It is lazy too.

    importlib.import_module(sdk)


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
