"""The guard of the tests knows what is local."""

import pytest

from tests.support import network


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", b"localhost", None])
def test_local(host: object) -> None:
    assert network.is_local(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.com", b"example.com"])
def test_not_local(host: object) -> None:
    assert not network.is_local(host)
