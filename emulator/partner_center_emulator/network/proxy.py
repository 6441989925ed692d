"""A CONNECT proxy that leads every production host name to a port on loopback."""

import asyncio
from dataclasses import dataclass
from fnmatch import fnmatchcase

from partner_center_emulator.watch.faults import reset

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Connection:
    """One line asked of the proxy. `routed` is False where the host is none of ours."""

    host: str
    port: int
    routed: bool


class ConnectProxy:
    """Answers `CONNECT host:443` by host; anything else gets a 4xx and goes nowhere."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self._routes: list[tuple[str, int]] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What HTTPS_PROXY has to be."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def add_route(self, host: str, port: int) -> None:
        """Leads `host`, or all like `*.vault.azure.net`, to a loopback port; the newest wins."""
        self._routes.insert(0, (host.lower(), port))

    async def start(self) -> None:
        """Listens on a free loopback port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)

    async def stop(self) -> None:
        """Ends all lines, and listens no more."""
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
            pass  # only stop() cancels, and a callback task has nobody to tell
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
        to = self._port_for(host.lower()) if port == "443" else None
        self.connections.append(Connection(host.lower(), int(port), to is not None))
        if to is None:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer))
                group.create_task(_pump(far_reader, writer))
        except* OSError:
            pass
        finally:
            far_writer.close()

    def _port_for(self, host: str) -> int | None:
        return next((port for pattern, port in self._routes if fnmatchcase(host, pattern)), None)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies one direction until it ends, and ends the other side the same way."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()
    except ConnectionResetError:
        reset(writer.transport)
