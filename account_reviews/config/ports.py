"""Free TCP ports on the loopback address."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from account_reviews.domain.errors import ConflictError

LOOPBACK: Final = "127.0.0.1"
HERE: Final = (LOOPBACK, "localhost", "::1")
"""The names of this machine."""
_LISTENS: Final = "0A"
"""The state of a socket that listens, as Linux writes it."""


def is_free(port: int) -> bool:
    """True when nothing listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def is_here(url: str) -> bool:
    """True for an address of this machine, of which no proxy knows. ValueError for none at all."""
    return urlsplit(url).hostname in HERE


def listens(pid: int, port: int) -> bool:
    """True when that process listens on the port; also where the system does not say."""
    try:
        tables = [Path(f"/proc/{pid}/net/{name}").read_text("ascii") for name in ("tcp", "tcp6")]
        held = {_target(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return not Path("/proc/self/net/tcp").exists()
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    return any(
        row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port
        for row in rows
        if f"socket:[{row[9]}]" in held
    )


def _target(link: Path) -> str:
    """Where it leads; nowhere when it is gone by now."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


def choose(
    wanted: int | None,
    default: int,
    *,
    flag: str,
    what: str = "it",
    moved: Callable[[str], None] | None = None,
) -> int:
    """The wanted port, which must be free; without a wish the default or any free one.

    `moved` is told in a sentence that `what` has another port than the default.
    """
    if wanted is None:
        if is_free(default):
            return default
        found = any_free()
        if moved is not None:
            moved(f"port {default} is taken by another program; {what} has port {found}")
        return found
    if not is_free(wanted):
        raise ConflictError(
            f"port {wanted} is taken by another program",
            hint=f"stop it, or choose another port with {flag}",
        )
    return wanted
