"""Ends a TCP connection the hard way."""

import asyncio
import contextlib
import socket
import struct


def reset(transport: asyncio.Transport | asyncio.WriteTransport) -> None:
    """Closes a connection with a TCP reset (RST) instead of the orderly FIN."""
    no_lingering = struct.pack("ii", 1, 0)
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # the socket may be closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
    transport.abort()
