"""An HTTP proxy that leads every production host name to a port on loopback."""

import asyncio
from dataclasses import dataclass
from fnmatch import fnmatchcase

from partner_center_emulator.network.tcp import reset

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Connection:
    """One CONNECT request."""

    host: str
    port: int
    routed: bool
    """False where the cloud does not serve this host and port, so the request was refused."""


class ConnectProxy:
    """Connects `CONNECT host:443` to the port that serves the host.

    Every other host or port is answered with 403, every other method with 405. Nothing is ever
    forwarded off this machine.
    """

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self._routes: list[tuple[str, int]] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The proxy's own address: for HTTPS_PROXY."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def add_route(self, host: str, port: int) -> None:
        """Leads a host name, or a pattern such as `*.vault.azure.net`, to a port on loopback.

        Of several routes that match, the newest counts.
        """
        self._routes.insert(0, (host.lower(), port))

    async def start(self) -> None:
        """Listens on a free loopback port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)

    async def stop(self) -> None:
        """Stops listening and closes all connections."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            pass  # only stop() cancels this task, and nobody awaits its result
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, *_ = [*head.decode("latin-1").split(maxsplit=2), "", ""]
        host, _, port = target.rpartition(":")
        if method != "CONNECT" or not port.isdecimal():
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        loopback_port = self._port_for(host.lower()) if port == "443" else None
        self.connections.append(Connection(host.lower(), int(port), loopback_port is not None))
        if loopback_port is None:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", loopback_port)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))
        except* OSError:
            pass
        finally:
            far_writer.close()

    def _port_for(self, host: str) -> int | None:
        return next((port for pattern, port in self._routes if fnmatchcase(host, pattern)), None)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies one direction until it ends, then closes the other side alike (FIN or reset)."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()
    except ConnectionResetError:
        reset(writer.transport)
