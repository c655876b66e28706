"""What waits for whom, as the inbox shows it. UnreachableError when the database is down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from account_reviews.domain.base import Scalar
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import RecordRef
from account_reviews.store.cursors import make_place, read_place
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements

_PAGE: Final = read_sql("account_reviews.store", "inbox.sql")
_COUNTS: Final = read_sql("account_reviews.store", "inbox_counts.sql")
_VALUE: Final = (
    "select body#>>'{account,annual_revenue}' as value from reviews.documents where hash = :hash"
)
_PLACE: Final = ("ahead", "due", "safety", "smallness")
"""What rows are in order by, before their id."""


class InboxOrder(StrEnum):
    """What comes first. Else the soonest deadline does, and of one minute the highest risk, then
    the largest value."""

    DUE = "due"
    RISK = "risk"
    VALUE = "value"
    WAITING = "waiting"


class InboxItem(NamedTuple):
    """One change that waits, as far as a list tells it."""

    item_id: str
    hash: str
    title: str
    action: Action
    record: RecordRef
    before: Mapping[str, Scalar]
    after: Mapping[str, Scalar]
    due_in_seconds: int | None


class InboxRow(NamedTuple):
    """One request that waits. Times are in UTC; `value` is the yearly revenue of the account."""

    request_id: str
    run_id: str
    account_id: str
    owner_id: str | None
    deadline: datetime
    requested_at: datetime
    risk_level: str | None
    risk_score: int | None
    short_id: str | None
    account_name: str | None
    owner_name: str | None
    value: Decimal | None
    items: tuple[InboxItem, ...]


class InboxPage(NamedTuple):
    """Requests, and where the next page begins; None on the last."""

    items: tuple[InboxRow, ...]
    next_cursor: str | None


class Count(NamedTuple):
    """How many requests of an owner and a risk wait. `owner_id` is empty for nobody."""

    owner_id: str
    risk_level: str
    waiting: int
    overdue: int
    mine: int
    groups: int


@dataclass(frozen=True, kw_only=True)
class InboxFilter:
    """Which requests are listed, and what comes first. None does not narrow."""

    names: tuple[str, ...] | None = None
    """For whom they wait, in small letters; one is enough."""
    owner: str | None = None
    """An owner's id; empty for accounts of nobody."""
    risk: str | None = None
    action: str | None = None
    order: InboxOrder = InboxOrder.DUE


class InboxReader:
    """Queries for the inbox."""

    def __init__(self, statements: Statements, tenant: str) -> None:
        self._statements = statements
        self._tenant = tenant

    async def page(self, wanted: InboxFilter, *, cursor: str | None, limit: int) -> InboxPage:
        """A page, in its order. BadInputError for a cursor of another list or order."""
        rows = await self._statements.rows(
            _PAGE,
            tenant=self._tenant,
            names=None if wanted.names is None else list(wanted.names),
            owner=wanted.owner,
            risk=wanted.risk,
            action=wanted.action,
            order=wanted.order,
            limit=limit + 1,
            **_after(cursor, wanted.order),
        )
        last = rows[limit - 1] if len(rows) > limit else None
        return InboxPage(
            tuple(_row(row) for row in rows[:limit]),
            _cursor(last, wanted.order) if last else None,
        )

    async def counts(
        self, *, mine: Sequence[str], groups: Sequence[str], now: datetime
    ) -> list[Count]:
        """How many wait. `mine` and `groups` are names in small letters."""
        rows = await self._statements.rows(
            _COUNTS, tenant=self._tenant, mine=list(mine), groups=list(groups), now=now
        )
        return [Count(**row) for row in rows]

    async def account_value(self, snapshot_hash: str | None) -> str | None:
        """The yearly revenue of the account in a stored snapshot."""
        found = await self._statements.scalar(_VALUE, hash=snapshot_hash)
        return None if found is None else str(found)


def _cursor(row: Row, order: InboxOrder) -> str:
    return make_place(order, [row[name] for name in _PLACE], row["request_id"])


def _after(cursor: str | None, order: InboxOrder) -> dict[str, Any]:
    if cursor is None:
        return dict.fromkeys(("after_id", *(f"after_{name}" for name in _PLACE)))
    numbers, key = read_place(cursor, order, len(_PLACE))
    named = zip(_PLACE, numbers, strict=True)
    return {"after_id": key, **{f"after_{name}": number for name, number in named}}


def _row(row: Row) -> InboxRow:
    items = [_item(one) for one in json.loads(row["items"] or "[]") if _is_open(one)]
    told = {name: value for name, value in row.items() if name not in _PLACE}
    return InboxRow(**{**told, "items": tuple(items)})


def _is_open(item: Mapping[str, Any]) -> bool:
    return bool(item.get("state", "proposed") == "proposed")


def _item(item: Mapping[str, Any]) -> InboxItem:
    change = item["change"]
    return InboxItem(
        item_id=item["item_id"],
        hash=change["hash"],
        title=change["title"],
        action=Action(change["action"]),
        record=RecordRef.model_validate(change["record"]),
        before=change.get("before") or {},
        after=change["after"],
        due_in_seconds=change.get("due_in_seconds"),
    )
