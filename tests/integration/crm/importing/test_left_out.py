"""What an import leaves out is counted and named, and nothing else is missing."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.importing.importer import (
    ImportRefusedError,
    ImportReport,
    OnError,
    import_directory,
)
from account_reviews.crm.importing.mapping import parse_mapping
from account_reviews.crm.sql import tables
from tests.support.crm_loading import clear

ACCOUNTS = {"file": "accounts.csv", "module": "accounts", "fields": {"id": "Id", "name": "Name"}}
NOTES = {
    "file": "notes.csv",
    "module": "notes",
    "fields": {"id": "Id", "account_id": "Account", "title": "Title", "content": "Content"},
}
OWNERS = {"file": "owners.csv", "module": "owners", "fields": {"id": "Id", "name": "Name"}}
OWNED: dict[str, Any] = {
    "file": "accounts.csv",
    "module": "accounts",
    "fields": {"id": "Id", "name": "Name", "owner_id": "Owner"},
}


@pytest.fixture(autouse=True)
async def empty_crm(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await clear(connection)


async def run(
    engine: AsyncEngine,
    directory: Path,
    *files: dict[str, Any],
    on_error: OnError = "skip",
    **contents: str | bytes,
) -> ImportReport:
    for name, content in contents.items():
        data = content.encode() if isinstance(content, str) else content
        (directory / f"{name}.csv").write_bytes(data)
    mapping = parse_mapping({"files": list(files)}, "m.yaml")
    report = await import_directory(engine, directory, mapping, on_error=on_error)
    for file in report.files:
        assert file.rows == file.inserted + file.updated + file.unchanged + file.skipped
    return report


async def stored(engine: AsyncEngine, table: Any, *names: str) -> list[tuple[Any, ...]]:
    query = select(*(table.c[name] for name in names)).order_by(table.c.id)
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(query)]


HEADER = "Id,Account,Title,Content\n"
PROTOCOL = "Line of a long protocol with words.\n" * 3700
ROWS = "Attendees:\nx1,a,Ann,said yes\nx2,a,Bob,said no\nend"


async def test_a_long_note_is_one_note(engine: AsyncEngine, tmp_path: Path) -> None:
    notes = f'{HEADER}n1,a,Protocol,"{PROTOCOL}{ROWS}"\nn2,a,Real,keep me\n'
    accounts = "Id,Name\na,Long Note GmbH\n"
    report = await run(engine, tmp_path, ACCOUNTS, NOTES, accounts=accounts, notes=notes)
    assert report.problem_count == 0
    found = await stored(engine, tables.notes, "id", "content")
    assert found == [("n1", PROTOCOL + ROWS), ("n2", "keep me")]


@pytest.mark.parametrize("inside", ["x" * 1_048_576, "\x00", "\udce9"])
async def test_a_note_that_cannot_be_taken_takes_no_other_with_it(
    engine: AsyncEngine, tmp_path: Path, inside: str
) -> None:
    rows = "".join(f"n{n},a,Title,good\n" for n in range(2, 5))
    notes = f'{HEADER}n1,a,One,"first line\nsecond {inside} line\n{ROWS}"\n{rows}'
    report = await run(
        engine, tmp_path, ACCOUNTS, NOTES,
        accounts="Id,Name\na,Nul GmbH\n", notes=notes.encode(errors="surrogateescape"),
    )  # fmt: skip
    assert (report.files[1].rows, report.files[1].inserted, report.files[1].skipped) == (4, 3, 1)
    (problem,) = report.problems
    assert (problem.file, problem.line) == ("notes.csv", 2)
    assert problem.message.endswith("(lines 2 to 7)")
    assert [row for (row,) in await stored(engine, tables.notes, "id")] == ["n2", "n3", "n4"]


async def test_a_bad_value_is_reported_in_its_own_line(engine: AsyncEngine, tmp_path: Path) -> None:
    with_status = {**ACCOUNTS, "fields": {"id": "Id", "name": "Name", "status": "Status"}}
    accounts = "Id,Name,Status\nl1,Al\x00pha,Active\nl2,Beta,wrong\n"
    report = await run(engine, tmp_path, with_status, accounts=accounts)
    assert [problem.line for problem in report.problems] == [2, 3]


async def test_a_repeated_id_is_found_in_its_file(engine: AsyncEngine, tmp_path: Path) -> None:
    south = {**ACCOUNTS, "file": "south.csv"}
    report = await run(
        engine, tmp_path, ACCOUNTS, south,
        accounts="Id,Name\na0,Zero\na1,Alpha\na1,Again\n", south="Id,Name\na1,Alpha South\n",
    )  # fmt: skip
    assert [(problem.file, problem.line, problem.message) for problem in report.problems] == [
        ("accounts.csv", 4, "id stands in line 3 already"),
        ("south.csv", 2, "id stands in line 3 of accounts.csv already"),
    ]


async def test_two_spellings_of_a_letter_name_one_record(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    report = await run(
        engine, tmp_path, OWNERS, OWNED, on_error="stop",
        owners="Id,Name\nZo\u00eb,Zo\u00eb\n", accounts="Id,Name,Owner\na1,Alpha,Zoe\u0308\n",
    )  # fmt: skip
    assert report.problem_count == 0
    assert await stored(engine, tables.accounts, "id", "owner_id") == [("a1", "Zo\u00eb")]


UNKNOWN = "owner_id points at one of owners that does not exist; it is unknown now"
SOME = {
    "owners": "Id,Name\nin,Ida In\n",
    "accounts": "Id,Name,Owner\na1,Alpha,in\na2,Beta,gone\n",
}


@pytest.mark.parametrize(
    ("key", "on_error"), [({}, "skip"), ({"unknown_owners": "true"}, "stop")], ids=["skip", "key"]
)
async def test_a_record_stays_when_its_owner_is_not_there(
    engine: AsyncEngine, tmp_path: Path, key: dict[str, str], on_error: OnError
) -> None:
    report = await run(engine, tmp_path, OWNERS, {**OWNED, **key}, on_error=on_error, **SOME)
    (problem,) = report.problems
    assert (problem.line, problem.column, problem.value, problem.message) == (
        3, "owner_id", "gone", UNKNOWN,
    )  # fmt: skip
    assert report.problem_count == 1
    assert report.files[1].inserted == 2
    assert await stored(engine, tables.accounts, "id", "owner_id") == [("a1", "in"), ("a2", None)]
    again = await run(engine, tmp_path, OWNERS, {**OWNED, **key}, on_error=on_error)
    assert (again.files[1].unchanged, again.problem_count) == (2, 1)
    known = {"owners": "Id,Name\nin,Ida In\ngone,Greta\n"}
    later = await run(engine, tmp_path, OWNERS, {**OWNED, **key}, on_error=on_error, **known)
    assert (later.files[1].updated, later.problem_count) == (1, 0)
    assert await stored(engine, tables.accounts, "id", "owner_id") == [("a1", "in"), ("a2", "gone")]


async def test_an_owner_that_is_not_there_stops_an_import_unless_it_may(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    with pytest.raises(ImportRefusedError, match=r"accounts\.csv line 3: owner_id points at"):
        await run(engine, tmp_path, OWNERS, OWNED, on_error="stop", **SOME)
    assert await stored(engine, tables.accounts, "id") == []
