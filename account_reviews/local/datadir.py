"""The data directory: one place for everything the local stack keeps."""

import os
from pathlib import Path
from typing import Final

from account_reviews.domain.characters import shown_on_one_line
from account_reviews.domain.errors import BadInputError

LAYOUT: Final = 1
"""The arrangement of files below. A directory with a higher number belongs to a newer release."""

_CHOOSE: Final = "choose another one with --data-dir or REVIEWS_DATA_DIR"


def prepare(path: Path) -> Path:
    """Create the directory where needed and mark its layout. Gives the absolute path.

    BadInputError: no permission, not a directory, written by a newer release, or a name that holds
    a control character, which ends a line in the files of both servers.
    """
    path = path.expanduser().absolute()
    if shown_on_one_line(str(path)) != str(path):
        raise BadInputError(
            f"the name of the data directory {str(path)!a} holds a control character", hint=_CHOOSE
        )
    try:
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o755)
        _check_layout(path)
        _mark(path)
    except OSError as error:
        raise BadInputError(
            f"the data directory {path} cannot be used: {describe(error)}", hint=_CHOOSE
        ) from None
    return path


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
