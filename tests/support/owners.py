"""Files of another user, for tests that may run as root or as anybody."""

import os
from pathlib import Path

import pytest

STRANGER = 12_345


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a file or a directory another user's: really as root, else by being another one."""
    if os.geteuid() == 0:
        os.chown(path, STRANGER, STRANGER)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
