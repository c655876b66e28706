"""`reviews cycles`: review whole portfolios, follow them, pause, resume, cancel."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli.lists import Rows, show_list, takes_view
from account_reviews.cli.options import (
    AllAccounts,
    AllOfOwner,
    AsOf,
    Cursor,
    DocumentFormat,
    Form,
    InStatus,
    Limit,
    OfKind,
    Output,
    Reason,
)
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.cli.session import open_session, temporal, temporal_if_there
from account_reviews.presentation.tables import View
from account_reviews.presentation.terminal import note, print_prose, say

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.domain.cycle.state import CycleScope, CycleView
    from account_reviews.services.cycles import Handle
    from account_reviews.store.cycle_queries import CyclePage, CycleRow

WATCH_SECONDS = 0.3
COUNTS = ("accounts", "done", "running", "waiting", "failed", "joined")

Cycle = Annotated[str, typer.Argument(help="A cycle, as `cycles list` has it.")]
By = Annotated[str | None, typer.Option("--as", "--by", help="Who acts.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Review whole portfolios.")
    group.command("start")(start_command)
    group.command("list")(list_command)
    group.command("show")(show_command)
    group.command("pause")(pause_command)
    group.command("resume")(resume_command)
    group.command("cancel")(cancel_command)
    app.add_typer(group, name="cycles")


def start_command(
    owner: AllOfOwner = None,
    every: AllAccounts = False,
    accounts: Annotated[
        list[str] | None, typer.Option(help="Accounts, by id or name, with commas or one by one.")
    ] = None,
    segment: Annotated[str | None, typer.Option(help="Only this segment.")] = None,
    kind: Annotated[str, typer.Option(help="A cycle kind of the policy.")] = "on_demand",
    as_of: AsOf = None,
    window: Annotated[
        int | None, typer.Option(min=1, max=50, help="Reviews that work at once.")
    ] = None,
    bulk: Annotated[
        bool, typer.Option("--bulk/--no-bulk", help="Read many accounts at once.")
    ] = True,
    by: By = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Start one cycle. It ends when its reviews wait for people."""
    fields = {"kind": kind, "window": window, "bulk_reads": bulk}
    choice = (owner, every, accounts, segment)
    leave(run(_start(choice, as_of, fields, by, watch, output), output))


async def _start(
    choice: tuple[str | None, bool, list[str] | None, str | None],
    as_of: str | None,
    fields: dict[str, Any],
    by: str | None,
    watch: bool,
    output: Format,
) -> int:
    from account_reviews.audit.capture.actors import user_name
    from account_reviews.cli.parsing import parse_as_of
    from account_reviews.services.access import require
    from account_reviews.services.cycles import cycle_input, start_cycle
    from account_reviews.services.halts import ensure_not_halted, starting

    async with open_session() as parts:
        await require(parts, "cycles", by)
        await ensure_not_halted(parts)
        scope = await _scope(parts, *choice)
        start = await cycle_input(
            parts,
            scope=scope,
            started_by=by or user_name(),
            as_of=parse_as_of(as_of) if as_of else None,
            **fields,
        )
        client = await temporal(parts)
        async with starting(parts):
            handle = await start_cycle(client, start)
        document: dict[str, Any] = {
            "cycle_id": handle.id,
            "run_id": handle.first_execution_run_id,
            "kind": start.kind,
            "status": "running",
        }
        if watch:
            document = (await _follow(parts, handle)).model_dump()
        await _print_one(parts, document, output)
        return 0 if document["status"] in ("running", "completed") else 1


async def _scope(
    parts: "Parts", owner: str | None, every: bool, accounts: list[str] | None, segment: str | None
) -> "CycleScope":
    from account_reviews.crm.protocol import AccountFilter
    from account_reviews.domain.cycle.state import CycleScope
    from account_reviews.domain.errors import BadInputError, NotFoundError
    from account_reviews.services.accounts import find_accounts, id_of_owner

    given = {"--owner": owner is not None, "--all": every, "--accounts": bool(accounts)}
    chosen = [name for name, is_there in given.items() if is_there]
    if len(chosen) != 1:
        said = f"{' and '.join(chosen)} cannot be given together" if chosen else "nobody is named"
        raise BadInputError(said, hint="give one of --owner, --all and --accounts")
    if accounts:
        named = (part.strip() for given in accounts for part in given.split(","))
        ids = tuple(dict.fromkeys(name for name in named if name))
        found = await find_accounts(parts, ids=ids)
        return CycleScope(account_ids=tuple(one.id for one in found), segment=segment)
    owner_id = None if owner is None else await id_of_owner(parts, owner)
    where = AccountFilter(owner=owner_id, segment=segment)
    if not (await parts.accounts.list_accounts(where, limit=1)).items:
        whose = f" of owner {owner!r}" if owner else ""
        which = f" in segment {segment!r}" if segment else ""
        raise NotFoundError(f"the CRM has no accounts{whose}{which}")
    return CycleScope(owner=owner_id, segment=segment)


async def _follow(parts: "Parts", handle: "Handle") -> "CycleView":
    """Show how far it is until it ends."""
    from account_reviews.cli.progress import cycle_meter
    from account_reviews.services.cycles import ask, last_view
    from account_reviews.services.lookup import people

    with cycle_meter(await people(parts)) as show:
        while True:
            seen = await ask(handle)
            if seen is not None:
                show(seen)
                if seen.closed_at is not None:
                    return seen
            else:
                closed = await last_view(handle)
                if closed is not None:
                    return closed
            await asyncio.sleep(WATCH_SECONDS)


