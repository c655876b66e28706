"""The shared fixtures keep their promises."""

import socket

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.local import namespace
from account_reviews.store.migration import current_revision, head_revision
from account_reviews.temporal.names import RETENTION_DAYS
from tests.support import network


async def test_the_database_is_migrated(engine: AsyncEngine) -> None:
    assert await current_revision(engine) == head_revision()


async def test_the_server_keeps_times_in_utc(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.scalar(text("show timezone")) == "UTC"


async def test_the_namespace_has_what_reviews_need(client: Client) -> None:
    assert await namespace.missing_attributes(client) == []
    assert await namespace.retention_days(client) == RETENTION_DAYS


def test_the_network_is_closed() -> None:
    with pytest.raises(OSError, match="may not reach"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(OSError, match="may not reach"):
        socket.getaddrinfo("example.com", 80)
    assert len(network.attempts) == 2
    network.attempts.clear()


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
