"""Import of CSV files into the SQL CRM: one transaction, repeatable, bounded memory."""

from collections import Counter
from collections.abc import Mapping as Map
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import insert, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.crm.importing.csv_stream import (
    KEPT_PROBLEMS,
    CsvFile,
    Problem,
    Problems,
    open_csv,
    tidy,
)
from account_reviews.crm.importing.fields import MODULES
from account_reviews.crm.importing.mapping import FileMapping, Mapping, MostFrequent
from account_reviews.crm.importing.rows import Lookup, RowReader, Value, digest
from account_reviews.crm.importing.stage import BATCH, Outcome, Stage
from account_reviews.crm.sql import tables
from account_reviews.crm.sql.ownership import CLAIM, OWNER, refuse_others
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.errors import BadInputError, CrmUnavailableError
from account_reviews.store.database import reachable

LISTED_PROBLEMS: Final = 20
OnError = Literal["stop", "skip"]

_LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended('reviews-crm-import', 0))")


class FileReport(Model):
    """What became of the rows of one file.

    `skipped`: rows the mapping leaves out, repeats of a `distinct` file, and bad rows.
    """

    file: str
    module: str
    rows: int
    inserted: int
    updated: int
    unchanged: int
    skipped: int


class ImportReport(Model):
    """`problems` holds at most the first thousand, `problem_count` counts all of them.

    They are of rows that were left out, and of owners that nobody knows, whose rows were taken.
    """

    as_of: Timestamp | None
    files: tuple[FileReport, ...]
    problems: tuple[Problem, ...]
    problem_count: int


class ImportRefusedError(BadInputError):
    """Nothing was imported."""

    code = "import_refused"

    def __init__(self, problems: Problems) -> None:
        self.problems = tuple(problems.items[:LISTED_PROBLEMS])
        self.problem_count = problems.count
        first = problems.items[0]
        place = f"{first.file} line {first.line}"
        value = "" if first.value is None else f" ({first.value!r})"
        what = "1 problem" if problems.count == 1 else f"{problems.count} problems, the first"
        super().__init__(
            f"nothing was imported because of {what}: {place}: {first.message}{value}",
            hint="correct the files, or leave bad rows out with --on-error skip",
        )


@dataclass
class _Import:
    """The state of one import."""

    directory: Path
    mapping: Mapping
    problems: Problems = field(default_factory=Problems)
    forgotten: Problems = field(default_factory=Problems)
    """Owners that nobody knows, of rows that are taken nevertheless."""
    stages: dict[str, Stage] = field(default_factory=dict)
    rows: Counter[int] = field(default_factory=Counter)

    def in_order(self) -> list[Stage]:
        return [self.stages[name] for name in MODULES if name in self.stages]


async def import_directory(
    engine: AsyncEngine,
    directory: Path,
    mapping: Mapping,
    *,
    as_of: datetime | None = None,
    on_error: OnError = "stop",
    tenant: str | None = None,
) -> ImportReport:
    """Bring the files of a directory into the CRM, all or nothing.

    Importing the same files again changes nothing; records that a file no longer names stay.
    A second import waits for the first. The CRM is the `tenant`'s from then on, and
    CrmOfAnotherTenantError when it is another's already. BadInputError for files that do not fit
    the mapping, ImportRefusedError for bad rows unless `on_error` is `skip`, CrmUnavailableError.
    """
    work = _Import(directory, mapping)
    _check_files(work)
    lookups = _lookups(work)
    async with reachable(CrmUnavailableError), engine.begin() as connection:
        await connection.execute(_LOCK)
        if tenant is not None:
            await connection.execute(text(CLAIM), {"tenant": tenant})
            refuse_others(await connection.scalar(text(OWNER)), tenant)
        for file_no, entry in enumerate(mapping.files):
            await _stage_file(connection, work, file_no, entry, lookups)
        await _check_stages(connection, work, on_error)
        if work.problems.count and on_error == "stop":
            raise ImportRefusedError(work.problems)
        for stage in work.in_order():
            await stage.compare(connection)
            await stage.merge(connection, as_of)
        for stage in work.in_order():
            await stage.keep_stages(connection)
        await _note_import(connection, work, as_of)
        return await _report(connection, work, as_of)


def _check_files(work: _Import) -> None:
    """Everything that can be wrong before the first row."""
    if not work.directory.is_dir():
        raise BadInputError(f"{work.directory} is not a directory; give the one with the CSV files")
    for entry in work.mapping.files:
        with _open(work, entry, Problems()) as file:
            file.need(entry.columns())
        for rule in entry.fields.values():
            if rule.most_frequent is not None:
                with _open_lookup(work, rule.most_frequent, Problems()) as file:
                    file.need({rule.most_frequent.key, rule.most_frequent.value})


def _open(work: _Import, entry: FileMapping, problems: Problems) -> AbstractContextManager[CsvFile]:
    return open_csv(
        work.directory / entry.file,
        problems,
        encoding=entry.encoding,
        delimiter=entry.delimiter,
        skip_lines=entry.skip_lines,
    )


def _open_lookup(
    work: _Import, rule: MostFrequent, problems: Problems
) -> AbstractContextManager[CsvFile]:
    """The file of a lookup. One that is imported too has its problems reported there."""
    entry = _entry_of(work, rule.file)
    if entry is not None:
        return _open(work, entry, Problems())
    return open_csv(work.directory / rule.file, problems)


