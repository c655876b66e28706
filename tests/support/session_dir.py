"""The directory of a session of tests: in memory where there is room, and removed in any case.

What takes memory from the machine ends other programs on it, so a session takes little, looks how
much there is before it takes any, and clears away what one that was killed has left.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from account_reviews.domain.errors import ReviewsError
from account_reviews.local import processes
from account_reviews.local.postgres import EmbeddedPostgres

ROOM = 3 * 2**30
"""Bytes of memory for one session, its files and its processes: about twice what it takes."""
PREFIX = "reviews-"
MEMORY = Path("/dev/shm")
MEMINFO = Path("/proc/meminfo")
_TAKING, _IN_USE = "taking.lock", "in-use.lock"


@contextmanager
def session_dir(sessions: int) -> Iterator[Path]:
    """A directory that every user can enter, while `sessions` of them run beside each other.

    Its path is short, since sockets are below it.
    """
    parents = [parent for parent in (MEMORY, Path("/tmp")) if parent.is_dir()]
    for parent in parents:
        clear_left_over(parent)
    parent = parents[0] if free_memory(MEMORY) >= sessions * ROOM else parents[-1]
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    path.chmod(0o755)
    try:
        # Held before it has the name by which others look for it.
        with processes.locked(path / _TAKING):
            (path / _TAKING).rename(path / _IN_USE)
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def free_memory(memory: Path) -> int:
    """Bytes that files in `memory` may take: those it offers, if the machine has as many."""
    if not memory.is_dir() or not MEMINFO.is_file():
        return 0
    lines = (line.split() for line in MEMINFO.read_text(encoding="utf-8").splitlines())
    available = next((int(line[1]) * 1024 for line in lines if line[0] == "MemAvailable:"), 0)
    return min(shutil.disk_usage(memory).free, available)


def clear_left_over(parent: Path) -> None:
    """Remove the directories of sessions that are no more, and end the servers they left."""
    for path in parent.glob(f"{PREFIX}*"):
        if not os.access(path / _IN_USE, os.W_OK):  # another program's, or another user's
            continue
        # Held: its session still runs.
        with suppress(ReviewsError, OSError), processes.locked(path / _IN_USE):
            for data_dir in {found.parent.parent for found in path.rglob("postmaster.pid")}:
                with suppress(ReviewsError, OSError):
                    EmbeddedPostgres(data_dir, durable=False).stop()
            shutil.rmtree(path, ignore_errors=True)
