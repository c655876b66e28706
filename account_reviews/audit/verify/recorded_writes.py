"""Writes to the CRM as the trail has them, against the ledger of operations, both ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.capture.outbox_relay import APPROVED
from account_reviews.audit.event_rows import stand_in_id
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.leaves import Position
from account_reviews.audit.verify.scope import Scope
from account_reviews.audit.verify.verifier import Report
from account_reviews.domain.audit.events import UNKNOWN_ACTOR, write_id
from account_reviews.domain.audit.redaction import Rules, redact
from account_reviews.domain.errors import CrmUnavailableError
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

_RECORDED: Final = text(read_sql("account_reviews.audit.verify", "writes_recorded.sql"))
_MADE: Final = text(read_sql("account_reviews.audit.verify", "writes_made.sql"))
_MADE_ELSEWHERE: Final = text(read_sql("account_reviews.audit.verify", "writes_elsewhere.sql"))
_KEPT_SINCE: Final = text("select since from reviews.crm_ledgers where tenant = '' and place = ''")
_TO_RECORD: Final = text(read_sql("account_reviews.audit.verify", "writes_to_record.sql"))
_THERE: Final = text("select event_id from audit.audit_events where event_id = any(:ids)")
_PREFIX: Final = "write/"
_BATCH: Final = 1000
_OLDEST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An SQL CRM in another database, where releases before noted its writes; whose it is."""

    tenant: str
    crm: AsyncEngine | None = None
    """None: there is none."""


async def add_recorded_writes(
    report: Report,
    main: AsyncConnection,
    trail: AsyncConnection,
    elsewhere: Elsewhere,
    rules: Rules,
    scope: Scope,
) -> None:
    """Every row of a write is in the ledger as it says, and every write has its row."""
    values = {"since": scope.since, "review": scope.review_id}
    rows = (await trail.execute(_RECORDED, values)).all()
    kept_since = await main.scalar(_KEPT_SINCE)
    otherwise = foreign = 0
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        made = await _made(main, elsewhere, [_operation(row) for row in batch])
        known = [row for row in batch if _operation(row) in made]
        otherwise += await _check_rows(report, main, rules, known, made)
        for row in batch:
            if _operation(row) in made:
                continue
            if kept_since is not None and row.at < kept_since and row.tenant != elsewhere.tenant:
                foreign += 1
            else:
                _add(report, Kind.EXTRA, "the ledger of operations has no such write", row)
    if otherwise:
        report.warnings.append(
            f"{otherwise} writes tell who approved them, or what stood there before or after, "
            "otherwise than this version and policy do by the ledger of operations"
        )
    if foreign:
        report.warnings.append(
            f"{foreign} writes of other tenants were noted by an earlier release in the CRMs of "
            "those; a worker of each takes them over, and until then they are not compared"
        )
    since = max(scope.since or _OLDEST, report.archived_until or _OLDEST)
    found = await main.execute(_TO_RECORD, {"since": since, "runs": scope.runs})
    ids = list(found.scalars())
    for start in range(0, len(ids), _BATCH):
        await _check_ledger(report, trail, ids[start : start + _BATCH])


def _operation(row: Any) -> str:
    return str(row.event_id).removeprefix(_PREFIX)


async def _made(
    main: AsyncConnection, elsewhere: Elsewhere, operations: Sequence[str]
) -> dict[str, Any]:
    """Operation id -> its row of the ledger, else of the one that our CRM kept elsewhere."""
    wanted = {"ids": list(operations)}
    made: dict[str, Any] = {one.operation_id: one for one in await main.execute(_MADE, wanted)}
    missing = [one for one in operations if one not in made]
    if missing and elsewhere.crm is not None:
        async with reachable(CrmUnavailableError), elsewhere.crm.connect() as connection:
            found = await connection.execute(_MADE_ELSEWHERE, {"ids": missing})
            made |= {one.operation_id: one for one in found}
    return made


async def _check_rows(
    report: Report,
    main: AsyncConnection,
    rules: Rules,
    rows: Sequence[Any],
    made: Mapping[str, Any],
) -> int:
    """Gives how many differ in what a policy or a late answer can have changed."""
    runs = {"runs": sorted({_operation(one).partition(":")[0] for one in rows})}
    decided = {
        f"{one.run_id}:{one.change_id}": one.decided_by
        for one in await main.execute(APPROVED, runs)
        if one.decided_by
    }
    otherwise = 0
    for row in rows:
        operation = _operation(row)
        write = made[operation]
        wrong = _differences(row, write)
        if row.actor not in (decided.get(operation, row.actor), UNKNOWN_ACTOR):
            wrong.append("actor")
        if wrong:
            why = f"the row names another {', '.join(wrong)} than the ledger of operations"
            _add(report, Kind.DIFFERING, why, row)
            continue
        nameless = row.actor == UNKNOWN_ACTOR and decided.get(operation, row.actor) != row.actor
        otherwise += nameless or not _tells_values(row, write, rules)
    return otherwise


def _tells_values(row: Any, write: Any, rules: Rules) -> bool:
    if write.erased_at is not None:  # what it was is not ours to compare any more
        return True
    result = write.result if isinstance(write.result, Mapping) else {}
    after = redact(result.get("current") or write.after, rules)
    return (row.before, row.after) == (redact(write.before or {}, rules), after)


def _differences(row: Any, write: Any) -> list[str]:
    record = write.record or {}
    kind, name = record.get("type") or "record", record.get("id") or "unknown"
    wrong = {
        "action": row.action != write.action,
        "resource": row.resource != f"{kind}/{name}",
        "time": row.at != write.applied_at,
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]


async def _check_ledger(report: Report, trail: AsyncConnection, operations: list[str]) -> None:
    names = {write_id(one): one for one in operations}
    stand_ins = {stand_in_id(name): name for name in names}
    found = set((await trail.execute(_THERE, {"ids": [*names, *stand_ins]})).scalars())
    for name in names:
        if name not in found and stand_in_id(name) not in found:
            why = "the ledger of operations has this write, the trail has no row of it"
            report.faults.append(Fault(kind=Kind.MISSING, why=why, event_id=name))


def _add(report: Report, kind: Kind, why: str, row: Any) -> None:
    position = Position(row.xid, row.seq)
    report.faults.append(Fault(kind=kind, why=why, event_id=row.event_id, position=position))
