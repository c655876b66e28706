"""What statements in files repeat of tables, rows and constants."""

import re

import pytest
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import JSONB

from account_reviews.domain.reports.owner_brief import UNASSIGNED
from account_reviews.store import cycle_results, cycles, tables
from account_reviews.store.sql_files import read_sql

STORE = "account_reviews.store"
OWNER = re.compile(r"coalesce\(nullif\((?:a\.)?owner_id, ''\), '([^']*)'\)")


def statement(name: str) -> str:
    """In one line, without comments."""
    return " ".join(re.sub(r"--[^\n]*", "", read_sql(STORE, name)).split())


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def upsert(text: str, table: Table) -> dict[str, str]:
    """The parts of an `insert ... on conflict ... do update` of this table."""
    found = re.search(
        rf"insert into {re.escape(table.fullname)} as known \((?P<columns>[^)]*)\) "
        r"(?P<values>(values|select) .*?) on conflict .*?do update set (?P<updates>.*?) where ",
        text,
    )
    assert found is not None
    return found.groupdict()


def bound(table: Table, columns: list[str]) -> list[str]:
    return [
        f"cast(:{name} as jsonb)" if isinstance(table.columns[name].type, JSONB) else f":{name}"
        for name in columns
    ]


SAVED = tuple(one for one in tables.review_runs.columns.keys() if one != "erased_at")  # noqa: SIM118
"""A person is taken out of a row by another statement; a save leaves that as it is."""


@pytest.mark.parametrize(
    ("file", "table", "columns", "kept"),
    [
        ("save_review.sql", tables.review_runs, SAVED, {"run_id"}),
        ("save_cycle.sql", tables.cycles, cycles._COLUMNS, {"run_id", "started_at"}),
    ],
)
def test_a_row_is_saved_with_all_its_columns(
    file: str, table: Table, columns: tuple[str, ...] | None, kept: set[str]
) -> None:
    parts = upsert(statement(file), table)
    expected = list(columns or table.columns.keys())
    assert names(parts["columns"]) == expected
    assert parts["values"] == f"values ( {', '.join(bound(table, expected))} )"
    moved = [f"{name} = excluded.{name}" for name in expected if name not in kept]
    assert names(parts["updates"]) == moved


@pytest.mark.parametrize(
    "table", [tables.approval_requests, tables.outcomes, tables.baselines], ids=lambda one: one.name
)
def test_rows_of_a_review_are_saved_with_all_their_columns(table: Table) -> None:
    parts = re.search(
        rf"insert into {re.escape(table.fullname)} as known \(([^)]*)\) select (.*?) "
        rf"from jsonb_populate_recordset\(null::{re.escape(table.fullname)},",
        statement("save_review.sql"),
    )
    assert parts is not None
    given = parts[2].replace("(select worth.value from worth)", "value")  # of the account
    assert names(parts[1]) == names(given) == list(table.columns.keys())


def test_a_document_is_stored_the_same_way_with_a_review() -> None:
    alone, with_review = statement("put_document.sql"), statement("save_review.sql")
    parts = re.fullmatch(r"with young as \( (.*?) \) (insert into .*)", alone)
    assert parts is not None
    assert f"young as ( {parts[1]} ), document as ( {parts[2]} )" in with_review


@pytest.mark.parametrize(
    ("file", "times"),
    [("reviewed_accounts.sql", 2), ("waiting_requests.sql", 1), ("decided_items.sql", 2)],
)
def test_an_account_without_owner_is_called_the_same_everywhere(file: str, times: int) -> None:
    assert OWNER.findall(read_sql(STORE, file)) == [UNASSIGNED] * times
    assert OWNER.findall(cycle_results._OWNERS.text) == [UNASSIGNED]
