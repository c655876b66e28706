"""Free TCP ports on the loopback address."""

import socket
from typing import Final

from account_reviews.domain.errors import ConflictError

LOOPBACK: Final = "127.0.0.1"


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


def choose(wanted: int | None, default: int, *, flag: str) -> int:
    """The wanted port, which must be free; without a wish the default or any free one."""
    if wanted is None:
        return default if is_free(default) else any_free()
    if not is_free(wanted):
        raise ConflictError(
            f"port {wanted} is taken by another program",
            hint=f"stop it, or choose another port with {flag}",
        )
    return wanted
