"""The data directory is marked, and refused in one sentence when it cannot be used."""

from pathlib import Path

import pytest

from account_reviews.domain.errors import BadInputError
from account_reviews.local import datadir
from tests.support.owners import give_away


def test_it_is_created_and_marked(tmp_path: Path) -> None:
    path = datadir.prepare(tmp_path / "a" / "b")
    assert (path / "layout").read_text() == f"{datadir.LAYOUT}\n"
    assert datadir.prepare(path) == path


def test_a_newer_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "layout").write_text(f"{datadir.LAYOUT + 1}\n")
    with pytest.raises(BadInputError, match="layout 2 of a newer release") as caught:
        datadir.prepare(tmp_path)
    assert caught.value.exit_code == 2
    assert (tmp_path / "layout").read_text() == f"{datadir.LAYOUT + 1}\n"


@pytest.mark.parametrize("content", [b"", b"one", b"\xff\xfe", b"-1"])
def test_a_strange_layout_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "layout").write_bytes(content)
    with pytest.raises(BadInputError, match="should hold a number"):
        datadir.prepare(tmp_path)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInputError, match="not a directory"):
        datadir.prepare(tmp_path / "file")
    with pytest.raises(BadInputError, match="not a directory"):
        datadir.prepare(tmp_path / "file" / "below")


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x1b[2K", "\x9b"])
def test_a_name_with_a_control_character_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="holds a control character"):
        datadir.prepare(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def modes(folder: Path) -> dict[str, int]:
    """Who may do what with the directory and everything in it."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {name: path.stat().st_mode & 0o777 for name, path in {".": folder, **found}.items()}


def test_it_is_closed_to_other_users(tmp_path: Path) -> None:
    folder = datadir.prepare(tmp_path / "new")
    assert modes(folder)["."] == 0o700


def test_what_an_older_release_left_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    for below in ("audit/archive", "postgres"):
        (folder / below).mkdir(parents=True)
    files = ("temporal.db", "worker.log", "audit/seals.jsonl", "audit/archive/x.jsonl.gz")
    for name in files:
        (folder / name).write_text("")
        (folder / name).chmod(0o644)
    folder.chmod(0o755)
    found = modes(datadir.prepare(folder))
    assert found["."] == 0o700
    assert {found[name] for name in files} == {0o600}


def test_a_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs").mkdir()
    give_away(tmp_path / "theirs", monkeypatch)
    with pytest.raises(BadInputError, match="theirs belongs to user"):
        datadir.prepare(tmp_path / "theirs")
