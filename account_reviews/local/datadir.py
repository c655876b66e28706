"""The data directory: one place for everything the local stack keeps."""

import os
import stat
from pathlib import Path
from typing import Final

from account_reviews.config.ownership import why_not_ours
from account_reviews.domain.characters import shown_on_one_line
from account_reviews.domain.errors import BadInputError

LAYOUT: Final = 1
"""The arrangement of files below. A directory with a higher number belongs to a newer release."""

_CHOOSE: Final = "choose another one with --data-dir or REVIEWS_DATA_DIR"


def prepare(path: Path) -> Path:
    """Create the directory where needed and mark its layout. Gives the absolute path.

    It is closed to other users, and so are its files: they hold names, notes and decisions, and
    whoever reaches the sockets decides. BadInputError: no permission, not a directory, another
    user's, written by a newer release, or a name that holds a control character, which ends a line
    in the files of both servers.
    """
    path = path.expanduser().absolute()
    if shown_on_one_line(str(path)) != str(path):
        raise BadInputError(
            f"the name of the data directory {str(path)!a} holds a control character", hint=_CHOOSE
        )
    try:
        if not path.exists():
            path.mkdir(parents=True)
        elif (why := why_not_ours(path)) is not None:
            raise BadInputError(
                f"the data directory {path} {why}", hint=f"run as its owner, or {_CHOOSE}"
            )
        _close(path)
        _check_layout(path)
        _mark(path)
    except OSError as error:
        raise BadInputError(
            f"the data directory {path} cannot be used: {describe(error)}", hint=_CHOOSE
        ) from None
    return path


def _close(path: Path) -> None:
    """Also what an older release left open. Another user's directories in it stay as they are."""
    mine = os.geteuid()
    found = path.stat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == mine:
        path.chmod(stat.S_IMODE(found.st_mode) & _mode())  # what is read-only stays so
    for file in (*path.glob("*"), *path.glob("audit/*"), *path.glob("audit/archive/*")):
        found = file.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_uid == mine and found.st_mode & 0o077:
            file.chmod(stat.S_IMODE(found.st_mode) & 0o700)


def _mode() -> int:
    """Root's database runs as another user, who without /proc has to walk to its files."""
    walked_to = os.geteuid() == 0 and not Path("/proc/self/fd").is_dir()
    return 0o711 if walked_to else 0o700


def describe(error: OSError) -> str:
    """The reason of an OSError in lower case, without its number and path."""
    return (error.strerror or str(error)).lower()


def _check_layout(path: Path) -> None:
    try:
        text = (path / "layout").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return
    except UnicodeDecodeError:
        text = "unreadable"
    if not text.isdecimal():
        raise BadInputError(
            f"the file {path / 'layout'} should hold a number, it holds {text[:20]!r}", hint=_CHOOSE
        )
    if int(text) > LAYOUT:
        raise BadInputError(
            f"the data directory {path} has layout {text} of a newer release,"
            f" this one knows layout {LAYOUT}",
            hint="use that release, or " + _CHOOSE,
        )


def _mark(path: Path) -> None:
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(13, "permission denied")
    marker = path / "layout"
    if not marker.exists():
        marker.write_text(f"{LAYOUT}\n", encoding="utf-8")
