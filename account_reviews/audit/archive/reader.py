"""Reading the trail: pages, newest first, and following it without missing a late row.

Rows of transactions that are still open are not seen yet. `follow` therefore goes by the order
(transaction, number) below the oldest open transaction: a row that commits late comes late, and
none is skipped.
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from account_reviews.audit.seals.leaves import SELECT, Position, document_of, position_of, row_of
from account_reviews.domain.audit.events import EventType, Severity, Source
from account_reviews.domain.errors import BadInputError
from account_reviews.store.cursors import make_cursor, read_cursor
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements
from account_reviews.temporal.names import PREVIEW_PREFIX

DEFAULT_LIMIT: Final = 50
MOST_LIMIT: Final = 1000
BATCH_ROWS: Final = 2000
"""Rows of one statement when many are read."""

_FINAL: Final = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_RUNS: Final = read_sql("account_reviews.audit.archive", "runs_of_review.sql")
_ORDER: Final = tuple(Severity)

Row = dict[str, Any]
"""Every column of `audit.audit_events`, times as RFC 3339."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which rows; None and empty mean all."""

    tenant: str | None
    review_id: str | None = None
    run_ids: tuple[str, ...] = ()
    account_id: str | None = None
    actor: str | None = None
    called: tuple[str, ...] = ()
    """What else whoever did it is called; rows have one or another."""
    types: tuple[EventType, ...] = ()
    severity: Severity | None = None
    """This one and worse."""
    source: Source | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""
    text: str | None = None
    """Somewhere in action, resource or details; ASCII letters in any case."""
    previews: bool = True
    """Also the schedules that are made to look ahead, and gone again."""

    def document(self) -> dict[str, Any]:
        """Those that are set, without tenant and times, as JSON."""
        given: dict[str, Any] = {
            "review_id": self.review_id,
            "run_ids": list(self.run_ids),
            "account_id": self.account_id,
            "actor": self.actor,
            "called": list(self.called),
            "types": [kind.value for kind in self.types],
            "severity": self.severity and self.severity.value,
            "source": self.source and self.source.value,
            "text": self.text,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and where the next page begins; None on the last."""

    items: list[Row]
    next_cursor: str | None


class AuditReader:
    """Queries on the trail. UnreachableError when its database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def page(
        self,
        wanted: Filters,
        *,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        below: int | None = None,
    ) -> Page:
        """Newest first. `below`: only rows of transactions with smaller numbers.

        BadInputError for a limit beyond 1 to 1,000 and for a cursor that is none.
        """
        if not 1 <= limit <= MOST_LIMIT:
            raise BadInputError(f"the limit is {limit}, but must be from 1 to {MOST_LIMIT}")
        clauses, values = conditions(wanted)
        if cursor is not None:
            at, seq = read_cursor(cursor)
            if not seq.isdecimal() or len(seq) > 18:
                raise BadInputError(f"{cursor!r} is not a cursor of this list")
            clauses.append("(at, seq) < (:cursor_at, :cursor_seq)")
            values |= {"cursor_at": at, "cursor_seq": int(seq)}
        if below is not None:
            clauses.append("xid < :below")
            values["below"] = below
        values["limit"] = limit + 1
        rows = await self._newest(clauses, values)
        more = len(rows) > limit
        last = rows[limit - 1] if more else None
        return Page(
            items=[document_of(row) for row in rows[:limit]],
            next_cursor=make_cursor(last["at"], str(last["seq"])) if last else None,
        )

    async def final_below(self) -> int:
        """Transactions with smaller numbers have ended: no row of theirs can come any more."""
        return int(await self._statements.scalar(_FINAL) or 0)

    async def following(
        self, wanted: Filters, after: Position, *, limit: int = BATCH_ROWS
    ) -> tuple[list[Row], Position]:
        """Rows behind a position, in the order of positions, and where to go on."""
        below = await self.final_below()
        rows = await self._between(wanted, after, Position(below, 0), limit)
        if len(rows) == limit:
            return rows, position_of(rows[-1])
        return rows, max(after, Position(below, 0))

    async def stretch(
        self, wanted: Filters, after: Position, until: Position
    ) -> AsyncIterator[list[Row]]:
        """All rows behind `after` up to `until`, both positions, in batches in their order."""
        while True:
            rows = await self._between(wanted, after, until, BATCH_ROWS)
            if rows:
                yield rows
                after = position_of(rows[-1])
            if len(rows) < BATCH_ROWS:
                return

    async def _between(
        self, wanted: Filters, after: Position, until: Position, limit: int
    ) -> list[Row]:
        clauses, values = conditions(wanted)
        clauses.append("(xid, seq) > (:after_xid, :after_seq)")
        clauses.append("(xid, seq) <= (:until_xid, :until_seq)")
        values |= {
            "after_xid": after.xid,
            "after_seq": after.seq,
            "until_xid": until.xid,
            "until_seq": until.seq,
            "limit": limit,
        }
        query = _query(clauses, "xid, seq")
        return [document_of(row) for row in await self._rows(query, values)]

    async def exists(self, wanted: Filters) -> bool:
        """True when there is any such row."""
        return bool((await self.page(replace(wanted), limit=1)).items)

    async def runs_of(self, tenant: str, review_id: str) -> list[tuple[str, str, datetime]]:
        """(first run id, run id, start) of every run of a review id, oldest first."""
        rows = await self._statements.rows(_RUNS, tenant=tenant, review_id=review_id)
        return [(row["first"], row["run_id"], row["at"]) for row in rows]

    async def _newest(self, clauses: Sequence[str], values: dict[str, Any]) -> list[Row]:
        """Newest first. What many rows hold is found among the newest, without reading all."""
        order = "at desc, seq desc"
        if "text" in values:
            others = " and ".join(clause for clause in clauses if clause != _TEXT)
            among = f"(select * from audit.audit_events where {others} order by {order} limit "  # noqa: S608  bound
            query = _query([_TEXT], order, f"{among}{_NEWEST_FIRST}) newest")
            rows = await self._rows(query, values)
            if len(rows) == values["limit"]:
                return rows
        return await self._rows(_query(clauses, order), values)

    async def _rows(self, query: str, values: dict[str, Any]) -> list[Row]:
        return [row_of(row) for row in await self._statements.rows(query, **values)]


def conditions(wanted: Filters) -> tuple[list[str], dict[str, Any]]:
    """The clauses of a query and the values they name."""
    clauses: list[str] = ["true"]
    values: dict[str, Any] = {}
    plain: dict[str, Any] = {
        "tenant": wanted.tenant,
        "review_id": wanted.review_id,
        "account_id": wanted.account_id,
        "actor": None if wanted.called else wanted.actor,
        "source": wanted.source and wanted.source.value,
    }
    for column, word in plain.items():
        if word is not None:
            clauses.append(f"{column} = :{column}")
            values[column] = word
    more: tuple[tuple[str, Any, str], ...] = (
        ("since", wanted.since, "at >= :since"),
        ("until", wanted.until, "at < :until"),
        (
            "actors",
            [wanted.actor, *wanted.called] if wanted.called else None,
            "actor = any(:actors)",
        ),
        ("run_ids", list(wanted.run_ids) or None, "run_id = any(:run_ids)"),
        ("types", [kind.value for kind in wanted.types] or None, "event_type = any(:types)"),
        ("severities", _at_least(wanted.severity), "severity = any(:severities)"),
        ("text", wanted.text and _pattern(wanted.text), _TEXT),
    )
    for name, given, clause in more:
        if given is not None:
            clauses.append(clause)
            values[name] = given
    if not wanted.previews:
        clauses.append("not starts_with(resource, :preview)")
        values["preview"] = f"schedule/{PREVIEW_PREFIX}"
    return clauses, values


_TEXT: Final = "concat_ws(E'\\n', action, resource, details::text) collate \"C\" ilike :text"
"""No index: one would cost every row that is written more than the few searches are worth."""
_NEWEST_FIRST: Final = 20_000
"""Rows that a search for a text looks through before it looks through all."""


def _pattern(words: str) -> str:
    """The words as they are: `%` and `_` mean nothing. Quotes as details spell them."""
    spelled = json.dumps(words, ensure_ascii=False)[1:-1]
    for sign in ("\\", "%", "_"):
        spelled = spelled.replace(sign, f"\\{sign}")
    return f"%{spelled}%"


def _at_least(severity: Severity | None) -> list[str] | None:
    if severity is None or severity is Severity.INFO:
        return None
    return [one.value for one in _ORDER[_ORDER.index(severity) :]]


def _query(clauses: Sequence[str], order: str, source: str = "audit.audit_events") -> str:
    return (
        f"{SELECT} from {source} where {' and '.join(clauses)} "  # values are bound
        f"order by {order} limit :limit"
    )
