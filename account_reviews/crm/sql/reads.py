"""Reading accounts out of the SQL CRM."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import quote

from sqlalchemy import ColumnElement, Select, Text, and_, column, exists, func, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.crm.protocol import AccountFilter
from account_reviews.crm.sql.tables import (
    accounts,
    activities,
    contacts,
    deals,
    notes,
    owners,
    tasks,
)
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import (
    AccountSnapshot,
    DealStage,
    Record,
    RecordType,
    SnapshotLimits,
)
from account_reviews.store.sql_files import read_sql

Row = Mapping[str, Any]
_R = TypeVar("_R", bound=Record)

_CLOSED: Final = [stage.value for stage in DealStage if stage.is_closed]
_RECORDS: Final = {
    "account": RecordType.ACCOUNT,
    "owner": RecordType.OWNER,
    "previous_owner": RecordType.OWNER,
    "contacts": RecordType.CONTACT,
    "deals": RecordType.DEAL,
    "activities": RecordType.ACTIVITY,
    "notes": RecordType.NOTE,
    "tasks": RecordType.TASK,
}
_SNAPSHOTS: Final = text(read_sql("account_reviews.crm.sql", "snapshots.sql")).columns(
    column("id", Text), column("document", JSONB)
)


class Links:
    """Links to records, from a template with {type} and {id}. BadInputError for another one."""

    def __init__(self, template: str | None) -> None:
        self._template = template
        try:
            self.url(RecordType.ACCOUNT, "1")
        except (LookupError, ValueError):
            raise BadInputError(
                f"the link template {template!r} cannot be used",
                hint="write it like https://crm.example.com/{type}/{id}",
            ) from None

    def url(self, record_type: RecordType, record_id: str) -> str | None:
        """The link of a record, None without a template."""
        if self._template is None:
            return None
        return self._template.format(type=record_type.value, id=quote(record_id, safe=""))


def build(model: type[_R], record_type: RecordType, row: Row, links: Links) -> _R:
    """A row as its model; the version becomes text."""
    values = {name: _whole(value) for name, value in row.items()}
    values |= {"version": str(row["version"]), "url": links.url(record_type, row["id"])}
    return model.model_validate(values)


def _whole(value: object) -> object:
    """The driver gives 90000 as 9E+4, which would be written so wherever it travels."""
    return Decimal(format(value, "f")) if isinstance(value, Decimal) else value


async def read_accounts(
    connection: AsyncConnection, where: AccountFilter, cursor: str | None, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` accounts after `cursor`, by id."""
    query = select(accounts).order_by(accounts.c.id).limit(limit)
    if cursor is not None:
        query = query.where(accounts.c.id > cursor)
    if where.account_ids is not None:
        query = query.where(accounts.c.id == func.any(list(where.account_ids)))
    if where.owner is not None:
        named = select(owners.c.id).where(owners.c.name == where.owner)
        query = query.where(or_(accounts.c.owner_id == where.owner, accounts.c.owner_id.in_(named)))
    if where.segment is not None:
        query = query.where(accounts.c.segment == where.segment)
    if where.statuses:
        wanted = accounts.c.status.in_([status.value for status in where.statuses])
        query = query.where(or_(wanted, accounts.c.status.is_(None)))
    if where.changed_since is not None:
        query = query.where(_changed(where.changed_since))
    return await _rows(connection, query)


def _changed(since: datetime) -> ColumnElement[bool]:
    """The account or a record of it changed, or nobody knows when it did."""
    undated = and_(accounts.c.modified_at.is_(None), accounts.c.last_activity_at.is_(None))
    own = or_(accounts.c.modified_at >= since, accounts.c.last_activity_at >= since, undated)
    moments = (
        activities.c.at, contacts.c.created_at, deals.c.modified_at, deals.c.created_at,
        deals.c.stage_changed_at, notes.c.created_at, tasks.c.created_at,
    )  # fmt: skip
    touched = (
        exists().where(moment.table.c.account_id == accounts.c.id, moment >= since)
        for moment in moments
    )
    return or_(own, *touched)


async def read_snapshots(
    connection: AsyncConnection,
    account_ids: Sequence[str],
    as_of: datetime,
    limits: SnapshotLimits,
    links: Links,
) -> dict[str, AccountSnapshot]:
    """All of each account, by id, in one statement; an account the CRM lacks is left out."""
    given = limits.model_dump(exclude={"lookback_days"})
    given |= {"ids": list(account_ids), "as_of": as_of, "closed_stages": _CLOSED}
    given |= {"since": as_of - timedelta(days=limits.lookback_days)}
    rows = await connection.execute(_SNAPSHOTS, given)
    return {row.id: _snapshot(row.document, as_of, links) for row in rows}


def _snapshot(document: dict[str, Any], as_of: datetime, links: Links) -> AccountSnapshot:
    found = {name: value for name, value in document.items() if value is not None}
    for deal in found.get("deals", ()):
        _complete_stages(deal)
    held = found.setdefault("modules", [])
    found["totals"] = {kind: total for kind, total in found["totals"].items() if kind in held}
    _add_links(found, links)
    return AccountSnapshot.model_validate({**found, "as_of": as_of})


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


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in (await connection.execute(query)).mappings()]
