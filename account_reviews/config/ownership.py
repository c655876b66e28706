"""Whose a file or a directory is: what another user can write is not believed."""

import os
import stat
from pathlib import Path
from typing import Final

_ROOT: Final = 0
"""Whoever is root can do everything anyhow, and mounts volumes for others."""


def why_not_ours(path: Path) -> str | None:
    """What lets somebody else write there, as in `belongs to user 1001 (eve)`.

    None when nothing does, and for what is not there.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return why_not_ours_by(found)


def why_not_ours_by(found: os.stat_result) -> str | None:
    """The same, of what was opened already."""
    if found.st_uid not in (_ROOT, os.geteuid()):
        return f"belongs to user {_named(found.st_uid)}"
    if found.st_mode & stat.S_IWOTH:
        return "can be written to by everybody"
    return None


def _named(uid: int) -> str:
    import pwd

    try:
        return f"{uid} ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return str(uid)
