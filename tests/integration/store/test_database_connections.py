"""Engines against a real PostgreSQL: what they set, and what counts as unreachable."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import CrmUnavailableError, UnreachableError
from account_reviews.store.addresses import asyncpg_dsn
from account_reviews.store.database import create_engine, reachable
from account_reviews.store.statements import connect


@pytest.fixture
async def other_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url, application_name="other", command_timeout=0.5)
    yield engine
    await engine.dispose()


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def end_session(engine: AsyncEngine, pid: int) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})


async def test_sessions_are_in_utc_and_named(database_url: str) -> None:
    engine = create_engine(database_url, application_name="reviews-test")
    async with engine.connect() as connection:
        assert await connection.scalar(text("show timezone")) == "UTC"
        assert await connection.scalar(text("show application_name")) == "reviews-test"
    await engine.dispose()


async def test_session_parameters_of_the_url_reach_the_server(database_url: str) -> None:
    url = asyncpg_dsn(database_url) + "&application_name=mine&statement_timeout=7s"
    engine = create_engine(url, application_name="reviews-test")
    async with engine.connect() as connection:
        assert await connection.scalar(text("show application_name")) == "mine"
        assert await connection.scalar(text("show statement_timeout")) == "7s"
    await engine.dispose()


async def test_plain_connection(database_url: str) -> None:
    connection = await connect(database_url, application_name="reviews-list")
    assert await connection.fetchval("show timezone") == "UTC"
    await connection.close()


async def test_nobody_listens() -> None:
    engine = create_engine(
        f"postgresql://u:secret@127.0.0.1:{closed_port()}/db", application_name="t"
    )
    with pytest.raises(UnreachableError, match="Connection refused") as caught:
        async with reachable(), engine.connect():
            pass
    assert "secret" not in caught.value.message
    await engine.dispose()


async def test_no_such_database(database_url: str) -> None:
    engine = create_engine(database_url.replace("/test_", "/gone_"), application_name="t")
    with pytest.raises(UnreachableError, match="does not exist"):
        async with reachable(), engine.connect():
            pass
    await engine.dispose()


async def test_a_backend_gets_its_own_error(database_url: str) -> None:
    engine = create_engine(database_url.replace("/test_", "/gone_"), application_name="t")
    with pytest.raises(CrmUnavailableError, match="does not exist"):
        async with reachable(CrmUnavailableError), engine.connect():
            pass
    await engine.dispose()


async def test_command_takes_too_long(other_engine: AsyncEngine) -> None:
    with pytest.raises(UnreachableError, match="no answer in time"):
        async with reachable(), other_engine.connect() as connection:
            await connection.execute(text("select pg_sleep(5)"))


async def test_missing_table_names_the_upgrade(other_engine: AsyncEngine) -> None:
    with pytest.raises(UnreachableError) as caught:
        async with reachable(), other_engine.connect() as connection:
            await connection.execute(text("select * from reviews.nothing"))
    assert caught.value.hint == "run `reviews db upgrade`"


async def test_other_errors_pass(other_engine: AsyncEngine) -> None:
    async def twice() -> None:
        async with reachable(), other_engine.begin() as connection:
            await connection.execute(text("create temp table once (n int primary key)"))
            await connection.execute(text("insert into once values (1), (1)"))

    with pytest.raises(IntegrityError):
        await twice()


async def test_lost_while_in_use(engine: AsyncEngine, other_engine: AsyncEngine) -> None:
    async def cut_off() -> None:
        async with reachable(), other_engine.connect() as connection:
            await end_session(engine, await connection.scalar(text("select pg_backend_pid()")))
            await connection.execute(text("select 1"))

    with pytest.raises(UnreachableError, match="lost"):
        await cut_off()


async def test_used_between_the_last_words_and_the_end(other_engine: AsyncEngine) -> None:
    """A server that is killed says goodbye first; what is asked between is lost, not wrong."""
    fields = b"SFATAL\0VFATAL\0C57P02\0Mterminating connection because of crash\0\0"
    goodbye = b"E" + (len(fields) + 4).to_bytes(4) + fields

    async def ask() -> object:
        async with reachable(), other_engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            raw._protocol.data_received(goodbye)
            asyncio.get_running_loop().call_later(0.1, raw._transport.abort)
            return await connection.scalar(text("select 1"))

    with pytest.raises(UnreachableError, match="lost"):
        await ask()
    async with other_engine.connect() as connection:
        assert await connection.scalar(text("select 1")) == 1


async def test_closed_while_idle_is_replaced(
    engine: AsyncEngine, other_engine: AsyncEngine
) -> None:
    async with other_engine.connect() as first, other_engine.connect() as second:
        pids = [await c.scalar(text("select pg_backend_pid()")) for c in (first, second)]
    for pid in pids:
        await end_session(engine, pid)
    async with other_engine.connect() as connection:
        assert await connection.scalar(text("select 1")) == 1
