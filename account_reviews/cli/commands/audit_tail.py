"""`reviews audit tail` and `export`: finding rows of the trail, and taking them along."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from account_reviews.cli.options import Account, Cursor, Limit, Output
from account_reviews.cli.options import Actor as Acts
from account_reviews.cli.output import Format, is_wide, print_json, print_line, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.tables import View
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from account_reviews.audit.archive.export import AuditExport, Written
    from account_reviews.audit.archive.reader import AuditReader, Filters, Page, Row
    from account_reviews.bootstrap import Parts
    from account_reviews.domain.audit.events import EventType
    from account_reviews.presentation.quick_words import ListWords

FOLLOW_SECONDS = 0.5
AWAY_SECONDS = 2.0
"""Between tries while the database is away."""

Review = Annotated[str | None, typer.Option(help="A review id, or an account by its id or name.")]
Actor = Annotated[str | None, typer.Option(help="Who did it: a name, or an id.")]
Types = Annotated[list[str] | None, typer.Option("--type", help="A type of row; repeat for more.")]
Since = Annotated[str | None, typer.Option(help="From then on: a date or a time with its zone.")]
Until = Annotated[str | None, typer.Option(help="Before then: a date or a time with its zone.")]
Severity = Annotated[str | None, typer.Option(help="This severity and worse.")]
Source = Annotated[str | None, typer.Option(help="history, attempt, fact or client.")]
Text = Annotated[str | None, typer.Option(help="Words in action, resource or details.")]
Run = Annotated[str | None, typer.Option("--run", help="One run, by its run id.")]


def register(audit: typer.Typer) -> None:
    """Add the verbs."""
    audit.command("tail")(tail_command)
    audit.command("export")(export_command)


def tail_command(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    review: Review = None,
    run_id: Run = None,
    account: Account = None,
    actor: Actor = None,
    types: Types = None,
    since: Since = None,
    until: Until = None,
    severity: Severity = None,
    source: Source = None,
    text: Text = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also what machines did, and who read what.")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the audit trail, newest first. With -f oldest first, and as it comes.

    People see what people did and what came of it; --all, --type and --source show more, JSON all.
    """
    given = {
        "review": review,
        "run_id": run_id,
        "account": account,
        "actor": actor,
        "types": types,
        "since": since,
        "until": until,
        "severity": severity,
        "source": source,
        "text": text,
    }
    chosen = every or output is Format.JSON or types or source
    run(_tail(given, follow, limit, cursor, output, business=not chosen), output)


async def _tail(
    given: dict[str, Any],
    follow: bool,
    limit: int,
    cursor: str | None,
    output: Format,
    *,
    business: bool,
) -> None:
    from account_reviews.audit.archive.reader import AuditReader
    from account_reviews.domain.errors import BadInputError
    from account_reviews.services.lookup import need_account

    if follow and cursor is not None:
        raise BadInputError("-f begins with the newest rows", hint="leave --cursor out")
    wanted = _filters(given)
    async with open_session() as parts:
        wanted = await _meant(parts, wanted, given)
        if business:
            wanted = replace(wanted, types=_business(), previews=False)
        reader = AuditReader(parts.audit.statements)
        if given["review"] is not None:
            await _need_review(parts, reader, wanted)
        if follow:
            words = await _words(parts) if output is not Format.JSON else None
            await _follow(reader, wanted, limit, words)
        page = await reader.page(wanted, limit=limit, cursor=cursor)
        if output is not Format.JSON:
            if not page.items and given["account"] is not None:
                await need_account(parts, given["account"])
            await _print_page(parts, page)
            return
    print_json({"items": [_shown(row) for row in page.items], "next_cursor": page.next_cursor})


def _filters(given: dict[str, Any]) -> "Filters":
    """BadInputError for a word that no row can have there."""
    from account_reviews.audit.archive.reader import Filters
    from account_reviews.cli.parsing import parse_choice, parse_time
    from account_reviews.config.settings import Settings
    from account_reviews.domain.audit import events
    from account_reviews.domain.errors import BadInputError
    from account_reviews.services.reviews import review_id_of

    tenant, review = Settings.load().tenant, given["review"]
    begin, end = given["since"], given["until"]
    since = None if begin is None else parse_time(begin, "--since")
    until = None if end is None else parse_time(end, "--until")
    if since is not None and until is not None and since >= until:
        raise BadInputError(f"--since {begin} is not before --until {end}")
    severity, source = given["severity"], given["source"]
    if severity is not None:
        severity = events.Severity(parse_choice("--severity", severity, events.Severity))
    if source is not None:
        source = events.Source(parse_choice("--source", source, events.Source))
    return Filters(
        tenant=tenant,
        review_id=None if review is None else review_id_of(tenant, _worded("--review", review)),
        run_ids=() if given["run_id"] is None else (_worded("--run", given["run_id"]),),
        account_id=_worded("--account", given["account"]),
        actor=_worded("--actor", given["actor"]),
        types=tuple(_type(name) for name in given["types"] or ()),
        severity=severity,
        source=source,
        since=since,
        until=until,
        text=_worded("--text", given["text"]),
    )


