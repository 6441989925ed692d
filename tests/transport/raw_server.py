"""A loopback server that does exactly what a test's script says, and remembers what it was sent."""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self


class Peer:
    """The server's end of one connection."""

    def __init__(
        self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self._reader = reader
        self._writer = writer

    async def read_request(self) -> bytes:
        """Read one whole request and count it; returns its head."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.server.heads.append(head)
        if length := re.search(rb"content-length: *(\d+)", head, re.IGNORECASE):
            await self._reader.readexactly(int(length[1]))
        self.server.requests += 1
        self.server.arrived.set()
        return head

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def read(self) -> bytes:
        """Whatever comes next; empty at the end."""
        return await self._reader.read(65536)

    async def hang_up(self) -> None:
        """Close in good order, so that what was written arrives."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def abort(self) -> None:
        self._writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Runs `script` for each connection, then closes it. `requests` counts complete requests."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests = 0
        self.connections = 0
        self.heads: list[bytes] = []
        self.arrived = asyncio.Event()
        self.ended = asyncio.Event()
        """A connection has ended in good order, on both sides."""

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, ssl=self._tls, limit=2**20
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(Peer(self, reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, peer: Peer) -> None:
        try:
            # The client may hang up at any point; its own account of that is what is tested.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._script(peer)
                await peer.hang_up()
                self.ended.set()
        finally:
            peer.abort()


def reply(body: bytes, *headers: str, status: str = "201 Created") -> bytes:
    """A well-formed HTTP/1.1 answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def answers(*parts: bytes) -> Script:
    """Reads one request, writes `parts` and closes."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        for part in parts:
            await peer.write(part)

    return script


def keeps_answering(*parts: bytes) -> Script:
    """Answers each request of a connection with the next of `parts`, the last one repeated."""
    remaining = list(parts)

    async def script(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.write(remaining.pop(0) if len(remaining) > 1 else remaining[0])

    return script


async def says_nothing(peer: Peer) -> None:
    """Accepts the connection and does nothing with it."""
    await asyncio.Event().wait()


async def resets(peer: Peer) -> None:
    """Reads one request and resets the connection."""
    await peer.read_request()
    peer.reset()
