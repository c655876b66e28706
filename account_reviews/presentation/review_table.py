"""The columns and the documents of `reviews list`."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from account_reviews.presentation.tables import Cell, Column, account_cell, word_cell
from account_reviews.presentation.terms import ANYBODY, outcome_of, status_of
from account_reviews.presentation.tones import tone_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_reviews.presentation.quick_words import ListWords
    from account_reviews.store.review_queries import RunRow

RUN_COLUMNS: Final = (
    Column("account_id", "Account", prose=True),
    Column("status", "Status"),
    Column("risk_level", "Risk", 2),
    Column("waiting_on", "Waits for", 3, prose=True),
    Column("due_at", "Due", 4),
    Column("owner_id", "Owner", 5, prose=True),
    Column("outcome", "Outcome", 6),
    Column("needs_attention", "Attention", 7),
    Column("started_at", "Started", 8),
    Column("kind", "Kind", 9),
    Column("phase", "Phase", 10),
    Column("name", "Name", prose=True, wide=True),
    Column("agent", "Agent", prose=True, wide=True),
    Column("purpose", "Purpose", prose=True, wide=True),
    Column("review_id", "Review", wide=True),
    Column("run_id", "Run", wide=True),
    Column("updated_at", "Updated", wide=True),
)
_RISKS: Final = ("critical", "high", "medium", "low", "none")
"""In the order in which people want to hear of them."""


def run_document(row: "RunRow") -> dict[str, Any]:
    """A line of `list` for programs."""
    told = {name: value for name, value in row._asdict().items() if name != "plan_only"}
    return {"workflow_id": row.review_id, **told}


def run_row(row: "RunRow", words: "ListWords") -> tuple[object, ...]:
    """The cells of one review, as RUN_COLUMNS has them."""
    return (
        account_cell(row.account_name, row.account_id),
        Cell(status_of(row.status, plan_only=row.plan_only), None, tone_of(row.status)),
        Cell(row.risk_level, _risk(row.risk_level), tone_of(row.risk_level)),
        whom_cell(row.waiting_on, words, waits=row.due_at is not None),
        due_cell(row.due_at, words),
        words.person(row.owner_id) if row.owner_id else None,
        Cell(outcome_of(row.outcome, plan_only=row.plan_only), None, tone_of(row.outcome)),
        Cell("yes", 0, tone_of("yes")) if row.needs_attention else Cell(None, 1),
        time_cell(row.started_at, words),
        word_cell(row.kind),
        word_cell(row.phase),
        row.name,
        row.agent,
        row.purpose,
        row.review_id,
        row.run_id,
        time_cell(row.updated_at, words),
    )


def unknown_people(rows: "Sequence[RunRow]") -> list[str]:
    """Whose decisions are waited for and whose names these rows do not hold."""
    known = {row.owner_id for row in rows if row.owner_name}
    return sorted({who for row in rows for who in row.waiting_on} - known)


def people_of(rows: "Sequence[RunRow]") -> dict[str, str]:
    """Id -> name of the owners."""
    return {row.owner_id: row.owner_name for row in rows if row.owner_id and row.owner_name}


def whom_cell(names: "Sequence[str]", words: "ListWords", *, waits: bool) -> str | None:
    """Whose decision is asked for; where it `waits` and nobody is named, anybody's will do."""
    return ", ".join(map(words.person, names)) or (ANYBODY if waits else None)


def due_cell(at: datetime | None, words: "ListWords") -> Cell:
    """ "Fri 2 Oct, in 3 days", the day alone where there is less room."""
    return Cell(None) if at is None else Cell(words.due(at), at, short=words.day(at))


def time_cell(at: datetime | None, words: "ListWords") -> Cell:
    """ "Fri 2 Oct, 14:05", ordered by the time itself."""
    return Cell(None) if at is None else Cell(words.moment(at), at, short=words.day(at))


def _risk(level: str | None) -> int | None:
    return _RISKS.index(level) if level in _RISKS else None
