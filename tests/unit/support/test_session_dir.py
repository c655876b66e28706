"""A session of tests takes little of the machine's memory, and leaves none of it taken."""

import shutil
from pathlib import Path

import pytest

from account_reviews.local import processes
from tests.support import session_dir as directories
from tests.support.session_dir import clear_left_over, free_memory, session_dir

GIB = 2**30


def meminfo(path: Path, available: int) -> Path:
    path.write_text(f"MemTotal:       99999999 kB\nMemAvailable:   {available // 1024} kB\n")
    return path


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "memory"
    place.mkdir()
    monkeypatch.setattr(directories, "MEMORY", place)
    return place


def test_files_go_to_memory_only_where_there_is_room_for_all_sessions(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directories, "MEMINFO", meminfo(tmp_path / "meminfo", 4 * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Free(100 * GIB))
    with session_dir(1) as alone:
        assert alone.parent == memory
    with session_dir(2) as beside_another:
        assert beside_another.parent != memory
    assert not alone.exists()
    assert not beside_another.exists()


class Free:
    def __init__(self, free: int) -> None:
        self.free = free


def test_files_in_memory_may_take_what_the_machine_has_whatever_is_offered(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Free(24 * GIB))
    monkeypatch.setattr(directories, "MEMINFO", meminfo(tmp_path / "meminfo", 5 * GIB))
    assert free_memory(memory) == 5 * GIB
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Free(GIB))
    assert free_memory(memory) == GIB
    assert free_memory(tmp_path / "absent") == 0


def test_what_a_killed_session_left_is_removed_and_what_another_uses_stays(tmp_path: Path) -> None:
    dead, alive, foreign = (tmp_path / name for name in ("reviews-1", "reviews-2", "reviews-3"))
    for path in (dead, alive, foreign):
        (path / "cluster").mkdir(parents=True)
    (dead / "in-use.lock").touch()
    with processes.locked(alive / "in-use.lock"):
        clear_left_over(tmp_path)
    assert not dead.exists()
    assert alive.exists()
    assert foreign.exists()


def test_a_session_that_begins_leaves_those_that_run_alone(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directories, "MEMINFO", meminfo(tmp_path / "meminfo", 4 * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Free(100 * GIB))
    with session_dir(1) as first, session_dir(1) as second:
        assert first != second
        assert first.exists()