def _business() -> "tuple[EventType, ...]":
    from account_reviews.domain.audit.events import BUSINESS

    return tuple(sorted(BUSINESS))


async def _meant(parts: "Parts", wanted: "Filters", given: dict[str, Any]) -> "Filters":
    """With the ids of an account or a review that was called by its name, and all that the person
    is called by."""
    from account_reviews.services.lookup import account_if_known, all_names_of
    from account_reviews.services.reviews import named_review_id

    if given["review"] is not None:
        wanted = replace(wanted, review_id=await named_review_id(parts, given["review"]))
    if given["account"] is not None:
        wanted = replace(wanted, account_id=await account_if_known(parts, given["account"]))
    if wanted.actor is not None:
        others = [name for name in await all_names_of(parts, wanted.actor) if name != wanted.actor]
        wanted = replace(wanted, called=tuple(others))
    return wanted


def _worded(option: str, words: Any) -> Any:
    """The words; BadInputError for none and for what no row can hold."""
    from account_reviews.domain.errors import BadInputError

    if words is not None and not words.strip():
        raise BadInputError(f"{option} is empty", hint="leave it out, or say what is wanted")
    if words is not None and "\x00" in words:
        raise BadInputError(f"{option} holds a NUL character, which no row holds")
    return words


def _type(name: str) -> Any:
    from difflib import get_close_matches

    from account_reviews.domain.audit.events import EventType
    from account_reviews.domain.errors import BadInputError

    known = [kind.value for kind in EventType]
    if name in known:
        return EventType(name)
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else "docs/audit.md lists them"
    raise BadInputError(f"--type {name!r} is no type of row", hint=hint)


async def _need_review(parts: "Parts", reader: "AuditReader", wanted: "Filters") -> None:
    """ReviewNotFoundError when neither the trail nor the read model knows the review."""
    from account_reviews.audit.archive.reader import Filters
    from account_reviews.services.reviews import find_review

    assert wanted.review_id is not None
    if not await reader.exists(Filters(tenant=wanted.tenant, review_id=wanted.review_id)):
        await find_review(parts, wanted.review_id)


async def _print_page(parts: "Parts", page: "Page") -> None:
    from account_reviews.presentation.audit_words import COLUMNS, cells
    from account_reviews.store.name_queries import names_of_accounts

    words = await _words(parts)
    ids = {row["account_id"] for row in page.items if row["account_id"]}
    accounts = await names_of_accounts(parts.statements, parts.settings.tenant, sorted(ids))
    if not page.items:
        say("nothing is in the trail that fits")
        return
    rows = [cells(row, words, accounts) for row in page.items]
    print_table(COLUMNS, rows, view=View(wide=is_wide()))
    if page.next_cursor:
        wider = "a larger --limit (1,000 at most), or narrow it by --since, --account or --type"
        note(f"there is more: {wider}")


async def _words(parts: "Parts") -> "ListWords":
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.store.name_queries import owner_names

    names = await owner_names(parts.statements, parts.settings.tenant)
    people = {who: name for who, name in names.items() if name}
    return list_words(parts.settings, lambda: parts.policy, people=people)


async def _follow(
    reader: "AuditReader", wanted: "Filters", limit: int, words: "ListWords | None"
) -> NoReturn:
    """The newest rows, then every row that comes, in the order of transactions; without `words` as
    JSON lines."""
    from account_reviews.audit.seals.leaves import Position
    from account_reviews.domain.audit.masks import mask_secrets
    from account_reviews.domain.errors import UnreachableError

    below = await reader.final_below()
    page = await reader.page(wanted, limit=limit, below=below)
    for row in reversed(page.items):
        _print_row(row, words)
    position, away = Position(below, 0), False
    while True:
        try:
            rows, position = await reader.following(wanted, position)
            away = False
        except UnreachableError as error:
            rows = []
            if not away:
                note(f"{mask_secrets(error.message)}; going on as soon as it is there again")
            away = True
        for row in rows:
            _print_row(row, words)
        await _pause(rows, away=away)


async def _pause(rows: "list[Row]", *, away: bool) -> None:
    import asyncio

    if away:
        await asyncio.sleep(AWAY_SECONDS)
    elif not rows:
        await asyncio.sleep(FOLLOW_SECONDS)


