"""`reviews start`: begin reviews of one account, of an owner's, of a file's or of all."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli import completion
from account_reviews.cli.following import say_next
from account_reviews.cli.options import AllAccounts, AllOfOwner, AsOf, Output
from account_reviews.cli.output import Format, is_wide, leave, print_json, run
from account_reviews.cli.session import open_session, temporal, temporal_when_needed
from account_reviews.presentation.tables import View
from account_reviews.presentation.terminal import note, print_table

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.domain.errors import ReviewsError
    from account_reviews.domain.records import Account
    from account_reviews.domain.review.state import ReviewInput
    from account_reviews.presentation.steps_after import NextStep

GOOD_OUTCOMES = ("completed", "nothing_to_do", "deferred")


class Kind(StrEnum):
    """Why a review runs."""

    SCHEDULED = "scheduled"
    ON_DEMAND = "on_demand"
    MANUAL = "manual"
    EVENT = "event"


class IfRunning(StrEnum):
    FAIL = "fail"
    JOIN = "join"


class Wait(StrEnum):
    """Until when `--wait` waits."""

    WAITING = "waiting"
    CLOSED = "closed"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("start", context_settings={"allow_interspersed_args": True})(start_command)


def start_command(
    accounts: Annotated[
        list[str] | None,
        typer.Argument(help="Account ids or names.", autocompletion=completion.accounts),
    ] = None,
    owner: AllOfOwner = None,
    every: AllAccounts = False,
    file: Annotated[Path | None, typer.Option(help="One account id per line.")] = None,
    kind: Annotated[Kind, typer.Option(help="Why it runs.")] = Kind.ON_DEMAND,
    name: Annotated[str | None, typer.Option(help="A name for the review.")] = None,
    purpose: Annotated[str, typer.Option(help="What it is for.")] = "general",
    agent: Annotated[str, typer.Option(help="Who works on it.")] = "unknown",
    metadata: Annotated[str, typer.Option(help="A JSON object kept with the review.")] = "{}",
    by: Annotated[str | None, typer.Option("--by", help="Who starts it.")] = None,
    as_of: AsOf = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Stays open for questions until it is closed.")
    ] = False,
    plan_only: Annotated[bool, typer.Option(help="Show everything, write nothing.")] = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Start what is named without asking the CRM.")
    ] = False,
    if_running: Annotated[IfRunning, typer.Option(help="When one is open.")] = IfRunning.FAIL,
    wait: Annotated[
        Wait | None,
        typer.Option(
            "--wait", metavar="[closed]", help="Until it waits or is closed; or until closed."
        ),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Start a review of each account. `--wait closed` waits for the end."""
    ids, until = list(accounts or []), wait
    fields = {
        "kind": kind.value,
        "name": name,
        "purpose": purpose,
        "agent": agent,
        "metadata": metadata,
        "started_by": by,
        "as_of": as_of,
        "plan_only": plan_only,
        "interactive": interactive,
        "unchecked": unchecked,
    }
    code = run(
        _start(ids, owner, every, file, fields, if_running is IfRunning.JOIN, until, output), output
    )
    leave(code)


async def _start(
    ids: list[str],
    owner: str | None,
    every: bool,
    file: Path | None,
    fields: dict[str, Any],
    join: bool,
    until: Wait | None,
    output: Format,
) -> int:
    from account_reviews.services.halts import ensure_not_halted
    from account_reviews.services.waits import wait_for

    _check_choice(ids, owner, every, file)
    single = len(set(ids)) == 1
    async with open_session() as parts:
        await ensure_not_halted(parts)
        named = (*ids, *(_read_ids(file) if file is not None else ()))
        unknown: dict[str, str] | None = None if single else {}
        accounts = await _accounts(
            parts, named, owner, every, unknown, unchecked=fields["unchecked"]
        )
        template = await _template(parts, fields)
        rows = await _start_all(
            parts, accounts, template, by=fields["started_by"], join=join, raise_first=single
        )
        rows += [{"account_id": name, "error": why} for name, why in (unknown or {}).items()]
        if until is not None:
            closed, connect = until is Wait.CLOSED, temporal_when_needed(parts)
            refused = await wait_for(parts, connect, rows, closed=closed, say=note)
            if single:
                _raise_refused(refused)
        if output is Format.JSON:
            print_json(rows[0] if single else {"items": rows, "next_cursor": None})
        else:
            await _speak(parts, rows)
            _print_rows(rows, {one.id: one.name for one in accounts}, fields["plan_only"])
            await _say_next(parts, rows, closed=until is Wait.CLOSED)
        return _exit_code(rows, until)


async def _accounts(
    parts: "Parts",
    ids: tuple[str, ...],
    owner: str | None,
    every: bool,
    unknown: dict[str, str] | None,
    *,
    unchecked: bool,
) -> "list[Account]":
    from account_reviews.services.start_accounts import accounts_to_start, unchecked_accounts

    if unchecked:
        return await unchecked_accounts(parts, ids)
    return await accounts_to_start(
        parts, ids=ids, owner=owner, every=every, unknown=unknown, say=note
    )


def _check_choice(ids: list[str], owner: str | None, every: bool, file: Path | None) -> None:
    from account_reviews.domain.errors import BadInputError

    given = {"ACCOUNT": ids, "--owner": owner is not None, "--all": every, "--file": file}
    chosen = [name for name, is_there in given.items() if is_there]
    if len(chosen) > 1:
        raise BadInputError(f"{' and '.join(chosen)} cannot be given together", hint="choose one")


