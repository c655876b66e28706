"""Importing CSV files into a real database."""

import asyncio
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.importing.importer import (
    ImportRefusedError,
    ImportReport,
    OnError,
    import_directory,
)
from account_reviews.crm.importing.mapping import Mapping, load_mapping, parse_mapping
from account_reviews.crm.sql import tables
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.errors import BadInputError, CrmUnavailableError
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import RecordRef, RecordType, SnapshotLimits
from account_reviews.store.database import create_engine
from tests.support.crm import ACCOUNT, change
from tests.support.crm_loading import AS_OF, clear, last_as_of, read_one
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
LIMITS = SnapshotLimits()

MAPPING: dict[str, Any] = {
    "files": [
        {"file": "owners.csv", "module": "owners",
         "fields": {"id": "id", "name": "name", "manager_id": "boss"}},
        {"file": "accounts.csv", "module": "accounts",
         "fields": {"id": "id", "name": "name", "owner_id": "owner", "phone": "phone"}},
        {"file": "deals.csv", "module": "deals",
         "fields": {"id": "id", "account_id": "account", "name": "name", "stage": "stage",
                    "stage_changed_at": "since"}},
    ]
}  # fmt: skip
FILES = {
    "owners.csv": "id,name,boss\now-1,Ilse,ow-2\now-2,Tomas,\n",
    "accounts.csv": "id,name,owner,phone\nac-1,Amber,ow-1,+99 1\nac-2,Birch,ow-1,\n",
    "deals.csv": "id,account,name,stage,since\nde-1,ac-1,One,Proposal,2026-09-01\n",
}
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
async def empty_crm(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await clear(connection)


@pytest.fixture
def files(tmp_path: Path) -> Write:
    """Writes the files, with some of them replaced."""

    def write(**replaced: str | bytes) -> Path:
        for name, content in {**FILES, **{f"{k}.csv": v for k, v in replaced.items()}}.items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(data)
        return tmp_path

    return write


async def run(
    engine: AsyncEngine,
    directory: Path,
    mapping: Mapping | None = None,
    *,
    as_of: datetime | None = AS_OF,
    on_error: OnError = "stop",
) -> ImportReport:
    rules = mapping or parse_mapping(MAPPING, "mapping.yaml")
    return await import_directory(engine, directory, rules, as_of=as_of, on_error=on_error)


async def count(engine: AsyncEngine, table: Table) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(table)) or 0


def counts(report: ImportReport) -> list[tuple[int, int, int, int, int]]:
    return [
        (file.rows, file.inserted, file.updated, file.unchanged, file.skipped)
        for file in report.files
    ]


async def test_records_arrive_with_all_that_hangs_on_them(
    engine: AsyncEngine, files: Write
) -> None:
    report = await run(engine, files())
    assert counts(report) == [(2, 2, 0, 0, 0), (2, 2, 0, 0, 0), (1, 1, 0, 0, 0)]
    crm = SqlCrm(engine)
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert found.owner is not None
    assert (found.owner.name, found.owner.manager_id, found.owner.active) == ("Ilse", "ow-2", True)
    assert found.modules == {RecordType.OWNER, RecordType.ACCOUNT, RecordType.DEAL}
    assert found.deals[0].stage_changed_at == datetime(2026, 9, 1, tzinfo=UTC)
    assert [step.at for step in found.deals[0].stage_history] == [found.deals[0].stage_changed_at]
    assert await last_as_of(engine) == AS_OF


async def test_the_same_files_again_change_nothing(engine: AsyncEngine, files: Write) -> None:
    await run(engine, files())
    again = await run(engine, files())
    assert counts(again) == [(2, 0, 0, 2, 0), (2, 0, 0, 2, 0), (1, 0, 0, 1, 0)]
    found = await SqlCrm(engine).snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert found.account.version == found.deals[0].version == "1"


async def test_an_equal_row_leaves_an_approved_change_alone(
    engine: AsyncEngine, files: Write
) -> None:
    await run(engine, files())
    crm = SqlCrm(engine)
    write = change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, ACCOUNT)
    await crm.apply(write, expected_version="1", operation_id="run:1")
    await run(engine, files())
    assert await read_one(crm, ACCOUNT, ("phone",)) == {"phone": "+99 2"}
    await run(engine, files(accounts=FILES["accounts.csv"].replace("Amber", "Amber Freight")))
    found = await read_one(crm, ACCOUNT, ("phone", "name"))
    assert found == {"phone": "+99 1", "name": "Amber Freight"}