def _print_row(row: "Row", words: "ListWords | None") -> None:
    if words is None:
        print_line(_shown(row))
        return
    from account_reviews.presentation.audit_words import about, happened, who

    severity = "" if row["severity"] == "info" else f"  [{row['severity']}]"
    at = words.moment(datetime.fromisoformat(row["at"]))
    by = who(row["actor"], words)
    say(f"{at}  {about(row, {}).text}: {happened(row, words)} ({by}){severity}")


def _shown(row: "Row") -> dict[str, Any]:
    """The agreed keys first; `xid` and `seq` are the row's place in the order of sealing."""
    first = (
        "event_id", "tenant", "review_id", "workflow_id", "run_id", "event_type", "at", "actor",
        "action", "resource", "severity", "trace_id", "details",
    )  # fmt: skip
    return {name: row[name] for name in first} | row


def export_command(
    to: Annotated[
        Path | None, typer.Option(help="Of a review: a directory. Of a time: a file.")
    ] = None,
    review: Review = None,
    run_id: Run = None,
    account: Account = None,
    actor: Actor = None,
    types: Types = None,
    since: Since = None,
    until: Until = None,
    severity: Severity = None,
    source: Source = None,
    text: Text = None,
    by: Acts = None,
    output: Output = Format.TABLE,
) -> None:
    """Write rows with their proof: one review as two documents, or a time as JSON lines."""
    filters = {
        "account": account,
        "actor": actor,
        "types": types,
        "since": since,
        "until": until,
        "severity": severity,
        "source": source,
        "text": text,
    }
    written = run(_export(review, run_id, filters, to, by), output)
    if output is Format.JSON:
        print_json(written.document())
        return
    for name, file in written.files.items():
        say(f"{name}: {file}")
    say(f"{written.rows} rows, {written.unsealed} of them not sealed yet")


async def _export(
    review: str | None,
    run_id: str | None,
    filters: dict[str, Any],
    to: Path | None,
    by: str | None,
) -> "Written":
    from account_reviews.domain.errors import BadInputError
    from account_reviews.services.access import require

    given = [name for name, value in filters.items() if value]
    if review is None and run_id is not None:
        raise BadInputError("--run names a run of a review", hint="give --review too")
    if review is not None and given:
        option = "type" if given[0] == "types" else given[0]
        raise BadInputError(
            f"--{option} and --review do not go together", hint="a review is exported whole"
        )
    if review is None and filters["since"] is None:
        raise BadInputError("nothing is named to export", hint="give --review, or --since")
    if review is None and to is None:
        raise BadInputError("no file is named", hint="give --to FILE")
    now = datetime.now(UTC)
    until = filters["until"] or (None if review else now.isoformat())
    wanted = _filters({**filters, "review": review, "run_id": run_id, "until": until})
    async with open_session() as parts:
        await require(parts, "audit", by)
        wanted = await _meant(parts, wanted, {**filters, "review": review})
        export = _exporter(parts)
        if wanted.review_id is not None:
            written = await export.session(wanted.review_id, run_id, to or Path(), now)
        else:
            assert to is not None
            written = await export.range(wanted, to, now)
        _record(parts, now, written, wanted.review_id)
    return written


def _exporter(parts: "Parts") -> "AuditExport":
    """Signs whole exports where this user may read the signing key."""
    import os

    from account_reviews.audit.archive.export import AuditExport
    from account_reviews.audit.archive.reader import AuditReader
    from account_reviews.audit.seals.keys import public_keys, signing_key

    settings = parts.settings
    file = settings.signing_key
    key = signing_key(file) if os.access(file, os.R_OK) else None
    reader = AuditReader(parts.audit.statements)
    return AuditExport(parts.audit.engine, reader, settings.tenant, public_keys(file), key)


def _record(parts: "Parts", at: datetime, written: "Written", review_id: str | None) -> None:
    """An export is a read: who took what along, and the hash of the files."""
    from uuid import uuid4

    from account_reviews.domain.audit import events
    from account_reviews.temporal.names import account_of

    parts.audit.log.put(
        events.AuditEvent(
            event_id=events.audit_entry_id("read", uuid4()),
            at=at,
            source=events.Source.CLIENT,
            event_type=events.EventType.DATA_ACCESS,
            tenant=parts.settings.tenant,
            actor=parts.audit.actor,
            action="reviews audit export",
            resource=review_id or "audit",
            review_id=review_id,
            account_id=None if review_id is None else account_of(review_id),
            details={"rows": written.rows, "unsealed": written.unsealed, "sha256": written.sha256},
        )
    )
