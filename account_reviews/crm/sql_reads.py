"""Reading one account out of the SQL CRM: seven statements, each on an index."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Select, Table, and_, case, func, literal, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.crm.protocol import AccountFilter
from account_reviews.crm.tables import (
    TABLES,
    account_owner_changes,
    accounts,
    activities,
    deal_stage_changes,
    deals,
    modules,
    owners,
    tasks,
)
from account_reviews.domain.errors import AccountNotFoundError, BadInputError
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    Activity,
    ActivityMark,
    Contact,
    Deal,
    DealStage,
    Note,
    Owner,
    Record,
    RecordType,
    SnapshotLimits,
    Task,
)

Row = Mapping[str, Any]
_R = TypeVar("_R", bound=Record)

_MARKS: Final = TypeAdapter(tuple[ActivityMark, ...])
_CLOSED: Final = tuple(stage for stage in DealStage if stage.is_closed)
_CHILDREN: Final = (
    RecordType.CONTACT,
    RecordType.DEAL,
    RecordType.ACTIVITY,
    RecordType.NOTE,
    RecordType.TASK,
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


def known_by(table: Table, as_of: datetime) -> ColumnElement[bool]:
    """Of the rows of an account, those that were there at `as_of`.

    Tasks are exempt: one that an earlier review made must be seen whatever moment is looked at.
    """
    if table is tasks:
        return literal(value=True)
    there = or_(table.c.created_at.is_(None), table.c.created_at <= as_of)
    return and_(there, table.c.at <= as_of) if table is activities else there


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
    return await _rows(connection, query)


async def read_snapshot(
    connection: AsyncConnection,
    account_id: str,
    as_of: datetime,
    limits: SnapshotLimits,
    links: Links,
) -> AccountSnapshot:
    """All of one account. The transaction of `connection` decides how consistent it is."""
    since = as_of - timedelta(days=limits.lookback_days)
    head = await _one(connection, _head(account_id, as_of, since))
    if head is None:
        raise AccountNotFoundError(f"the CRM has no account {account_id!r}")
    held = frozenset(RecordType(name) for name in head["held"] or ())
    people = await _people(connection, (head["owner_id"], head["previous_owner_id"]), links)
    reader = _Children(connection, account_id, as_of, links)
    return AccountSnapshot(
        account=build(Account, RecordType.ACCOUNT, head, links),
        owner=people.get(head["owner_id"]),
        previous_owner=people.get(head["previous_owner_id"]),
        contacts=await reader.newest(Contact, RecordType.CONTACT, limits.contacts),
        deals=await reader.deals(limits.deals),
        activities=await reader.newest(Activity, RecordType.ACTIVITY, limits.activities),
        activity_marks=await reader.marks(since),
        notes=await reader.newest(Note, RecordType.NOTE, limits.notes),
        tasks=await reader.newest(Task, RecordType.TASK, limits.tasks),
        modules=held,
        totals={kind: head[f"total_{kind}"] for kind in _CHILDREN if kind in held},
        fetched_at=head["fetched_at"],
        as_of=as_of,
    )


class _Children:
    """Reads what hangs on one account."""

    def __init__(
        self, connection: AsyncConnection, account_id: str, as_of: datetime, links: Links
    ) -> None:
        self._connection = connection
        self._account_id = account_id
        self._as_of = as_of
        self._links = links

    async def newest(self, model: type[_R], kind: RecordType, limit: int) -> tuple[_R, ...]:
        """The newest records of a module."""
        rows = await _rows(
            self._connection, _newest(TABLES[kind], self._account_id, self._as_of, limit)
        )
        return tuple(build(model, kind, row, self._links) for row in rows)

    async def deals(self, limit: int) -> tuple[Deal, ...]:
        """Open deals, then closed ones, each with its stages."""
        rows = await _rows(self._connection, _deals(self._account_id, self._as_of, limit))
        for row in rows:
            _complete_stages(row)
        return tuple(build(Deal, RecordType.DEAL, row, self._links) for row in rows)

    async def marks(self, since: datetime) -> tuple[ActivityMark, ...]:
        """Every activity of the look-back."""
        query = _marks(self._account_id, self._as_of, since)
        return _MARKS.validate_python(await _rows(self._connection, query))


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def _one(connection: AsyncConnection, query: Select[Any]) -> dict[str, Any] | None:
    return next(iter(await _rows(connection, query)), None)


def _complete_stages(deal: dict[str, Any]) -> None:
    """The history says when the stage changed where the deal itself does not."""
    history = deal["stage_history"] = deal["stage_history"] or []
    if deal["stage_changed_at"] is None and history and history[-1]["stage"] == deal["stage"]:
        deal["stage_changed_at"] = history[-1]["at"]


def _head(account_id: str, as_of: datetime, since: datetime) -> Select[Any]:
    """The account, what the CRM holds, how much of it, and who owned the account before."""
    history = account_owner_changes
    kept = case((accounts.c.last_activity_at <= as_of, accounts.c.last_activity_at))
    previous = (
        select(history.c.previous_owner_id)
        .where(
            history.c.account_id == accounts.c.id,
            history.c.owner_id == accounts.c.owner_id,
            history.c.at >= since,
        )
        .order_by(history.c.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    held = select(func.array_agg(modules.c.name)).scalar_subquery()
    columns = [column for column in accounts.c if column.name != "last_activity_at"]
    return select(
        *columns,
        kept.label("last_activity_at"),
        previous.label("previous_owner_id"),
        held.label("held"),
        func.now().label("fetched_at"),
        *(_total(kind, account_id, as_of) for kind in _CHILDREN),
    ).where(accounts.c.id == account_id)


def _total(kind: RecordType, account_id: str, as_of: datetime) -> ColumnElement[int]:
    table = TABLES[kind]
    query = select(func.count()).select_from(table)
    query = query.where(table.c.account_id == account_id, known_by(table, as_of))
    return query.scalar_subquery().label(f"total_{kind}")


async def _people(
    connection: AsyncConnection, ids: tuple[str | None, ...], links: Links
) -> dict[str | None, Owner]:
    wanted = [name for name in ids if name is not None]
    if not wanted:
        return {}
    query = select(owners).where(owners.c.id == func.any(wanted))
    rows = await _rows(connection, query)
    return {row["id"]: build(Owner, RecordType.OWNER, row, links) for row in rows}


def _newest(table: Table, account_id: str, as_of: datetime, limit: int) -> Select[Any]:
    when = table.c.at if table is activities else table.c.created_at
    return (
        select(table)
        .where(table.c.account_id == account_id, known_by(table, as_of))
        .order_by(when.desc().nulls_last() if table is not activities else when.desc(), table.c.id)
        .limit(limit)
    )


def _deals(account_id: str, as_of: datetime, limit: int) -> Select[Any]:
    steps = deal_stage_changes
    step = func.jsonb_build_object("stage", steps.c.stage, "at", steps.c.at)
    history = (
        select(func.jsonb_agg(aggregate_order_by(step, steps.c.at)))
        .where(steps.c.deal_id == deals.c.id)
        .correlate(deals)
    )
    return (
        select(deals, history.scalar_subquery().label("stage_history"))
        .where(deals.c.account_id == account_id, known_by(deals, as_of))
        .order_by(deals.c.stage.in_(_CLOSED), deals.c.created_at.desc().nulls_last(), deals.c.id)
        .limit(limit)
    )


def _marks(account_id: str, as_of: datetime, since: datetime) -> Select[Any]:
    mine = activities.c
    return (
        select(mine.id, mine.type, mine.at)
        .where(mine.account_id == account_id, known_by(activities, as_of), mine.at >= since)
        .order_by(mine.at.desc(), mine.id)
    )
