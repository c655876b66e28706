"""Single statements over one plain connection: how everything is read, and facts are recorded.

A driver alone costs a command a fifth of what an engine does, and a reader needs no more: each
statement is a transaction of its own. Values stand as `:name` in a statement, as in the `.sql`
files; a JSON column comes as its text.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

import asyncpg

from account_reviews.domain.errors import BadInputError, ReviewsError, UnreachableError
from account_reviews.store.addresses import asyncpg_dsn, normalised

COMMAND_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 1.0

_VALUE: Final = re.compile(r"(?<![:\w]):(\w+)")
"""`:name`, but neither the cast `::type` nor a time within a text."""

_NOT_CONNECTED: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # no server is what `target_session_attrs` asks for
)
_UNREACHABLE_CLASSES: Final = ("08", "28", "57P")
"""SQLSTATE prefixes: connection lost, login refused, server going down."""
_POOLER: Final = (
    "a pooler between us and the database hands out another connection for each transaction,"
    " which a session mode or a direct address does not"
)
_UNREACHABLE_STATES: Final = {
    "3D000": "the database does not exist",
    "53300": "the database has no free connection",
    "25006": "the database accepts no writes now",
    "26000": _POOLER,
    "42P05": _POOLER,
}
_NOT_SET_UP: Final = ("3F000", "42P01", "42883")
"""The schema, a table or a function is missing."""

Row = dict[str, Any]
_AWAY: Final = "the database cannot be reached"


async def connect(
    url: str, *, application_name: str, command_timeout: float | None = COMMAND_SECONDS
) -> "asyncpg.Connection[Any]":
    """One plain asyncpg connection in UTC. UnreachableError when there is none to be had.

    BadInputError for an address that the driver cannot make sense of.
    """
    address = normalised(url)
    settings = {"timezone": "UTC"}
    if "application_name" not in address.query:
        settings["application_name"] = application_name
    try:
        return await asyncpg.connect(
            asyncpg_dsn(url),
            timeout=CONNECT_SECONDS,
            command_timeout=command_timeout,
            server_settings=settings,
        )
    except _NOT_CONNECTED as error:
        raise UnreachableError(
            f"cannot connect to the database {address.shown()}: {reason(error)}",
            hint="check that it runs and that REVIEWS_DATABASE_URL is right",
            plainly=_AWAY,
        ) from error
    except (ValueError, LookupError, ArithmeticError) as error:
        raise BadInputError(
            f"the database URL {address.shown()} cannot be used: {reason(error)}"
        ) from error


class Statements:
    """Runs statements one after the other, over a connection made when it is first needed.

    UnreachableError while the database is down; when it is back, the next statement connects
    anew. Close it when done.
    """

    def __init__(
        self,
        url: str,
        *,
        application_name: str,
        command_timeout: float | None = COMMAND_SECONDS,
    ) -> None:
        self._url = url
        self._application_name = application_name
        self._command_timeout = command_timeout
        self._connection: asyncpg.Connection[Any] | None = None
        self._turn = asyncio.Lock()

    async def rows(self, statement: str, /, **values: Any) -> list[Row]:
        """What a query answers."""
        query, names = numbered(statement)
        async with self._using() as connection:
            found = await connection.fetch(query, *(values[name] for name in names))
        return [dict(row) for row in found]

    async def row(self, statement: str, /, **values: Any) -> Row | None:
        """The first row of the answer, None without one."""
        found = await self.rows(statement, **values)
        return found[0] if found else None

    async def scalar(self, statement: str, /, **values: Any) -> Any:
        """The first value of the first row, None without one."""
        row = await self.row(statement, **values)
        return None if row is None else next(iter(row.values()))

    async def execute(self, statement: str, /, **values: Any) -> int:
        """How many rows a statement wrote. Errors of the statement itself pass as they are."""
        query, names = numbered(statement)
        async with self._using() as connection:
            status: str = await connection.execute(query, *(values[name] for name in names))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    async def close(self) -> None:
        """End the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=_CLOSE_SECONDS)

    @asynccontextmanager
    async def _using(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """The connection, for one statement at a time. One that the driver has lost track of, as
        when an answer broke off, is given up: it would refuse every further statement."""
        async with self._turn:
            connection = await self._open()
            try:
                with reachable_connection():
                    yield connection
            except UnreachableError as error:
                if isinstance(error.__cause__, asyncpg.InternalClientError):
                    connection.terminate()
                    self._connection = None
                raise

    async def _open(self) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(
                self._url,
                application_name=self._application_name,
                command_timeout=self._command_timeout,
            )
        return self._connection


@lru_cache(maxsize=256)
def numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """The statement with `$1` for its first `:name` and so on, and the names in that order."""
    names: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        return f"${names.setdefault(found[1], len(names) + 1)}"

    return _VALUE.sub(place, statement), tuple(names)


@contextmanager
def reachable_connection() -> Iterator[None]:
    """Turn every failure of the connection inside into UnreachableError; others pass.

    Tables that are missing count too: the hint names `reviews db upgrade`.
    """
    try:
        yield
    except asyncpg.InternalClientError as error:
        raise UnreachableError(
            f"the connection to the database is lost: {reason(error)}"
        ) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        found = unreachable(error)
        if found is None:
            raise
        raise found from error


def unreachable(error: Exception, *, lost: bool = False) -> UnreachableError | None:
    """What an error of the driver means when the database cannot be used; None otherwise.

    `lost`: whoever asks knows that the connection is gone.
    """
    if isinstance(error, OSError) and not lost:
        return UnreachableError(f"{_AWAY}: {reason(error)}", plainly=_AWAY)
    state = str(getattr(error, "sqlstate", None) or "")
    if state in _NOT_SET_UP:
        return UnreachableError(
            f"the database is not set up: {reason(error)}", hint="run `reviews db upgrade`"
        )
    if state in _UNREACHABLE_STATES:
        return UnreachableError(f"{_UNREACHABLE_STATES[state]}: {reason(error)}")
    closed = isinstance(error, asyncpg.InterfaceError) and "closed" in str(error)
    if state.startswith(_UNREACHABLE_CLASSES) or lost or closed:
        return UnreachableError(f"the connection to the database is lost: {reason(error)}")
    return None


def as_error(error: type[ReviewsError], found: UnreachableError) -> ReviewsError:
    """The same said by the `error` of a backend."""
    return found if isinstance(found, error) else error(found.message, hint=found.hint)


def reason(error: BaseException) -> str:
    """The first line of an error, without an empty one."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return os.strerror(error.errno) if error.errno > 0 else error.strerror
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
