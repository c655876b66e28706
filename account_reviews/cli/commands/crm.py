"""Verbs of `crm`: fill the SQL CRM, and ask whether a CRM answers and fits its mapping."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from account_reviews.cli.commands import crm_connect, crm_events, crm_limits
from account_reviews.cli.following import say_next
from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, leave, print_document, print_json, run
from account_reviews.presentation.tables import Column
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from account_reviews.crm.field_check import MappingProblem
    from account_reviews.crm.importing.csv_stream import Problem
    from account_reviews.crm.importing.importer import ImportRefusedError, ImportReport
    from account_reviews.domain.backends import Health
    from account_reviews.presentation.steps_after import NextStep

_LISTED = 20


class OnError(StrEnum):
    STOP = "stop"
    SKIP = "skip"


def register(app: typer.Typer) -> None:
    """Add the verbs of the group."""
    crm = typer.Typer(help="The CRM that reviews read and write.", no_args_is_help=True)
    crm.command("import")(import_files)
    crm.command("ping")(ping)
    crm.command("check")(check)
    crm_connect.register(crm)
    crm_limits.register(crm)
    crm_events.register(crm)
    app.add_typer(crm, name="crm")


_IMPORTED = (
    Column("file", "File"),
    Column("module", "Module", 3),
    Column("rows", "Rows", right=True),
    Column("inserted", "Inserted", right=True),
    Column("updated", "Updated", right=True),
    Column("unchanged", "Unchanged", right=True),
    Column("skipped", "Skipped", right=True),
)
_CHECKED = (
    Column("field", "Field"),
    Column("crm_field", "Field of the CRM"),
    Column("expected", "Expected", folds=True),
    Column("found", "Found", folds=True),
)


def import_files(
    directory: Annotated[Path, typer.Argument(help="The directory with the CSV files.")],
    mapping: Annotated[Path, typer.Option(help="The YAML file that says what the columns mean.")],
    as_of: Annotated[
        str | None,
        typer.Option(help="The date or time the files speak of; the default for later reviews."),
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="stop: a bad row stops everything. skip: leave bad rows out.")
    ] = OnError.STOP,
    output: Output = Format.TABLE,
) -> None:
    """Fill the SQL CRM from CSV files. All or nothing; the same files again change nothing."""
    report = run(_import(directory, mapping, as_of, on_error, output), output)
    if output is Format.JSON:
        print_json(report)
        return
    print_table(_IMPORTED, [[getattr(file, one.key) for one in _IMPORTED] for file in report.files])
    _list_problems(report.problems, report.problem_count)
    say_next(run(_next(), output), err=True)


def ping(output: Output = Format.TABLE) -> None:
    """Ask the CRM whether it answers: exit 0 when it does, 5 when it does not."""
    health = run(_ping(), output)
    if output is Format.JSON:
        print_json(health)
    else:
        put = say if health.ok else note
        put(health.detail + (f" ({health.hint})" if health.hint else ""))
    if not health.ok:
        leave(5)


def check(output: Output = Format.TABLE) -> None:
    """Compare the mapping file with the fields that the CRM has; exit 1 on a problem."""
    problems = run(_check(), output)
    if output is Format.JSON:
        print_json({"ok": not problems, "problems": problems})
    elif problems:
        print_table(_CHECKED, [[getattr(one, key.key) for key in _CHECKED] for one in problems])
    else:
        say("every field of the mapping is there, and of its type")
    if problems:
        leave(1)


async def _import(
    directory: Path, mapping: Path, as_of: str | None, on_error: OnError, output: Format
) -> "ImportReport":
    from account_reviews.cli.parsing import parse_as_of
    from account_reviews.config.settings import Settings
    from account_reviews.crm.importing.importer import (
        ImportRefusedError,
        import_directory,
    )
    from account_reviews.crm.importing.mapping import load_mapping
    from account_reviews.store.database import create_engine

    moment = None if as_of is None else parse_as_of(as_of)
    rules = load_mapping(mapping)
    engine = create_engine(_url(), application_name="reviews-crm", command_timeout=None)
    try:
        report = await import_directory(
            engine,
            directory,
            rules,
            as_of=moment,
            on_error=on_error.value,
            tenant=Settings.load().tenant,
        )
        await _record(report)
        return report
    except ImportRefusedError as refused:
        _refuse(refused, output)
    finally:
        await engine.dispose()


async def _next() -> "NextStep | None":
    """What to do with what came."""
    from account_reviews.bootstrap import open_parts
    from account_reviews.config.settings import Settings
    from account_reviews.crm.protocol import AccountFilter
    from account_reviews.presentation.steps_after import import_step

    async with open_parts(Settings.load(), application="reviews-crm") as parts:
        page = await parts.accounts.list_accounts(AccountFilter(), limit=1)
    return import_step(page.items[0].id if page.items else None)


async def _record(report: "ImportReport") -> None:
    """An import changes the CRM without a review: the audit trail holds it."""
    from account_reviews.cli.access_log import record_change
    from account_reviews.config.settings import Settings

    counts = {
        file.file: {
            "inserted": file.inserted, "updated": file.updated, "unchanged": file.unchanged,
        }
        for file in report.files
    }  # fmt: skip
    await record_change(Settings.load(), "crm", dict(counts))


async def _ping() -> "Health":
    from account_reviews.bootstrap import open_parts
    from account_reviews.config.settings import Settings

    async with open_parts(Settings.load(), application="reviews-crm") as parts:
        return await parts.crm.of(parts.settings.tenant).health()


async def _check() -> "tuple[MappingProblem, ...]":
    from account_reviews.bootstrap import open_parts
    from account_reviews.config.settings import Settings
    from account_reviews.crm.field_check import ChecksMapping
    from account_reviews.domain.errors import BadInputError

    async with open_parts(Settings.load(), application="reviews-crm") as parts:
        crm = parts.crm.of(parts.settings.tenant)
        if not isinstance(crm, ChecksMapping):
            name = (await crm.capabilities()).name
            raise BadInputError(
                f"the CRM {name} has no mapping of fields to check",
                hint="the mapping of an import is checked by `reviews crm import`",
            )
        return await crm.check_mapping()


def _url() -> str:
    from account_reviews.config.settings import Settings
    from account_reviews.crm.registry import scheme_of
    from account_reviews.domain.errors import BadInputError

    settings = Settings.load()
    url = settings.crm_url or settings.require_database_url()
    if scheme_of(url) not in ("postgresql", ""):
        raise BadInputError(
            f"an import fills the SQL CRM, and REVIEWS_CRM_URL names {scheme_of(url)}",
            hint="unset REVIEWS_CRM_URL to fill the SQL CRM of the main database",
        )
    return url


def _refuse(refused: "ImportRefusedError", output: Format) -> NoReturn:
    """Say what stands in the way, row by row, then that nothing was imported."""
    if output is Format.JSON:
        body = {
            "code": refused.code,
            "message": refused.message,
            "hint": refused.hint,
            "problems": [problem.model_dump() for problem in refused.problems],
            "problem_count": refused.problem_count,
        }
        print_document(json.dumps({"error": body}, ensure_ascii=False), err=True)
    else:
        _list_problems(refused.problems, refused.problem_count)
        note(f"{refused.message} ({refused.hint})")
    leave(refused.exit_code)


def _list_problems(problems: "tuple[Problem, ...]", count: int) -> None:
    for problem in problems[:_LISTED]:
        value = "" if problem.value is None else f" ({problem.value!r})"
        column = "" if problem.column is None else f", {problem.column}"
        note(f"{problem.file} line {problem.line}{column}: {problem.message}{value}")
    if count > _LISTED:
        note(f"and {count - _LISTED} more")
