"""Keeps a process on loopback, and writes down every address that it asked for."""

import ipaddress
import os
import sys
from typing import Any

VARIABLE = "EMULATOR_LOOPBACK_GUARD"
"""Names the file that the guard writes: a line `allowed ADDRESS` or `refused ADDRESS` each."""

_EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}
_EVENTS |= {"socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}


def install() -> None:
    """From now on no socket of this process leaves loopback. Nothing can take that back."""
    log = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS:
            return
        address = _address(event, arguments)
        host = address[0] if isinstance(address, tuple) else None
        verdict = "allowed" if host is None or _is_loopback(host) else "refused"
        os.write(log, f"{verdict} {address!r}\n".encode())
        if verdict == "refused":
            raise PermissionError(f"{event} off loopback")

    sys.addaudithook(watch)


def _address(event: str, arguments: tuple[Any, ...]) -> Any:
    """The (host, port, ...) of the event; a path or None where it has no host."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        return arguments[1]
    if event == "socket.getnameinfo":
        return arguments[0]
    return arguments[:2]


def _is_loopback(host: str | bytes | None) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback
    except ValueError:
        return False
