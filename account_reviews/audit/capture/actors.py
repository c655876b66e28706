"""Who asks, where nothing else says so."""

import getpass
import socket
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Final

from account_reviews.domain.audit.events import UNKNOWN_ACTOR

acting: Final[ContextVar[str | None]] = ContextVar("acting", default=None)
"""For whom the request is that is being answered, in a process that answers many people."""
_KEYS: Final = ("by", "approver", "started_by", "requested_by")


def user_name() -> str:
    """Who types, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without a user database
        return UNKNOWN_ACTOR


def local_actor() -> str:
    """The user of the machine with its name: `ann@desk`."""
    return f"{user_name()}@{socket.gethostname()}"


def named_in(args: Sequence[object]) -> str | None:
    """Whom a message names as its sender; None when it does not say."""
    for message in args[:1]:
        for key in _KEYS:
            found = (
                message.get(key) if isinstance(message, Mapping) else getattr(message, key, None)
            )
            if isinstance(found, str) and found not in ("", UNKNOWN_ACTOR):
                return found
    return None
