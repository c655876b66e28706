"""Brings entries from where they were written to the trail: the outbox, the ledger of operations.

Every worker may run one: rows that another has taken are left to it. A row is deleted, or marked,
after the trail has it, so a crash between the two only makes it be sent again.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NoReturn

from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.capture.crm_writes import Write, write_row
from account_reviews.audit.event_rows import (
    event_of,
    refused,
    stand_in_id,
    storable_time,
    store_each,
)
from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import (
    UNKNOWN_ACTOR,
    AuditEvent,
    EventType,
    Severity,
    Source,
    write_id,
)
from account_reviews.domain.audit.redaction import Rules
from account_reviews.store.database import autocommit, reachable
from account_reviews.store.sql_files import read_sql
from account_reviews.telemetry import instruments
from account_reviews.temporal.names import DEFAULT_TENANT

BATCH_ROWS: Final = 250
IDLE_SECONDS: Final = 0.4
"""Between looks while nothing comes."""
LEDGER_SECONDS: Final = 5.0
"""Between looks at the ledger. Whoever makes a write records it as well: it is for lost ones."""
_LONGEST_PAUSE: Final = 2.0
_REST: Final = 2
"""Times as long as a step took, while there is much to do: reviews have their turn."""
_PATIENCE: Final = 10.0
"""Seconds for the trail to take a batch."""
_REPORT_EVERY: Final = 30.0
_LONGEST_REASON, _LONGEST_BODY = 200, 4000
_APPROVAL_PATIENCE: Final = timedelta(seconds=30)
"""So long a write waits for the row of its review to say who approved it."""

_TAKE: Final = text(
    "select id, event_id, body, put_at from reviews.audit_outbox order by id limit :most "
    "for update skip locked"
)
_MOVE: Final = text(read_sql("account_reviews.audit.capture", "move_outbox.sql"))
"""Where outbox and trail stand in one database."""
_DELETE: Final = text("delete from reviews.audit_outbox where id = any(:ids)")
_QUARANTINE: Final = text(
    "insert into reviews.audit_quarantine (event_id, body, reason, put_at) "
    "select event_id, body, :reason, put_at from reviews.audit_outbox where id = :id"
)
_UNAUDITED: Final = text(read_sql("account_reviews.audit.capture", "unaudited_writes.sql"))
_MARK: Final = text(
    "update reviews.crm_operations set audited_at = now() where operation_id = any(:ids)"
)
APPROVED: Final = text(read_sql("account_reviews.audit.capture", "approvers.sql"))

_log = logging.getLogger(__name__)


class Relay:
    """`main` holds the outbox and the ledger of writes, `trail` the trail; they may be the same.

    `tenant`: whose writes it records, None for nobody's. `adopt` is awaited before the first look
    at them: it takes over what was noted elsewhere, once.
    """

    def __init__(
        self,
        main: AsyncEngine,
        trail: AsyncEngine,
        rules: Rules,
        *,
        tenant: str | None = None,
        adopt: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._main = main
        self._autocommit = autocommit(main)
        self._trail = trail
        self._rules = rules
        self._tenant = tenant
        self._adopt = adopt

    async def run(self) -> NoReturn:
        """Move what comes, for ever. What fails is logged, counted and tried again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_keep("outbox", self.outbox, IDLE_SECONDS))
            if self._tenant is not None:
                group.create_task(_keep("writes", self.writes, LEDGER_SECONDS))
            if self._adopt is not None:
                group.create_task(_once("writes noted elsewhere", self._adopt))
        raise AssertionError

    async def outbox(self) -> int:
        """Move one batch of the outbox, oldest first; gives how many rows it was."""
        if self._main is self._trail:
            try:
                return await self._move()
            except (exc.DBAPIError, ValueError) as error:
                if not refused(error):
                    raise
        return await self._carry()

    async def _move(self) -> int:
        """All in one statement."""
        async with reachable(), self._autocommit.connect() as connection:
            moved = (await connection.execute(_MOVE, {"most": BATCH_ROWS})).one()
        if moved.taken:
            _count(moved.added, moved.oldest)
        return int(moved.taken)

    async def _carry(self) -> int:
        """From one database to another; rows that cannot be stored go to quarantine."""
        async with reachable(), self._main.begin() as connection:
            taken = (await connection.execute(_TAKE, {"most": BATCH_ROWS})).all()
            if not taken:
                return 0
            bad: dict[int, str] = {}
            rows: dict[int, AuditEvent] = {}
            for row in taken:
                rows[row.id], why = _event(row.event_id, row.body, row.put_at)
                if why is not None:
                    bad[row.id] = why
            ids = {id(event): row_id for row_id, event in rows.items()}
            await self._store(
                list(rows.values()), lambda event, why: bad.setdefault(ids[id(event)], why)
            )
            for row_id, why in bad.items():
                instruments.audit_failed("quarantine", "Refused")
                await connection.execute(_QUARANTINE, {"id": row_id, "reason": why})
            await connection.execute(_DELETE, {"ids": list(rows)})
        return len(taken)

    async def writes(self) -> int:
        """Record writes that the trail does not have; gives how many."""
        wanted = {"tenant": self._tenant, "most": BATCH_ROWS}
        async with reachable(), self._main.begin() as connection:
            found = await connection.execute(_UNAUDITED, wanted)
            taken = [dict(row) for row in found.mappings()]
            if not taken:
                return 0
            reviews, approvers = await self._approvals(connection, taken)
            events, ids = [], []
            for row in taken:
                event = self._write(row, reviews, approvers)
                if event.actor != UNKNOWN_ACTOR or not _is_young(row["applied_at"]):
                    events.append(event)
                    ids.append(row["operation_id"])
            if events:
                await self._store(events)
                await connection.execute(_MARK, {"ids": ids})
        return len(events)

    async def _approvals(
        self, connection: AsyncConnection, taken: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Run id -> review id, and operation id -> who approved it."""
        runs = sorted({_run(row["operation_id"]) for row in taken})
        found = (await connection.execute(APPROVED, {"runs": runs})).all()
        approvers = {
            f"{row.run_id}:{row.change_id}": row.decided_by for row in found if row.decided_by
        }
        return {row.run_id: row.review_id for row in found}, approvers

    def _write(
        self,
        row: Mapping[str, Any],
        reviews: Mapping[str, str],
        approvers: Mapping[str, str],
    ) -> AuditEvent:
        """The row of a write; of one nobody can read, a row that says so."""
        operation_id = row["operation_id"]
        try:
            write = Write(
                operation_id=operation_id,
                change_id=row["change_id"],
                action=row["action"],
                account_id=row["account_id"],
                tenant=row["tenant"],
                review_id=reviews.get(_run(operation_id)),
                record=row["record"] or {},
                before=row["before"] or {},
                after=row["result"].get("current") or row["after"],
                at=row["applied_at"],
                approved_by=approvers.get(operation_id),
                version_check=row["result"].get("version_check"),
            )
            return write_row(write, self._rules)
        except Exception as error:  # noqa: BLE001  one odd row must not hold up the others
            _log.exception("the write %.200s cannot be read", operation_id)
            document = {key: repr(value) for key, value in row.items()}
            return _unreadable(write_id(operation_id), document, row["applied_at"], error)

    async def _store(
        self,
        events: Sequence[AuditEvent],
        aside: Callable[[AuditEvent, str], object] | None = None,
    ) -> None:
        async with asyncio.timeout(_PATIENCE), reachable():
            added = await store_each(partial(insert, self._trail), events, aside)
        _count(added, min(event.at for event in events))


def _count(added: int, oldest: datetime | None) -> None:
    instruments.audit_rows_written(added, Source.FACT.value)
    if oldest is not None:
        instruments.audit_lag((datetime.now(UTC) - oldest).total_seconds(), Source.FACT.value)


def _event(event_id: str, body: Any, put_at: datetime) -> tuple[AuditEvent, str | None]:
    """The row of the trail; of a body nobody can read one that says so, and why."""
    document: Any = None
    try:
        document = json.loads(body) if isinstance(body, str) else body
        return event_of(document), None
    except Exception as error:  # noqa: BLE001  whatever is wrong with it, others wait behind it
        _log.error("the fact %.200s of the audit outbox cannot be read: %r", event_id, error)
        document = body if document is None else document
        return _unreadable(event_id, document, put_at, error), repr(error)[:_LONGEST_REASON]


def _unreadable(event_id: str, document: Any, put_at: object, error: Exception) -> AuditEvent:
    """Under the id by which `verify` knows what stands in the place of a row, so once for each."""
    spelled = document if isinstance(document, str) else json.dumps(document, sort_keys=True)
    return AuditEvent(
        event_id=stand_in_id(event_id),
        at=_time(document) or storable_time(put_at),
        source=Source.FACT,
        event_type=EventType.ERROR_OCCURRED,
        tenant=_words(document, "tenant") or DEFAULT_TENANT,
        actor=_words(document, "actor") or UNKNOWN_ACTOR,
        action="audit row unreadable",
        resource=_words(document, "resource") or "reviews.audit_outbox",
        severity=Severity.ERROR,
        details={"reason": repr(error)[:_LONGEST_REASON], "body": spelled[:_LONGEST_BODY]},
    )


def _words(document: Any, key: str) -> str | None:
    found = document.get(key) if isinstance(document, Mapping) else None
    return found[:_LONGEST_REASON] if isinstance(found, str) else None


def _is_young(applied_at: datetime) -> bool:
    """A time that is none, or lies ahead, is not waited for: it would be for ever."""
    if storable_time(applied_at) != applied_at:
        return False
    return abs(datetime.now(UTC) - applied_at) < _APPROVAL_PATIENCE


def _time(document: Any) -> datetime | None:
    """When it says that it was: of a fact that is left twice the same."""
    try:
        at = datetime.fromisoformat(document["at"])
    except (TypeError, ValueError, LookupError):
        return None
    return at if storable_time(at) == at else None


def _run(operation_id: str) -> str:
    return operation_id.partition(":")[0]


async def _once(name: str, step: Callable[[], Awaitable[None]]) -> None:
    """Until it succeeds."""
    pause = _LONGEST_PAUSE
    while True:
        try:
            return await step()
        except Exception as error:  # noqa: BLE001  whatever it is, others go on meanwhile
            pause = min(2 * pause, _REPORT_EVERY)
            _log.warning("the audit trail waits for %s: %s", name, error)
        await asyncio.sleep(pause)


async def _keep(name: str, step: Callable[[], Awaitable[int]], idle: float) -> NoReturn:
    """Repeat a step every `idle` seconds; while there is much to do, a third of the time."""
    clock = asyncio.get_running_loop().time
    pause, reported_at = idle, float("-inf")
    while True:
        began = clock()
        try:
            moved = await step()
            pause = _REST * (clock() - began) if moved >= BATCH_ROWS else idle
        except Exception as error:  # noqa: BLE001  whatever it is, the rows wait where they are
            instruments.audit_failed("relay", type(error).__name__)
            pause = min(max(2 * pause, idle), _LONGEST_PAUSE)
            if clock() - reported_at > _REPORT_EVERY:
                reported_at = clock()
                reason = str(error) or type(error).__name__
                _log.warning("facts wait for the audit trail (%s): %s", name, reason)
        await asyncio.sleep(pause)
