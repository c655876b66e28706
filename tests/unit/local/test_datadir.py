"""The data directory is marked, and refused in one sentence when it cannot be used."""

from pathlib import Path

import pytest

from account_reviews.domain.errors import BadInputError
from account_reviews.local import datadir


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
