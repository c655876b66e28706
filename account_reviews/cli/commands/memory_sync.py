"""Verbs of `memory sync`: what the CRM holds of accounts is brought to the memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.terminal import say

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.domain.memory_sync import SyncType, SyncView

WATCH_SECONDS = 0.3
LOOK_EVERY = 20
"""After so many looks at our tables Temporal is asked, too, whether the sync goes on."""
LOOK_SECONDS = 5.0

_COMING = {
    "pause": ("paused", "it pauses after the batch that is under way"),
    "resume": ("running", "it goes on"),
    "cancel_sync": ("cancelled", "it ends once what is under way is done"),
}
"""What follows a command, and what is said until then."""

By = Annotated[str | None, typer.Option("--as", "--by", help="Who acts.")]
Detach = Annotated[bool, typer.Option("--detach", help="Return once it is started.")]


def register(memory: typer.Typer) -> None:
    """Add the group to that of `memory`."""
    group = typer.Typer(no_args_is_help=True, help="Bring what the CRM holds to the memory.")
    group.command("full")(full)
    group.command("incremental")(incremental)
    group.command("run")(some)
    group.command("pause")(pause)
    group.command("resume")(resume)
    group.command("cancel")(cancel)
    group.command("status")(status)
    memory.add_typer(group, name="sync")


def full(by: By = None, detach: Detach = False, output: Output = Format.TABLE) -> None:
    """Sync all accounts. What is unchanged is skipped."""
    leave(run(_start("full", (), by, detach, output), output))


def incremental(by: By = None, detach: Detach = False, output: Output = Format.TABLE) -> None:
    """Sync what changed since the last success; everything where there was none."""
    leave(run(_start("incremental", (), by, detach, output), output))


def some(
    accounts: Annotated[list[str], typer.Argument(help="Account ids or names.", metavar="ACCOUNT")],
    by: By = None,
    detach: Detach = False,
    output: Output = Format.TABLE,
) -> None:
    """Sync these accounts."""
    leave(run(_start("on_demand", tuple(accounts), by, detach, output), output))


def pause(by: By = None, output: Output = Format.TABLE) -> None:
    """Stop the sync after the batch that is under way."""
    run(_command("pause", by, output), output)


def cancel(by: By = None, output: Output = Format.TABLE) -> None:
    """End the sync. `resume` goes on where it was."""
    run(_command("cancel_sync", by, output), output)


def resume(by: By = None, output: Output = Format.TABLE) -> None:
    """Let a sync go on: one that is paused, that failed or that was cancelled."""
    run(_resume(by, output), output)


def status(output: Output = Format.TABLE) -> None:
    """Show the newest sync, and how old the memory is."""
    run(_status(output), output)


async def _start(
    kind: str, accounts: tuple[str, ...], by: str | None, detach: bool, output: Format
) -> int:
    from account_reviews.domain.memory_sync import SyncInput, SyncStatus, SyncType
    from account_reviews.services.lookup import account_if_known
    from account_reviews.services.memory_syncs import start_sync

    ids = tuple(dict.fromkeys(one.strip() for one in accounts if one.strip()))
    _ensure_named(SyncType(kind), ids)
    async with open_session() as parts:
        who = await _who(parts, by)
        ids = tuple([await account_if_known(parts, one) or one for one in ids])
        start = SyncInput(
            type=SyncType(kind),
            tenant=parts.settings.tenant,
            account_ids=ids,
            started_by=who,
        )
        seen = await start_sync(await temporal(parts), parts.memory_syncs, start)
        if not detach:
            seen = await _follow(parts, seen)
    _show(seen, output)
    if start.type is SyncType.INCREMENTAL and seen.type is SyncType.FULL and output is Format.TABLE:
        say("  no sync was ever completed, so everything is synced")
    refused = bool(ids) and seen.failed > 0  # each was named by somebody
    return 1 if refused or seen.status is SyncStatus.FAILED else 0


def _ensure_named(kind: SyncType, ids: tuple[str, ...]) -> None:
    from account_reviews.domain.errors import BadInputError

    if kind.value == "on_demand" and not ids:
        raise BadInputError("no account is named", hint="give account ids, or sync `full`")


async def _follow(parts: Parts, seen: SyncView) -> SyncView:
    """Show how far it is until it ends or is paused."""
    from account_reviews.cli.progress import sync_meter

    polls = 0
    with sync_meter() as show:
        while seen.status is not None and not seen.status.is_over:
            show(seen)
            if seen.status.value == "paused":
                return seen
            await asyncio.sleep(WATCH_SECONDS)
            polls += 1
            seen = await parts.memory_syncs.view(parts.settings.tenant, seen.sync_id)
            if polls % LOOK_EVERY == 0:
                seen = await _checked(parts, seen)
        show(seen)
    return seen


async def _command(verb: str, by: str | None, output: Format) -> None:
    from account_reviews.services.memory_syncs import command

    async with open_session() as parts:
        who = await _who(parts, by)
        client = await temporal(parts)
        seen = await command(client, parts.memory_syncs, parts.settings.tenant, verb, who)
    _show(seen, output)
    _say_what_comes(verb, seen, output)


async def _resume(by: str | None, output: Format) -> None:
    from account_reviews.services.memory_syncs import resume

    async with open_session() as parts:
        who = await _who(parts, by)
        client = await temporal(parts)
        seen = await resume(client, parts.memory_syncs, parts.settings.tenant, who)
    _show(seen, output)
    _say_what_comes("resume", seen, output)


async def _status(output: Format) -> None:
    async with open_session() as parts:
        seen = await _checked(parts, await parts.memory_syncs.view(parts.settings.tenant))
    _show(seen, output)


async def _checked(parts: Parts, seen: SyncView) -> SyncView:
    """What our tables say of it, unless Temporal says that it has ended."""
    from account_reviews.domain.errors import UnreachableError
    from account_reviews.services.memory_syncs import look

    if seen.status is None or seen.status.is_over:
        return seen
    with suppress(UnreachableError, TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            client = await temporal(parts)
            return await look(client, parts.memory_syncs, parts.settings.tenant, seen.sync_id)
    return seen


async def _who(parts: Parts, by: str | None) -> str:
    from account_reviews.audit.capture.actors import user_name
    from account_reviews.services.access import require

    await require(parts, "memory_sync", by)
    return by or user_name()


def _show(seen: SyncView, output: Format) -> None:
    from account_reviews.domain.counting import counted
    from account_reviews.presentation.quick_words import own_words

    if output is Format.JSON:
        print_json(seen)
        return
    if seen.sync_id is None:
        say("the memory was never synced")
        return
    counts = ", ".join(f"{getattr(seen, name)} {name}" for name in ("done", "skipped", "failed"))
    words = own_words()
    kind, status = words.term(seen.type), words.term(seen.status)
    say(f"{kind} sync of the memory: {status}, {seen.percent:g} %")
    say(f"  {counts} of {counted(seen.total, 'account')}")
    for error in seen.errors[:10]:
        say(f"  {error.account_id or 'sync'}: {error.message}")
    if seen.last_success_at is not None:
        old = ", which is too old: sync it" if seen.stale else ""
        say(f"  the memory is of {words.moment(seen.last_success_at)}{old}")


def _say_what_comes(verb: str, seen: SyncView, output: Format) -> None:
    then, sentence = _COMING[verb]
    if output is not Format.JSON and seen.status not in (None, then):
        say(f"  {sentence}")
