"""The socket's path always fits, and its directory is ours alone."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.errors import BadInputError
from account_reviews.local import sockets

_parts = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1),
    min_size=1,
    max_size=5,
)


@given(_parts)
def test_every_data_directory_gets_a_usable_socket(parts: list[str]) -> None:
    found = sockets.socket_dir(Path("/srv", *parts))
    assert len(os.fsencode(found / ".s.PGSQL.5432")) <= 107
    assert not set(str(found)) & set("'\",\\ ")
    assert found == sockets.socket_dir(Path("/srv", *parts))


def test_a_short_path_keeps_the_socket_inside() -> None:
    """But for root, whose server is another user: the data directory is closed to him."""
    found = sockets.socket_dir(Path("/srv/reviews"))
    root = os.geteuid() == 0
    assert found.parent == (Path(tempfile.gettempdir()) if root else Path("/srv/reviews"))


def test_a_long_path_moves_it_out() -> None:
    found = sockets.socket_dir(Path("/srv") / ("x" * 90))
    assert found.parent == Path(tempfile.gettempdir())


def test_it_is_private(tmp_path: Path) -> None:
    sockets.prepare(tmp_path / "s", owner=None)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with pytest.raises(BadInputError, match="belongs to user"):
        sockets.prepare(tmp_path / "s", owner=os.geteuid() + 1)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "s").symlink_to(tmp_path / "real")
    with pytest.raises(BadInputError, match="belongs to user"):
        sockets.prepare(tmp_path / "s", owner=None)


def test_the_closed_parent_is_found(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "below").mkdir(parents=True)
    closed.chmod(0o700)
    assert sockets.closed_parent(closed / "below" / "later") == closed
