"""Engines on our PostgreSQL, for what writes, and what counts as unreachable through them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from account_reviews.domain.errors import RefusedByDatabaseError, ReviewsError, UnreachableError
from account_reviews.store.addresses import normalise_url
from account_reviews.store.statements import (
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    as_error,
    connect,
    reason,
    unreachable,
)

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry

_POOL_SIZE: Final = 10
_POOL_RECYCLE_SECONDS: Final = 1800
_NEVER_CLASSES: Final = ("22", "54")
"""SQLSTATE prefixes: a value that does not fit its type, a value beyond the server's limits."""
_NEVER_STATES: Final = ("23502", "23514")
"""A value that must be there, a check that does not hold."""


def create_engine(
    url: str, *, application_name: str, command_timeout: float | None = COMMAND_SECONDS
) -> AsyncEngine:
    """An engine with a small pool, UTC sessions and bounded commands (seconds).

    Dispose it when done. BadInputError for a URL that cannot be used. A connection the server
    has closed is replaced when it is taken from the pool, without a round trip.
    """
    normalised = normalise_url(url)

    async def open_connection() -> asyncpg.Connection[Any]:
        return await connect(
            normalised, application_name=application_name, command_timeout=command_timeout
        )

    engine = create_async_engine(
        normalised,
        async_creator=open_connection,
        pool_size=_POOL_SIZE,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_recycle=_POOL_RECYCLE_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,  # values are names and notes of people: no error or log quotes them
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


_ALONE: WeakKeyDictionary[AsyncEngine, AsyncEngine] = WeakKeyDictionary()


def autocommit(engine: AsyncEngine) -> AsyncEngine:
    """The same engine, on which each statement is a transaction of its own."""
    alone = _ALONE.get(engine)
    if alone is None:
        alone = _ALONE[engine] = engine.execution_options(isolation_level="AUTOCOMMIT")
    return alone


@asynccontextmanager
async def reachable(error: type[ReviewsError] = UnreachableError) -> AsyncIterator[None]:
    """Turn every connection failure inside into one `error`; other errors pass.

    Use it as `async with reachable():`, or give the error of a backend, for example
    `reachable(MemoryUnavailableError)`. Tables that are missing count too: the hint names
    `reviews db upgrade`.
    """
    try:
        yield
    except UnreachableError as caught:
        raise as_error(error, caught) from caught
    except (OSError, exc.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as caught:
        found = _unreachable(caught)
        if found is None:
            raise
        raise as_error(error, found) from caught


def refused(error: Exception) -> RefusedByDatabaseError | None:
    """What an error means when the database will never take this value; None otherwise."""
    if not isinstance(error, exc.DBAPIError | asyncpg.PostgresError):
        return None
    state = sqlstate_of(error)
    if state.startswith(_NEVER_CLASSES) or state in _NEVER_STATES:
        return RefusedByDatabaseError(f"the database refuses this value: {reason(_cause(error))}")
    return None


def sqlstate_of(error: BaseException) -> str:
    """The server's code for what is behind an error; empty when no server said anything."""
    found: BaseException | None = error
    while found is not None:
        state = getattr(found, "sqlstate", None)
        if state:
            return str(state)
        found = getattr(found, "orig", None) or found.__cause__
    return ""


def _cause(error: BaseException) -> BaseException:
    """What the driver said."""
    origin = getattr(error, "orig", None)
    return getattr(origin, "__cause__", None) or origin or error


def _unreachable(error: Exception) -> UnreachableError | None:
    if isinstance(error, exc.TimeoutError):
        return UnreachableError("all connections to the database are in use")
    if not isinstance(error, exc.SQLAlchemyError):
        return unreachable(error)
    lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    closed = isinstance(error, exc.InterfaceError) and "closed" in str(error)
    cause = _cause(error)
    assert isinstance(cause, Exception)
    return unreachable(cause, lost=lost or closed)


def _refuse_closed(connection: Any, _entry: ConnectionPoolEntry, _proxy: object) -> None:
    if connection.driver_connection.is_closed():
        raise exc.InvalidatePoolError