async def test_a_row_that_catches_up_with_the_crm_makes_no_new_version(
    engine: AsyncEngine, files: Write
) -> None:
    await run(engine, files())
    crm = SqlCrm(engine)
    write = change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, ACCOUNT)
    done = await crm.apply(write, expected_version="1", operation_id="run:1")
    report = await run(engine, files(accounts=FILES["accounts.csv"].replace("+99 1", "+99 2")))
    assert report.files[1].unchanged == 2
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert found.account.version == done.record.version == "2"


async def test_another_owner_and_stage_are_remembered(engine: AsyncEngine, files: Write) -> None:
    await run(engine, files())
    later = datetime(2026, 10, 8, tzinfo=UTC)
    moved = files(
        accounts=FILES["accounts.csv"].replace("Amber,ow-1", "Amber,ow-2"),
        deals=FILES["deals.csv"].replace("Proposal,2026-09-01", "Negotiation,2026-10-05"),
    )
    report = await run(engine, moved, as_of=later)
    assert counts(report)[1:] == [(2, 0, 1, 1, 0), (1, 0, 1, 0, 0)]
    found = await SqlCrm(engine).snapshot("ac-1", as_of=later, limits=LIMITS)
    assert found.previous_owner is not None
    assert (found.account.owner_id, found.previous_owner.id) == ("ow-2", "ow-1")
    assert [step.stage for step in found.deals[0].stage_history] == ["Proposal", "Negotiation"]
    assert found.account.version == found.deals[0].version == "2"


async def test_a_file_without_times_leaves_no_time_that_its_changes_made_wrong(
    engine: AsyncEngine, files: Write
) -> None:
    undated = parse_mapping(
        {"files": [MAPPING["files"][0], MAPPING["files"][1],
                   {**MAPPING["files"][2], "fields": {"id": "id", "account_id": "account",
                                                      "name": "name", "stage": "stage"}}]},
        "m",
    )  # fmt: skip
    await run(engine, files(), undated)
    crm = SqlCrm(engine)
    deal = RecordRef(type=RecordType.DEAL, id="de-1")
    write = change(Action.UPDATE_DEAL_STAGE, {"stage": "Stalled"}, deal)
    done = await crm.apply(write, expected_version="1", operation_id="run:1")
    await run(engine, files(), undated)
    now = datetime.now(UTC) + timedelta(days=1)
    found = await crm.snapshot("ac-1", as_of=now, limits=LIMITS)
    assert found.deals[0].stage == "Stalled", "the same row again changes nothing"
    assert found.deals[0].stage_changed_at == found.deals[0].modified_at == done.applied_at

    renamed = FILES["deals.csv"].replace("One,Proposal", "Two,Stalled")
    later = now + timedelta(days=1)
    await run(engine, files(deals=renamed), undated, as_of=later)
    found = await crm.snapshot("ac-1", as_of=later, limits=LIMITS)
    assert found.deals[0].stage_changed_at == done.applied_at
    assert found.deals[0].modified_at == later

    moved = FILES["deals.csv"].replace("Proposal", "Negotiation")
    await run(engine, files(deals=moved), undated, as_of=later)
    found = await crm.snapshot("ac-1", as_of=later, limits=LIMITS)
    assert (found.deals[0].stage, found.deals[0].stage_changed_at) == ("Negotiation", None)


async def test_a_record_that_is_missing_later_stays(engine: AsyncEngine, files: Write) -> None:
    await run(engine, files())
    await run(engine, files(accounts="id,name,owner,phone\nac-2,Birch,ow-1,\n"))
    assert await count(engine, tables.accounts) == 2


async def test_fields_that_are_not_mapped_are_left_alone(engine: AsyncEngine, files: Write) -> None:
    await run(engine, files())
    fewer = parse_mapping(
        {"files": [{"file": "accounts.csv", "module": "accounts",
                    "fields": {"id": "id", "name": "owner"}}]},
        "m",
    )  # fmt: skip
    report = await run(engine, files(), fewer)
    assert counts(report) == [(2, 0, 2, 0, 0)]
    crm = SqlCrm(engine)
    found = await read_one(crm, ACCOUNT, ("name", "phone", "owner_id"))
    assert found == {"name": "ow-1", "phone": "+99 1", "owner_id": "ow-1"}
    snapshot = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert RecordType.DEAL in snapshot.modules