def _entry_of(work: _Import, file: str) -> FileMapping | None:
    return next((entry for entry in work.mapping.files if entry.file == file), None)


def _lookups(work: _Import) -> dict[MostFrequent, Lookup]:
    rules = {
        rule.most_frequent
        for entry in work.mapping.files
        for rule in entry.fields.values()
        if rule.most_frequent is not None
    }
    return {rule: _most_frequent(work, rule) for rule in sorted(rules, key=repr)}


def _most_frequent(work: _Import, rule: MostFrequent) -> Lookup:
    """Counted over all rows, with the spellings that the file's own mapping puts right."""
    counts: Counter[tuple[str, str]] = Counter()
    entry = _entry_of(work, rule.file)
    reader = None if entry is None else RowReader(entry, {})
    with _open_lookup(work, rule, work.problems) as file:
        for _, raw in file.rows():
            row = raw if reader is None else reader.clean(raw)
            pair = tidy(row[rule.key]), tidy(row[rule.value])
            if all(pair):
                counts[pair] += 1
    found: dict[str, str] = {}
    for (key, value), _ in sorted(counts.items(), key=lambda item: (-item[1], item[0][1])):
        found.setdefault(key, value)
    return found


async def _stage_file(
    connection: AsyncConnection,
    work: _Import,
    file_no: int,
    entry: FileMapping,
    lookups: Map[MostFrequent, Lookup],
) -> None:
    stage = work.stages.get(entry.module)
    if stage is None:
        stage = work.stages[entry.module] = Stage(entry.target)
        await stage.create(connection)
    mine = {
        name: lookups[rule.most_frequent]
        for name, rule in entry.fields.items()
        if rule.most_frequent is not None
    }
    reader = RowReader(entry, mine)
    stage.filled[file_no] = reader.columns
    batch: list[tuple[Value, ...]] = []
    with _open(work, entry, work.problems) as file:
        for line, row in file.rows():
            work.rows[file_no] += 1
            staged = _stage_row(work, stage, reader, (file_no, line, entry.file), row)
            if staged is not None:
                batch.append(staged)
            if len(batch) >= BATCH:
                await stage.copy(connection, batch)
                batch.clear()
        work.rows[file_no] += file.unreadable
    await stage.copy(connection, batch)


def _stage_row(
    work: _Import, stage: Stage, reader: RowReader, place: tuple[int, int, str], raw: Map[str, str]
) -> tuple[Value, ...] | None:
    file_no, line, file = place
    row = reader.clean(raw)
    if reader.is_left_out(row):
        return None
    values, bad = reader.read(row)
    for cell in bad:
        work.problems.add(file, line, cell.message, column=cell.column, value=cell.value)
    if not bad:
        return stage.record(file_no, line, None, digest(values), values)
    keys = {name: values[name] for name in stage.module.key if name in values}
    return stage.record(file_no, line, Outcome.REJECTED, "", keys) if keys else None


async def _check_stages(connection: AsyncConnection, work: _Import, on_error: OnError) -> None:
    """Find rows that do not fit together."""
    lenient = [
        no
        for no, entry in enumerate(work.mapping.files)
        if entry.unknown_owners or on_error == "skip"
    ]
    distinct = {no for no, entry in enumerate(work.mapping.files) if entry.distinct}
    names = [entry.file for entry in work.mapping.files]
    for stage in work.in_order():
        await stage.analyze(connection)
        await stage.mark_duplicates(connection, distinct)
        await stage.forget_owners(connection, work.forgotten, names, work.stages, lenient)
        await stage.mark_dangling(connection, work.stages)
        await stage.report(
            connection, work.problems, names, work.stages, follow_ons=on_error == "skip"
        )


async def _note_import(connection: AsyncConnection, work: _Import, as_of: datetime | None) -> None:
    """Keep which modules this CRM holds now, and the moment the files speak of."""
    held = [
        {"name": stage.module.record_type}
        for stage in work.in_order()
        if stage.module.record_type is not None
    ]
    if held:
        await connection.execute(upsert(tables.modules).on_conflict_do_nothing(), held)
    await connection.execute(insert(tables.imports).values(as_of=as_of))


async def _report(
    connection: AsyncConnection, work: _Import, as_of: datetime | None
) -> ImportReport:
    counts: dict[tuple[int, str], int] = {}
    for stage in work.in_order():
        counts |= await stage.count(connection)
    files = [
        _file_report(
            entry, work.rows[no], {name: n for (at, name), n in counts.items() if at == no}
        )
        for no, entry in enumerate(work.mapping.files)
    ]
    return ImportReport(
        as_of=as_of,
        files=tuple(files),
        problems=tuple((work.problems.items + work.forgotten.items)[:KEPT_PROBLEMS]),
        problem_count=work.problems.count + work.forgotten.count,
    )


def _file_report(entry: FileMapping, rows: int, counts: Map[str, int]) -> FileReport:
    kept = {
        name: counts.get(name, 0) for name in (Outcome.INSERTED, Outcome.UPDATED, Outcome.UNCHANGED)
    }
    return FileReport(
        file=entry.file,
        module=entry.module,
        rows=rows,
        inserted=kept[Outcome.INSERTED],
        updated=kept[Outcome.UPDATED],
        unchanged=kept[Outcome.UNCHANGED],
        skipped=rows - sum(kept.values()),
    )
