"""The columns of `reviews list`."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from account_reviews.presentation.tables import Cell, Column
from account_reviews.presentation.tones import tone_of

if TYPE_CHECKING:
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
_RISKS: Final = ("none", "low", "medium", "high", "critical")


def run_row(row: "RunRow") -> tuple[object, ...]:
    """The cells of one review, as RUN_COLUMNS has them."""
    return (
        row.account_id,
        word_cell(row.status),
        Cell(row.risk_level, _risk(row.risk_level), tone_of(row.risk_level)),
        ", ".join(row.waiting_on) or None,
        _time(row.due_at),
        row.owner_id,
        word_cell(row.outcome),
        Cell("yes", 0, tone_of("yes")) if row.needs_attention else Cell(None, 1),
        _time(row.started_at),
        word_cell(row.kind),
        word_cell(row.phase),
        row.name,
        row.agent,
        row.purpose,
        row.review_id,
        row.run_id,
        _time(row.updated_at),
    )


def word_cell(word: str | None) -> Cell:
    """A status, kind or outcome as people write it."""
    return Cell(None if word is None else word.replace("_", " "), None, tone_of(word))


def _risk(level: str | None) -> int | None:
    return _RISKS.index(level) if level in _RISKS else None


def _time(at: datetime | None) -> Cell:
    return Cell(None if at is None else f"{at:%Y-%m-%d %H:%M}", at)
