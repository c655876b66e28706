"""Cycles as lists and answers show them."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from account_reviews.domain.counting import counted
from account_reviews.presentation.tables import Cell, Column, word_cell

if TYPE_CHECKING:
    from account_reviews.presentation.quick_words import ListWords
    from account_reviews.store.cycle_queries import CycleRow

CYCLE_COLUMNS: Final = (
    Column("cycle", "Cycle"),
    Column("status", "Status"),
    Column("accounts", "Accounts", 2, right=True),
    Column("done", "Done", 3, right=True),
    Column("waiting", "Waiting", 3, right=True),
    Column("failed", "Failed", 4, right=True),
    Column("started_at", "Started", 5),
    Column("kind", "Kind", 6),
    Column("running", "Running", 7, right=True),
    Column("started_by", "By", 8, prose=True),
    Column("reason", "Reason", prose=True, wide=True),
    Column("joined", "Joined", wide=True, right=True),
    Column("cycle_id", "Id", wide=True),
    Column("run_id", "Run", wide=True),
)
_NAMED_BY_CHANCE: Final = re.compile(r"[0-9a-f]{32}$")
_SHORT: Final = 8


def short_cycle(cycle_id: str) -> str:
    """What a cycle is called where people read it, and what its commands take: "3ed6679b" of one
    that a person started, "berlin-weekly-2026-11-30T08:51:14Z" of a schedule's."""
    name = cycle_id.removeprefix("cycle/")
    found = _NAMED_BY_CHANCE.search(name)
    return name[: found.start() + _SHORT] if found else name


def cycle_row(row: "CycleRow", words: "ListWords") -> tuple[object, ...]:
    """The cells of one cycle, as CYCLE_COLUMNS has them."""
    return (
        short_cycle(row.cycle_id),
        word_cell(row.status),
        _number(row.accounts),
        _number(row.done),
        _number(row.waiting),
        _number(row.failed),
        Cell(words.moment(row.started_at), row.started_at, short=words.day(row.started_at)),
        word_cell(row.kind),
        _number(row.running),
        words.person(row.started_by),
        row.reason,
        _number(row.joined),
        row.cycle_id,
        row.run_id,
    )


def counts_in_words(document: Mapping[str, Any]) -> str:
    """ "10 accounts: 5 done, 5 waiting for a decision, 1 joined an open review"."""
    parts = [
        f"{document[name]:,} {said}"
        for name, said in (
            ("done", "done"), ("running", "running"), ("waiting", "waiting for a decision"),
            ("failed", "failed"), ("joined", "joined an open review"),
        )
        if document[name]
    ]  # fmt: skip
    accounts = document["accounts"]
    told = counted(accounts, "account")
    return f"{told}: {', '.join(parts)}" if parts else told


def _number(value: int) -> Cell:
    return Cell(f"{value:,}", value)