@takes_view
def list_command(
    view: View,
    status: InStatus = None,
    kind: OfKind = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    output: Output = Format.TABLE,
) -> None:
    """List cycles, newest first."""
    run(_list(status, kind, limit, cursor, output, view), output)


async def _list(
    status: str | None,
    kind: str | None,
    limit: int,
    cursor: str | None,
    output: Format,
    view: View,
) -> None:
    from account_reviews.cli.parsing import parse_choice
    from account_reviews.domain.cycle.state import CycleStatus
    from account_reviews.presentation.cycle_table import CYCLE_COLUMNS, cycle_row, short_cycle
    from account_reviews.presentation.quick_words import list_words

    known = parse_choice("--status", status, CycleStatus) if status else None
    async with open_session() as parts:

        async def read(after: str | None, most: int) -> "CyclePage":
            return await parts.cycles.page(
                tenant=parts.settings.tenant, status=known, kind=kind, cursor=after, limit=most
            )

        async def rows(found: "Sequence[CycleRow]") -> Rows:
            words = list_words(parts.settings, lambda: parts.policy)
            return [cycle_row(row, words) for row in found]

        await show_list(
            view, output, read=read, columns=CYCLE_COLUMNS, rows=rows, document=lambda row: row,
            limit=limit, cursor=cursor, nothing="no cycle was started yet",
            last=lambda found: f"Next: reviews cycles show {short_cycle(found[0].cycle_id)}",
        )  # fmt: skip


def show_command(
    cycle: Cycle,
    owner: Annotated[str | None, typer.Option(help="Only this owner's brief: id or name.")] = None,
    form: Form = DocumentFormat.MARKDOWN,
    output: Output = Format.TABLE,
) -> None:
    """Show how a cycle stands, its portfolio report and the briefs of the owners."""
    run(_show(cycle, owner, DocumentFormat.JSON if output is Format.JSON else form), output)


async def _show(cycle: str, owner: str | None, form: DocumentFormat) -> None:
    from account_reviews.domain.errors import NotFoundError
    from account_reviews.presentation.cycle_documents import cycle_document, render_cycle
    from account_reviews.services.lookup import find_owner

    async with open_session() as parts:
        row = await parts.cycles.find(parts.settings.tenant, cycle)
        live = await _live(parts, row) if row.closed_at is None else None
        if live is not None:
            row = row.model_copy(update={name: getattr(live, name) for name in COUNTS})
        briefs = await parts.cycles.briefs(row.run_id, owner)
        if owner is not None and not briefs:
            briefs = await parts.cycles.briefs(row.run_id, (await find_owner(parts, owner)).id)
        if owner is not None and not briefs:
            raise NotFoundError(
                f"the cycle {row.cycle_id} has no brief for owner {owner!r}",
                hint="see `reviews cycles show` without --owner",
            )
        portfolio = await parts.cycles.portfolio(row.run_id)
        document = cycle_document(row, briefs, portfolio)
        if form is DocumentFormat.JSON:
            print_json(document)
            return
        from account_reviews.services.documents import beside_cycle

        print_prose(render_cycle(document, form.value, *await beside_cycle(parts, document)))


async def _live(parts: "Parts", row: "CycleRow") -> "CycleView | None":
    """What an open cycle says of itself; None when nobody answers."""
    from account_reviews.services.cycles import ask, handle_of

    client = await temporal_if_there(parts)
    return await ask(handle_of(client, row)) if client is not None else None


def pause_command(
    cycle: Cycle, by: By = None, reason: Reason = None, output: Output = Format.TABLE
) -> None:
    """Start no more reviews of this cycle. Those that work go on."""
    run(_command(cycle, "pause", by, reason, output), output)


def resume_command(
    cycle: Cycle, by: By = None, reason: Reason = None, output: Output = Format.TABLE
) -> None:
    """Start reviews of a paused cycle again."""
    run(_command(cycle, "resume", by, reason, output), output)


def cancel_command(
    cycle: Cycle, by: By = None, reason: Reason = None, output: Output = Format.TABLE
) -> None:
    """Start no more reviews and end. A closed cycle stays as it is."""
    run(_command(cycle, "cancel_cycle", by, reason, output), output)


async def _command(
    cycle: str, name: str, by: str | None, reason: str | None, output: Format
) -> None:
    from account_reviews.audit.capture.actors import user_name
    from account_reviews.services.access import require
    from account_reviews.services.cycles import command, end_left_behind, handle_of

    async with open_session() as parts:
        await require(parts, "cycles", by)
        row = await parts.cycles.find(parts.settings.tenant, cycle)
        cancels, who = name == "cancel_cycle", by or user_name()
        ended: CycleRow | None = row if cancels and row.closed_at is not None else None
        if ended is None:
            client = await temporal(parts)
            ended = await end_left_behind(parts, client, row, who) if cancels else None
        if ended is not None:
            document = ended.model_dump()
        else:
            message = {"by": who, "reason": reason}
            document = (await command(handle_of(client, row), name, message)).model_dump()
        await _print_one(parts, document, output)


async def _print_one(parts: "Parts", document: dict[str, Any], output: Format) -> None:
    from account_reviews.presentation.cycle_table import counts_in_words, short_cycle
    from account_reviews.services.lookup import people

    if output is Format.JSON:
        print_json(document)
        return
    name = short_cycle(document["cycle_id"])
    reason = f" ({document['reason']})" if document.get("reason") else ""
    say(f"cycle {name}: {document['status']}{reason}")
    if "accounts" in document:
        say(f"  {counts_in_words(document)}")
    if document.get("paused_by"):
        by = document["paused_by"]
        say(f"  paused by {(await people(parts)).get(by, by)}")
    note(f"Next: reviews cycles show {name}")
