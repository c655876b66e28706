"""Ports are chosen so that nothing else listens on them."""

import os
import socket
from collections.abc import Iterator

import pytest

from account_reviews.config import ports
from account_reviews.domain.errors import ConflictError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_not_free(taken: int) -> None:
    assert not ports.is_free(taken)


def test_a_taken_default_is_replaced(taken: int) -> None:
    chosen = ports.choose(None, taken, flag="--port")
    assert chosen != taken
    assert ports.is_free(chosen)


def test_a_free_default_is_kept() -> None:
    free = ports.any_free()
    assert ports.choose(None, free, flag="--port") == free


def test_a_taken_wish_is_refused(taken: int) -> None:
    with pytest.raises(ConflictError, match=f"port {taken} is taken") as caught:
        ports.choose(taken, 1, flag="--port")
    assert caught.value.hint is not None
    assert "--port" in caught.value.hint


def test_who_listens() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert ports.listens(os.getpid(), port)
        assert not ports.listens(os.getppid(), port)
        assert not ports.listens(2**22 + 1, port)
    assert not ports.listens(os.getpid(), port)
