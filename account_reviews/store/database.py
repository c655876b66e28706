"""Connections to our PostgreSQL: addresses, the engine, and what counts as unreachable."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from account_reviews.domain.errors import BadInputError, ReviewsError, UnreachableError

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry

_DRIVER: Final = "postgresql+asyncpg"
_SCHEMES: Final = ("postgres", "postgresql", _DRIVER)
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SSL_FLAGS: Final = {"true": "require", "false": "disable"}
_HINT: Final = "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE"

_CONNECT_SECONDS: Final = 10.0
_POOL_SIZE: Final = 10
_POOL_RECYCLE_SECONDS: Final = 1800

_UNREACHABLE_CLASSES: Final = ("08", "28", "57P")
"""SQLSTATE prefixes: connection lost, login refused, server going down."""
_UNREACHABLE_STATES: Final = {
    "3D000": "the database does not exist",
    "53300": "the database has no free connection",
    "25006": "the database accepts no writes now",
}
_NOT_SET_UP: Final = ("3F000", "42P01")
"""The schema or a table is missing."""


def normalise_url(url: str) -> str:
    """The one spelling we keep: `postgresql+asyncpg://`, with `ssl` for `sslmode`.

    Takes `postgres://`, `postgresql://` and `postgresql+asyncpg://`. Other libpq parameters
    stay in the query; `create_engine` and asyncpg hand the session ones to the server.
    BadInputError says what is wrong and never shows the password.
    """
    parsed = _parse(url)
    query = {name: _single(name, value) for name, value in parsed.query.items()}
    database = query.pop("dbname", None) or query.pop("database", None) or parsed.database
    if not database:
        raise BadInputError(f"the database URL {_safe(parsed)} names no database", hint=_HINT)
    mode = query.pop("sslmode", None) or query.pop("ssl", None)
    query.pop("ssl", None)
    if mode is not None:
        query["ssl"] = _ssl_mode(mode)
    return parsed.set(drivername=_DRIVER, database=database, query=query).render_as_string(
        hide_password=False
    )


def asyncpg_dsn(url: str) -> str:
    """The same database for asyncpg itself: `postgresql://`, with `sslmode` for `ssl`."""
    parsed = make_url(normalise_url(url))
    query = {"sslmode" if name == "ssl" else name: value for name, value in parsed.query.items()}
    return parsed.set(drivername="postgresql", query=query).render_as_string(hide_password=False)


async def connect(
    url: str, *, application_name: str, command_timeout: float | None = 30.0
) -> asyncpg.Connection[Any]:
    """One plain asyncpg connection in UTC. UnreachableError when there is none to be had."""
    settings = {"timezone": "UTC"}
    if "application_name" not in make_url(normalise_url(url)).query:
        settings["application_name"] = application_name
    try:
        return await asyncpg.connect(
            asyncpg_dsn(url),
            timeout=_CONNECT_SECONDS,
            command_timeout=command_timeout,
            server_settings=settings,
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UnreachableError(
            f"cannot connect to the database {_safe(make_url(url))}: {_reason(error)}",
            hint="check that it runs and that REVIEWS_DATABASE_URL is right",
        ) from error


def create_engine(
    url: str, *, application_name: str, command_timeout: float | None = 30.0
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
        pool_timeout=_CONNECT_SECONDS,
        pool_recycle=_POOL_RECYCLE_SECONDS,
        pool_use_lifo=True,
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
        raise _as(error, caught) from caught
    except (OSError, exc.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as caught:
        found = _unreachable(caught)
        if found is None:
            raise
        raise _as(error, found) from caught


def _as(error: type[ReviewsError], found: UnreachableError) -> ReviewsError:
    return found if isinstance(found, error) else error(found.message, hint=found.hint)


def _unreachable(error: Exception) -> UnreachableError | None:
    if isinstance(error, exc.TimeoutError):
        return UnreachableError("all connections to the database are in use")
    if isinstance(error, OSError):
        return UnreachableError(f"the database cannot be reached: {_reason(error)}")
    state = _sqlstate(error)
    if state in _NOT_SET_UP:
        return UnreachableError(
            f"the database is not set up: {_reason(error)}", hint="run `reviews db upgrade`"
        )
    if state in _UNREACHABLE_STATES:
        return UnreachableError(f"{_UNREACHABLE_STATES[state]}: {_reason(error)}")
    lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    closed = isinstance(error, asyncpg.InterfaceError | exc.InterfaceError)
    if state.startswith(_UNREACHABLE_CLASSES) or lost or (closed and "closed" in str(error)):
        return UnreachableError(f"the connection to the database is lost: {_reason(error)}")
    return None


def _sqlstate(error: Exception) -> str:
    origin = error.orig if isinstance(error, exc.DBAPIError) else error
    return str(getattr(origin, "sqlstate", None) or "")


def _reason(error: BaseException) -> str:
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return os.strerror(error.errno) if error.errno > 0 else error.strerror
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url.strip())
    except (exc.ArgumentError, ValueError):
        raise BadInputError("the database URL cannot be read", hint=_HINT) from None
    if parsed.drivername not in _SCHEMES:
        raise BadInputError(
            f"the database URL starts with {parsed.drivername}://, which is not PostgreSQL",
            hint=_HINT,
        )
    return parsed


def _single(name: str, value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value
    raise BadInputError(f"the database URL gives {name} more than once")


def _ssl_mode(mode: str) -> str:
    chosen = _SSL_FLAGS.get(mode, mode)
    if chosen not in _SSL_MODES:
        raise BadInputError(
            f"the database URL has sslmode={mode}", hint=f"use one of {', '.join(_SSL_MODES)}"
        )
    return chosen


def _safe(url: URL) -> str:
    where = {name: value for name, value in url.query.items() if name in ("host", "port")}
    shown = url.set(drivername="postgresql", query=where)
    return unquote(shown.render_as_string(hide_password=True))


def _refuse_closed(connection: Any, _entry: ConnectionPoolEntry, _proxy: object) -> None:
    if connection.driver_connection.is_closed():
        raise exc.InvalidatePoolError
