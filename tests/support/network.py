"""Keeps tests on this machine: connections and name look-ups beyond loopback are refused."""

import ipaddress
import sys
from collections.abc import Callable

attempts: list[str] = []
"""Where code tried to go since the list was last cleared."""

_LOCAL_NAMES = frozenset({"", "localhost", "ip6-localhost"})
_state = {"blocked": False}


class NetworkBlockedError(OSError):
    """An OSError, so that the code under test cleans up its socket like after a real failure."""


def block() -> None:
    """Refuse the network from now on. An audit hook cannot be removed, so it is added once."""
    if not _state["blocked"]:
        _state["blocked"] = True
        sys.addaudithook(_audit)


def is_local(host: object) -> bool:
    """True for loopback addresses, `localhost` and no host at all."""
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host is None or host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    check = _CHECKS.get(event)
    if check is None:
        return
    host = check(arguments)
    if not is_local(host):
        attempts.append(f"{host} ({event})")
        raise NetworkBlockedError(f"tests may not reach {host}")


def _of_address(arguments: tuple[object, ...]) -> object:
    """The host of (socket, address); None for Unix paths and the like."""
    address = arguments[1]
    has_host = isinstance(address, tuple) and address and isinstance(address[0], str | bytes)
    return address[0] if has_host and isinstance(address, tuple) else None


def _of_lookup(arguments: tuple[object, ...]) -> object:
    return arguments[0]


_CHECKS: dict[str, Callable[[tuple[object, ...]], object]] = {
    "socket.connect": _of_address,
    "socket.sendto": _of_address,
    "socket.sendmsg": _of_address,
    "socket.getaddrinfo": _of_lookup,
    "socket.gethostbyname": _of_lookup,
}