def _read_ids(file: Path) -> tuple[str, ...]:
    from account_reviews.domain.errors import BadInputError

    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise BadInputError(f"the file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInputError(f"the file {file} is not UTF-8 text") from None
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise BadInputError(f"the file {file} names no account")
    return found


async def _template(parts: "Parts", fields: dict[str, Any]) -> "ReviewInput":
    from account_reviews.audit.capture.actors import user_name
    from account_reviews.cli.parsing import parse_as_of, parse_metadata
    from account_reviews.services.starts import template

    as_of, plan_only = fields["as_of"], fields["plan_only"]
    return await template(
        parts,
        **{name: fields[name] for name in ("kind", "name", "purpose", "agent", "interactive")},
        plan_only=plan_only,
        metadata=parse_metadata(fields["metadata"]),
        started_by=fields["started_by"] or user_name(),
        as_of=parse_as_of(as_of, plan_only=plan_only) if as_of else None,
    )


async def _start_all(
    parts: "Parts",
    accounts: "list[Account]",
    template: "ReviewInput",
    *,
    by: str | None,
    join: bool,
    raise_first: bool,
) -> list[dict[str, Any]]:
    """A row for each account: its review, or why there is none. The others go on."""
    from account_reviews.presentation.review_documents import started_document
    from account_reviews.services.access import require
    from account_reviews.services.starts import start_each, start_one, start_or_join

    if not accounts:
        return []
    client = await temporal(parts)

    async def one(account: "Account") -> dict[str, Any]:
        await require(parts, "start", by, account)
        start = template.model_copy(update={"account_id": account.id})
        if join:
            state, joined = await start_or_join(parts, client, start, account)
            return started_document(state, joined=joined)
        return started_document(await start_one(parts, client, start, account))

    if raise_first:
        return [await one(account) for account in accounts]
    return await start_each(accounts, one)


def _raise_refused(refused: "dict[str, ReviewsError]") -> None:
    """Nothing comes any more of the one review that was waited for."""
    for error in refused.values():
        raise error


def _exit_code(rows: list[dict[str, Any]], until: Wait | None) -> int:
    if any("error" in row for row in rows):
        return 1
    if until is None:
        return 0
    ended = [row["outcome"] for row in rows if row["outcome"] is not None]
    return 1 if any(outcome not in GOOD_OUTCOMES for outcome in ended) else 0


async def _speak(parts: "Parts", rows: list[dict[str, Any]]) -> None:
    """Have what was refused speak of people and accounts by their names."""
    refused = [row for row in rows if "error" in row]
    if refused:
        from account_reviews.services.telling import in_words

        told = await in_words(parts, *(row["error"] for row in refused))
        for row, text in zip(refused, told, strict=True):
            row["error"] = text


def _print_rows(rows: list[dict[str, Any]], names: dict[str, str], plan_only: bool) -> None:
    from account_reviews.presentation.tables import Cell, Column, account_cell, word_cell
    from account_reviews.presentation.terms import outcome_of, status_of
    from account_reviews.presentation.tones import tone_of

    columns = (
        Column("account_id", "Account", prose=True),
        Column("status", "Status"),
        Column("outcome", "Outcome", 2),
        Column("remark", "Remark", prose=True, folds=True),
        Column("phase", "Phase", wide=True),
        Column("review_id", "Review", wide=True),
        Column("run_id", "Run", wide=True),
    )
    refused = any("error" in row for row in rows)
    shown = [one for one in columns if refused or one.key != "remark"]
    cells = []
    for row in rows:
        outcome, status = row.get("outcome"), row.get("status")
        plans = plan_only and not row.get("joined")
        standing = None if status is None else status_of(status, plan_only=plans)
        found = {
            "account_id": account_cell(names.get(row["account_id"]), row["account_id"]),
            "status": Cell(standing, None, tone_of(status)),
            "outcome": Cell(outcome_of(outcome, plan_only=plans), None, tone_of(outcome)),
            "remark": row.get("error") or ("runs already" if row.get("joined") else None),
            "phase": word_cell(row.get("phase")),
            "review_id": row.get("review_id"),
            "run_id": row.get("run_id"),
        }
        cells.append([found[one.key] for one in shown])
    print_table(shown, cells, view=View(wide=is_wide()))


async def _say_next(parts: "Parts", rows: list[dict[str, Any]], *, closed: bool) -> None:
    """Of one review what it waits for; of several where they are listed."""
    from account_reviews.domain.counting import counted
    from account_reviews.presentation.steps_after import NextStep

    begun = [row for row in rows if "error" not in row]
    if len(begun) == 1 and len(rows) == 1:
        say_next(await _next_of(parts, begun[0]), err=True)
        return
    waiting = sum(row["status"] == "waiting" for row in begun)
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        text = f"{counted(waiting, 'review')} {verb} for decisions"
        say_next(NextStep(text, "reviews approvals list"), err=True)
    elif begun and not closed:
        say_next(NextStep("How far they are", "reviews list --open"), err=True)


async def _next_of(parts: "Parts", row: dict[str, Any]) -> "NextStep":
    from account_reviews.presentation.steps_after import NextStep
    from account_reviews.services.lookup import short_ids
    from account_reviews.services.readers import words_of
    from account_reviews.services.reviews import find_review

    if row["status"] == "running":
        account = shlex.quote(row["account_id"])
        return NextStep("It is under way", f"reviews watch {account}")
    state = (await find_review(parts, row["review_id"], row["run_id"])).state
    return (await words_of(parts)).next_step(state, await short_ids(parts, state))
