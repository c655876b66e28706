"""Transactions over plain connections, for what has to hold something until its end."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

import asyncpg

from account_reviews.domain.errors import UnreachableError
from account_reviews.store.statements import Row, connect, numbered, reachable_connection

_BEGIN: Final = "begin isolation level read committed"
_END_SECONDS: Final = 1.0


class Ask(Protocol):
    """Runs one statement, with values by name, and gives its rows."""

    def __call__(self, statement: str, /, **values: Any) -> Awaitable[list[Row]]: ...


class Transactions:
    """Each has a connection of its own, which the next one uses again. Close it when done."""

    def __init__(self, url: str, *, application_name: str) -> None:
        self._url = url
        self._application_name = application_name
        self._free: list[asyncpg.Connection[Any]] = []

    @asynccontextmanager
    async def held(self) -> AsyncIterator[Ask]:
        """READ COMMITTED, whatever the database has as its default, and rolled back at the end.

        What it locks is locked until then, or until its connection is lost: a statement after
        that is UnreachableError and never runs outside of the transaction.
        """
        async with self._begun() as (_, ask):
            yield ask

    @asynccontextmanager
    async def committed(self) -> AsyncIterator[Ask]:
        """The same, committed at the end, unless an error leaves it.

        UnreachableError at the end: whether it was committed is not known.
        """
        async with self._begun() as (connection, ask):
            yield ask
            try:
                with reachable_connection():
                    await connection.execute("commit")
            except UnreachableError:
                connection.terminate()
                raise

    @asynccontextmanager
    async def _begun(self) -> "AsyncIterator[tuple[asyncpg.Connection[Any], Ask]]":
        connection = await self._take()
        try:
            with reachable_connection():
                await connection.execute(_BEGIN)

            async def ask(statement: str, /, **values: Any) -> list[Row]:
                query, names = numbered(statement)
                try:
                    with reachable_connection():
                        found = await connection.fetch(query, *(values[name] for name in names))
                except UnreachableError:
                    connection.terminate()  # the driver may not have noticed its end yet
                    raise
                return [dict(row) for row in found]

            yield connection, ask
        finally:
            await self._give_back(connection)

    async def close(self) -> None:
        """End the connections that nobody uses."""
        while self._free:
            await _end(self._free.pop())

    async def _take(self) -> "asyncpg.Connection[Any]":
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        return await connect(self._url, application_name=self._application_name)

    async def _give_back(self, connection: "asyncpg.Connection[Any]") -> None:
        """What was done inside is done, also when the connection is lost by now."""
        try:
            if connection.is_in_transaction():
                await connection.execute("rollback", timeout=_END_SECONDS)
        except Exception:  # noqa: BLE001  whatever the driver says, it is not used again
            connection.terminate()
        except BaseException:
            connection.terminate()
            raise
        else:
            self._free.append(connection)


async def _end(connection: "asyncpg.Connection[Any]") -> None:
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await connection.close(timeout=_END_SECONDS)