BAD: dict[str, tuple[dict[str, str | bytes], tuple[str, int, str | None, str]]] = {
    "stage": (
        {"deals": "id,account,name,stage,since\nde-1,ac-1,One,Soon,\n"},
        ("deals.csv", 2, "stage", "stage is not one of Prospecting"),
    ),
    "date": (
        {"deals": "id,account,name,stage,since\nde-1,ac-1,One,Proposal,soon\n"},
        ("deals.csv", 2, "since", "is not a date"),
    ),
    "needed": (
        {"accounts": FILES["accounts.csv"].replace("Amber", "")},
        ("accounts.csv", 2, "name", "name is empty, but needed"),
    ),
    "duplicate": (
        {"accounts": FILES["accounts.csv"] + "ac-1,Again,ow-1,\n"},
        ("accounts.csv", 4, "id", "id stands in line 2 already"),
    ),
    "dangling": (
        {"deals": FILES["deals.csv"].replace("ac-1", "ac-7")},
        ("deals.csv", 2, "account_id", "account_id points at one of accounts that does not exist"),
    ),
    "few": (
        {"accounts": FILES["accounts.csv"] + "ac-3,Cobalt\n"},
        ("accounts.csv", 4, None, "the row has 2 columns, the header has 4"),
    ),
    "many": (
        {"accounts": FILES["accounts.csv"] + "ac-3,Cobalt,ow-1,,,x\n"},
        ("accounts.csv", 4, None, "the row has 6 columns, the header has 4"),
    ),
    "bytes": (
        {"accounts": FILES["accounts.csv"].encode() + b"ac-3,Caf\xe9,ow-1,\n"},
        ("accounts.csv", 4, None, "the byte 0xe9 is not utf-8"),
    ),
    "nul": (
        {"accounts": FILES["accounts.csv"].encode() + b"ac-3,\x00,ow-1,\n"},
        ("accounts.csv", 4, None, "the row holds a NUL character"),
    ),
    "long": (
        {"accounts": FILES["accounts.csv"] + "ac-3," + "x" * 10_000_000 + ",ow-1,\n"},
        ("accounts.csv", 4, None, "the row is longer than 1,048,576 characters"),
    ),
    "quote": (
        {"accounts": FILES["accounts.csv"] + 'ac-3,"Cobalt,ow-1,\n'},
        ("accounts.csv", 4, None, "the row cannot be read: a quoted value is not closed"),
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_row_stops_everything(engine: AsyncEngine, files: Write, case: str) -> None:
    replaced, (file, line, column, message) = BAD[case]
    with pytest.raises(ImportRefusedError) as caught:
        await run(engine, files(**replaced))
    problem, *more = caught.value.problems
    assert not more
    assert (problem.file, problem.line, problem.column) == (file, line, column)
    assert problem.message.startswith(message) or message in problem.message
    assert len(problem.value or "") <= 60
    assert caught.value.problem_count == 1
    assert await count(engine, tables.owners) == 0
    assert await last_as_of(engine) is None


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_row_is_left_out(engine: AsyncEngine, files: Write, case: str) -> None:
    replaced, (file, line, _, _) = BAD[case]
    report = await run(engine, files(**replaced), on_error="skip")
    assert (report.problems[0].file, report.problems[0].line) == (file, line)
    skipped = {found.file: found.skipped for found in report.files}
    assert skipped[file] == 1
    assert all(
        found.rows == found.inserted + found.updated + found.unchanged + found.skipped
        for found in report.files
    )


async def test_what_hangs_on_a_row_left_out_is_left_out(engine: AsyncEngine, files: Write) -> None:
    accounts = FILES["accounts.csv"].replace("Amber", "")
    broken = files(accounts=accounts)
    report = await run(engine, broken, on_error="skip")
    assert counts(report) == [(2, 2, 0, 0, 0), (2, 1, 0, 0, 1), (1, 0, 0, 0, 1)]
    assert [problem.message for problem in report.problems] == [
        "name is empty, but needed", "account_id points at one of accounts that was left out",
    ]  # fmt: skip
    with pytest.raises(ImportRefusedError) as caught:
        await run(engine, broken)
    assert caught.value.problem_count == 1, "what follows from it is not listed again"


async def test_twenty_problems_are_listed_and_all_are_counted(
    engine: AsyncEngine, files: Write
) -> None:
    rows = "".join(f"de-{n},nothing-{n},Name,Proposal,\n" for n in range(3000))
    broken = files(deals="id,account,name,stage,since\n" + rows)
    with pytest.raises(ImportRefusedError) as caught:
        await run(engine, broken)
    assert len(caught.value.problems) == 20
    assert caught.value.problem_count == 3000
    report = await run(engine, broken, on_error="skip")
    assert (len(report.problems), report.problem_count) == (1000, 3000)


UNUSABLE: dict[str, tuple[dict[str, str | bytes], str]] = {
    "empty": ({"accounts": ""}, "accounts.csv is empty: it needs a header line"),
    "header": (
        {"accounts": "id,title,owner,phone\n"},
        "accounts.csv has no column 'name'; its columns are id, title, owner, phone",
    ),
    "twice": ({"accounts": "id,id,name\n"}, "accounts.csv has more than one column named 'id'"),
    "binary": (
        {"accounts": b"\xff\xf0\n"},
        "accounts.csv: the header cannot be read: the byte 0xff",
    ),
}


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("case", UNUSABLE)
async def test_a_file_that_cannot_be_used(
    engine: AsyncEngine, files: Write, case: str, on_error: OnError
) -> None:
    replaced, message = UNUSABLE[case]
    with pytest.raises(BadInputError) as caught:
        await run(engine, files(**replaced), on_error=on_error)
    assert caught.value.message.startswith(message)


async def test_missing_files_and_directories(engine: AsyncEngine, files: Write) -> None:
    directory = files()
    (directory / "deals.csv").unlink()
    with pytest.raises(BadInputError, match=r"deals\.csv does not exist"):
        await run(engine, directory)
    with pytest.raises(BadInputError, match="is not a directory"):
        await run(engine, directory / "nowhere")


async def test_a_header_alone_is_an_empty_module(engine: AsyncEngine, files: Write) -> None:
    await run(engine, files(deals="id,account,name,stage,since\n"))
    found = await SqlCrm(engine).snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert RecordType.DEAL in found.modules
    assert found.totals[RecordType.DEAL] == 0


async def test_line_numbers_survive_values_of_several_lines(
    engine: AsyncEngine, files: Write
) -> None:
    rows = '\ufeffid,name,owner,phone\r\nac-1,"Amber\r\nFreight",ow-1,\r\n\r\nac-2,Birch,ow-9,\r\n'
    report = await run(engine, files(accounts=rows), on_error="skip")
    assert [(problem.file, problem.line) for problem in report.problems] == [("accounts.csv", 5)]
    assert await read_one(SqlCrm(engine), ACCOUNT, ("name",)) == {"name": "Amber\r\nFreight"}


async def test_two_imports_at_once_wait_for_each_other(engine: AsyncEngine, files: Write) -> None:
    directory = files()
    reports = await asyncio.gather(run(engine, directory), run(engine, directory))
    assert sorted(report.files[1].inserted for report in reports) == [0, 2]
    assert await count(engine, tables.imports) == 2


async def test_without_a_database_it_says_so(database_url: str, files: Write) -> None:
    engine = create_engine(database_url.replace("/test_", "/gone_"), application_name="tests")
    with pytest.raises(CrmUnavailableError):
        await run(engine, files())
    await engine.dispose()


async def test_the_dirty_example(engine: AsyncEngine) -> None:
    mapping = load_mapping(EXAMPLES / "dirty" / "mapping.yaml")
    with pytest.raises(ImportRefusedError) as caught:
        await run(engine, EXAMPLES / "dirty", mapping)
    assert caught.value.problem_count == 12
    report = await run(engine, EXAMPLES / "dirty", mapping, on_error="skip")
    assert [(found.file, found.inserted, found.skipped) for found in report.files] == [
        ("owners.csv", 2, 1), ("accounts.csv", 4, 6), ("contacts.csv", 1, 3), ("deals.csv", 1, 3),
    ]  # fmt: skip
    again = await run(engine, EXAMPLES / "dirty", mapping, on_error="skip")
    assert all(found.inserted == found.updated == 0 for found in again.files)
    found = await SqlCrm(engine).snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert str(found.account.annual_revenue) == "12500.50"


async def test_memory_does_not_grow_with_the_file(engine: AsyncEngine, files: Write) -> None:
    async def peak(rows: int) -> int:
        lines = "".join(f"ac-{n},Account number {n},ow-1,+99 {n}\n" for n in range(rows))
        directory = files(accounts="id,name,owner,phone\n" + lines)
        del lines
        tracemalloc.start()
        try:
            report = await run(engine, directory)
            assert report.files[1].rows == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await run(engine, files())
    assert await peak(16_000) < 1.25 * await peak(4_000)
