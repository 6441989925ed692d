"""Lets a process connect to loopback addresses only, and logs every address that it asks for."""

import ipaddress
import os
import sys
from typing import Any

VARIABLE = "LOOPBACK_GUARD_LOG"
"""The variable with the guard's log file. A line is `allowed ADDRESS` or `refused ADDRESS`."""

_EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}
_EVENTS |= {"socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}


def install() -> None:
    """Refuses every address off loopback for the rest of this process: audit hooks stay."""
    log = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS:
            return
        address = _address(event, arguments)
        host = address[0] if isinstance(address, tuple) else None
        decision = "allowed" if host is None or _is_loopback(host) else "refused"
        os.write(log, f"{decision} {address!r}\n".encode())
        if decision == "refused":
            raise PermissionError(f"{event} off loopback")

    sys.addaudithook(watch)


def _address(event: str, arguments: tuple[Any, ...]) -> Any:
    """The (host, port, ...) of the event; a Unix socket's path or None where it has no host."""
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
