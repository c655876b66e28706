"""Reading all of an account out of the SQL CRM, through an engine."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Text, column, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.crm.sql.rows import Links
from account_reviews.domain.records import AccountSnapshot, DealStage, RecordType, SnapshotLimits
from account_reviews.store.sql_files import read_sql

_CLOSED: Final = [stage.value for stage in DealStage if stage.is_closed]
_RECORDS: Final = {
    "account": RecordType.ACCOUNT,
    "owner": RecordType.OWNER,
    "previous_owner": RecordType.OWNER,
    "manager": RecordType.OWNER,
    "contacts": RecordType.CONTACT,
    "deals": RecordType.DEAL,
    "activities": RecordType.ACTIVITY,
    "notes": RecordType.NOTE,
    "tasks": RecordType.TASK,
}
_SNAPSHOTS: Final = text(read_sql("account_reviews.crm.sql", "snapshots.sql")).columns(
    column("id", Text), column("document", JSONB)
)


async def read_snapshots(
    connection: AsyncConnection,
    account_ids: Sequence[str],
    as_of: datetime,
    limits: SnapshotLimits,
    links: Links,
) -> dict[str, AccountSnapshot]:
    """All of each account, by id, in one statement; an account the CRM lacks is left out.

    So is one of several that holds what cannot be read: it takes no other with it, and is a
    ValidationError when it is read alone.
    """
    given = limits.model_dump(exclude={"lookback_days"})
    given |= {"ids": list(account_ids), "as_of": as_of, "closed_stages": _CLOSED}
    given |= {"since": as_of - timedelta(days=limits.lookback_days)}
    rows = await connection.execute(_SNAPSHOTS, given)
    found: dict[str, AccountSnapshot] = {}
    for row in rows:
        try:
            found[row.id] = _snapshot(row.document, as_of, links)
        except ValidationError:
            if len(account_ids) == 1:
                raise
    return found


def _snapshot(document: dict[str, Any], as_of: datetime, links: Links) -> AccountSnapshot:
    found = {name: value for name, value in document.items() if value is not None}
    for deal in found.get("deals", ()):
        _complete_stages(deal)
    held = found.setdefault("modules", [])
    found["totals"] = {kind: total for kind, total in found["totals"].items() if kind in held}
    _add_links(found, links)
    found["as_of"] = as_of
    try:
        return AccountSnapshot.model_validate(found)
    except ValidationError as error:
        _forget_times(found, error)
        return AccountSnapshot.model_validate(found)


def _forget_times(found: dict[str, Any], error: ValidationError) -> None:
    """Times such as `infinity`, which a database can hold and nobody can compute with, are unknown.

    What happened at such a time (`at`) is left out: it is no event that anybody knows of.
    """
    unusable = [tuple(one["loc"]) for one in error.errors() if one["type"].startswith("date")]
    for *path, name in sorted(unusable, key=str, reverse=True):
        holder: Any = found
        for part in path[:-1]:
            holder = holder[part]
        if name == "at":
            holder[path[-1]] = None
        else:
            holder[path[-1]][name] = None
    for events in (found.get("activities"), found.get("activity_marks")):
        if events:
            events[:] = [one for one in events if one is not None]
    for deal in found.get("deals", ()):
        deal["stage_history"] = [step for step in deal["stage_history"] if step is not None]


def _complete_stages(deal: dict[str, Any]) -> None:
    """The history says when the stage changed where the deal itself does not."""
    history = deal["stage_history"]
    if deal["stage_changed_at"] is None and history and history[-1]["stage"] == deal["stage"]:
        deal["stage_changed_at"] = history[-1]["at"]


def _add_links(found: dict[str, Any], links: Links) -> None:
    for name, kind in _RECORDS.items():
        held = found.get(name, ())
        for record in held if isinstance(held, list) else [held] if held else ():
            record["url"] = links.url(kind, record["id"])
