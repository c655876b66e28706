"""Bringing the database to the schema of this version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from account_reviews.domain.errors import BadInputError
from account_reviews.store.database import reachable

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


@dataclass(frozen=True)
class Schema:
    """A schema of ours with the folder of its migrations; its version table stands in it."""

    name: str
    folder: Path


_PACKAGE: Final = Path(__file__).parents[1]
REVIEWS: Final = Schema("reviews", _PACKAGE / "store" / "migrations")
AUDIT: Final = Schema("audit", _PACKAGE / "audit" / "migrations")
"""Apart from the other, so that the audit trail can have a database of its own."""

_LOCK: Final = text("select pg_try_advisory_lock(hashtextextended('reviews-migrate', 0))")
_UNLOCK: Final = text("select pg_advisory_unlock(hashtextextended('reviews-migrate', 0))")
_LOCK_POLL_SECONDS: Final = 0.1


def head_revision(schema: Schema = REVIEWS) -> str:
    """The revision this version of the code works with."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config(schema)).get_current_head()
    if head is None:
        raise BadInputError("this installation holds no migrations", hint="install it again")
    return head


async def current_revision(engine: AsyncEngine, schema: Schema = REVIEWS) -> str | None:
    """The revision of the database, None when it is empty. UnreachableError."""
    async with reachable(), engine.connect() as connection:
        return await _revision(connection, schema)


async def upgrade(engine: AsyncEngine, schema: Schema = REVIEWS) -> None:
    """Run every migration the database lacks, each in its own transaction.

    Several at once are safe: one works, the others wait and find nothing to do. The lock is
    held by the session, so it needs a direct connection, not a transaction pooler.
    BadInputError when the database is newer than the code, UnreachableError.
    """
    async with reachable(), engine.connect() as connection, _alone(connection):
        await _refuse_newer(connection, schema)
        await connection.run_sync(_run_migrations, schema)


async def _refuse_newer(connection: AsyncConnection, schema: Schema) -> None:
    current = await _revision(connection, schema)
    if current is not None and current not in _known_revisions(schema):
        raise BadInputError(
            f"the database is at revision {current}, which this version does not know",
            hint="install the version of account-reviews that last upgraded it, or a newer one",
        )


async def _revision(connection: AsyncConnection, schema: Schema) -> str | None:
    there = await connection.scalar(text(f"select to_regclass('{schema.name}.alembic_version')"))
    found: str | None = None
    if there is not None:
        query = text(f"select version_num from {schema.name}.alembic_version")  # noqa: S608  our own constant
        found = await connection.scalar(query)
    await connection.rollback()
    return found


@asynccontextmanager
async def _alone(connection: AsyncConnection) -> AsyncIterator[None]:
    """Hold the migration lock. Polled: a waiting statement would block concurrent index builds."""
    while not await connection.scalar(_LOCK):
        await connection.rollback()
        await asyncio.sleep(_LOCK_POLL_SECONDS)
    await connection.rollback()
    try:
        yield
    except BaseException:
        await connection.invalidate()
        raise
    await connection.execute(_UNLOCK)
    await connection.rollback()


def _run_migrations(connection: Connection, schema: Schema) -> None:
    from alembic import command

    config = _config(schema)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _known_revisions(schema: Schema) -> set[str]:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(schema))
    return {script.revision for script in scripts.walk_revisions()}


def _config(schema: Schema) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(schema.folder).replace("%", "%%"))
    config.attributes["schema"] = schema.name
    return config
