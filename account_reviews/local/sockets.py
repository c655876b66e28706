"""Where the database's Unix socket lives. Its path may have 107 bytes and no more."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

from account_reviews.domain.errors import BadInputError
from account_reviews.local.datadir import describe

_LONGEST_DIR: Final = 107 - len("/.s.PGSQL.5432")
_FORBIDDEN: Final = "'\",\\ "
"""Characters that the server's command line or its list of directories would split at."""


def socket_dir(data_dir: Path) -> Path:
    """`DATA/pg`, or a directory of the system's temporary one.

    The latter when the path is long or not plain, and for root: its server runs as another user,
    to whom the data directory is closed.
    """
    near = data_dir / "pg"
    plain = len(os.fsencode(near)) <= _LONGEST_DIR and not set(str(near)) & set(_FORBIDDEN)
    if plain and os.geteuid() != 0:
        return near
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"reviews-{digest}"


def closed_parent(path: Path) -> Path | None:
    """The nearest directory above `path` that other users may not pass, None when all are open."""
    for parent in path.absolute().resolve().parents:
        if parent.exists() and not parent.stat().st_mode & 0o001:
            return parent
    return None


def prepare(path: Path, *, owner: int | None) -> None:
    """Create the directory, private to `owner` (None: this user).

    BadInputError when it cannot be made or is somebody else's.
    """
    expected = os.geteuid() if owner is None else owner
    try:
        if not path.exists():
            path.mkdir(mode=0o700)
            if owner is not None:
                os.chown(path, owner, owner)
        found = path.lstat()
    except OSError as error:
        raise BadInputError(
            f"the socket directory {path} cannot be used: {describe(error)}",
            hint="choose another --data-dir",
        ) from None
    if path.is_symlink() or found.st_uid != expected:
        raise BadInputError(
            f"the socket directory {path} belongs to user {found.st_uid}, not to {expected}",
            hint="run as that user, or choose another --data-dir",
        )
