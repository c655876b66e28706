"""How far the history of each run is stored: moved in one transaction with the rows themselves."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.event_rows import in_order, refused, store_each
from account_reviews.audit.history.event_context import RunContext
from account_reviews.audit.history.reader import Export
from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import AuditEvent
from account_reviews.store.database import autocommit
from account_reviews.store.outbox_rows import spelled
from account_reviews.store.sql_files import read_sql

_FIND: Final = text(
    "select run_id, last_event, closed, context from audit.runs where run_id = any(:ids)"
)
_STORE: Final = text(read_sql("account_reviews.audit.history", "store_export.sql"))
"""Rows and cursors in one statement: each round trip costs more than what it brings."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where reading a run goes on."""

    last_event: int = 0
    closed: bool = False
    context: RunContext | None = None
    """None for a closed run: nothing comes after it."""


async def cursors(engine: AsyncEngine, run_ids: Sequence[str]) -> dict[str, Cursor]:
    """Those that are stored, by run id."""
    if not run_ids:
        return {}
    async with autocommit(engine).connect() as connection:
        found = (await connection.execute(_FIND, {"ids": list(run_ids)})).all()
    return {
        row.run_id: Cursor(row.last_event, row.closed, None if row.closed else _context(row))
        for row in found
    }


def _context(row: Any) -> RunContext | None:
    """None when it cannot be read: the history is read from its first event on then."""
    try:
        return RunContext.of(row.context)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _log.warning("the place in the history of run %.200s is lost: %r", row.run_id, error)
        return None


def cursor_of(export: Export) -> Cursor:
    """Where reading goes on after this export is stored."""
    return Cursor(export.last_event, export.closed, None if export.closed else export.context)


async def store(engine: AsyncEngine, exports: Iterable[Export]) -> int:
    """Store rows and cursors together; gives how many rows are new.

    Errors of the database pass as they are, and nothing is stored then.
    """
    found = [one for one in exports if one.last_event]
    rows = [row for one in found for row in one.rows]
    try:
        return await _together(engine, rows, found)
    except Exception as error:
        if not refused(error):
            raise
    # One row that cannot be stored must not keep all others out for ever.
    added = await store_each(partial(insert, engine), rows)
    await _together(engine, [], found)
    return added


async def _together(
    engine: AsyncEngine, rows: Sequence[AuditEvent], exports: Sequence[Export]
) -> int:
    if not exports:
        return 0
    moved = sorted((_document(one) for one in exports), key=lambda one: str(one["run_id"]))
    async with autocommit(engine).connect() as connection:
        values = {"runs": spelled(moved), "rows": in_order(rows)}
        return (await connection.execute(_STORE, values)).rowcount


def _document(export: Export) -> dict[str, Any]:
    context = export.context
    return {
        "namespace": export.run.namespace,
        "workflow_id": export.run.workflow_id,
        "run_id": export.run.run_id,
        "workflow_type": context.workflow_type,
        "tenant": context.tenant,
        "started_at": context.started_at,
        "last_event": export.last_event,
        "closed": export.closed,
        "context": {} if export.closed else context.document(),
    }
