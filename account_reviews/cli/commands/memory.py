"""Verbs of `memory`: what is remembered of the accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from account_reviews.cli import completion
from account_reviews.cli.commands import memory_sync
from account_reviews.cli.following import say_next
from account_reviews.cli.lists import Rows, show_list, show_rows, takes_view
from account_reviews.cli.options import Cursor, Output
from account_reviews.cli.output import Format, is_wide, print_json, run
from account_reviews.presentation.tables import AS_IT_FITS, Column, View

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.memory.protocol import (
        FoundItem,
        MemoryHit,
        MemoryKind,
        TimelinePage,
    )
    from account_reviews.presentation.quick_words import ListWords

_SHOWN_CHARS = 120
_REMEMBERED = (
    Column("occurred_at", "When"),
    Column("kind", "Kind"),
    Column("text", "What", prose=True, folds=True),
    Column("source", "Source", 2),
)
_FOUND = (
    *_REMEMBERED,
    Column("account_id", "Account", prose=True),
    Column("score", "Score", 3, right=True),
)

Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="At most so many.")]


def register(app: typer.Typer) -> None:
    """Add `memory search`, `memory timeline` and `memory sync`."""
    memory = typer.Typer(help="What is remembered of the accounts.", no_args_is_help=True)
    memory.command("search")(search)
    memory.command("timeline")(timeline)
    memory_sync.register(memory)
    app.add_typer(memory, name="memory")


def search(
    query: Annotated[
        str, typer.Argument(help='Words, "a phrase", or, -word; matched by their stem.')
    ],
    account: Annotated[str | None, typer.Option("--account", help="Only of this account.")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="review, decision, note, fact, risk or commitment."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="A date or an RFC 3339 time.")
    ] = None,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """Find what is remembered, best first, over all accounts or one."""
    wanted = (query, account, tuple(kind or ()), since, limit)
    found, names = run(_search(*wanted, strict=output is not Format.JSON), output)
    if output is Format.JSON:
        print_json({"items": found, "next_cursor": None})
    else:
        from account_reviews.presentation.quick_words import own_words
        from account_reviews.presentation.steps_after import remembered_step
        from account_reviews.presentation.tables import account_cell

        words = own_words()
        rows = [
            (*_row(hit, words), account_cell(names.get(hit.account_id), hit.account_id),
             f"{hit.score:.3f}")
            for hit in found
        ]  # fmt: skip
        show_rows(AS_IT_FITS, _FOUND, rows, nothing="nothing like that is remembered")
        say_next(remembered_step([hit.account_id for hit in found]), err=True)


@takes_view
def timeline(
    account: Annotated[
        str, typer.Argument(help="Its id or name.", autocompletion=completion.accounts)
    ],
    limit: Limit = 50,
    cursor: Cursor = None,
    output: Output = Format.TABLE,
    view: View = AS_IT_FITS,
) -> None:
    """Everything remembered of an account, newest first."""
    run(_timeline(account, cursor, limit, output, view), output)


def _row(hit: MemoryHit, words: ListWords) -> tuple[object, ...]:
    from account_reviews.presentation.review_table import time_cell
    from account_reviews.presentation.tables import word_cell
    from account_reviews.presentation.text_width import cut

    what = " ".join(f"{hit.title or ''} {hit.text}".split())
    shown = what if is_wide() else cut(what, _SHOWN_CHARS)
    source = "/".join(part for part in (hit.source.system, hit.source.record_id) if part)
    return time_cell(hit.occurred_at, words), word_cell(hit.kind.value), shown, source


async def _search(
    query: str,
    account: str | None,
    kinds: tuple[str, ...],
    since: str | None,
    limit: int,
    *,
    strict: bool,
) -> tuple[tuple[FoundItem, ...], dict[str, str | None]]:
    """What is found, and the names of its accounts.

    `strict`: a person hears that there is no such account.
    """
    from account_reviews.cli.parsing import parse_time
    from account_reviews.services.lookup import need_account
    from account_reviews.services.telling import account_names_of

    wanted = tuple(_kind(name) for name in kinds)
    start = None if since is None else parse_time(since, "--since")
    async with _memory(account) as (parts, account_id):
        found = await parts.memory.search(
            query, account_id=account_id, kinds=wanted, since=start, limit=limit
        )
        if strict and not found and account is not None:
            await need_account(parts, account)
        names = await account_names_of(parts, (hit.account_id for hit in found)) if strict else {}
        return found, names


async def _timeline(
    account: str, cursor: str | None, limit: int, output: Format, view: View
) -> None:
    from account_reviews.presentation.quick_words import own_words
    from account_reviews.presentation.steps_after import timeline_step
    from account_reviews.services.lookup import need_account

    async with _memory(account) as (parts, account_id):

        async def read(after: str | None, most: int) -> TimelinePage:
            page = await parts.memory.timeline(account_id or account, cursor=after, limit=most)
            if not page.items and after is None and output is not Format.JSON:
                await need_account(parts, account)
            return page

        async def rows(found: Sequence[MemoryHit]) -> Rows:
            words = own_words()
            return [_row(hit, words) for hit in found]

        await show_list(
            view, output, read=read, columns=_REMEMBERED, rows=rows, document=lambda hit: hit,
            limit=limit, cursor=cursor, nothing="nothing is remembered of this account",
            ending=lambda found: timeline_step(account_id or account, empty=not found),
        )  # fmt: skip


def _kind(name: str) -> MemoryKind:
    from account_reviews.domain.errors import BadInputError
    from account_reviews.memory.protocol import MemoryKind

    try:
        return MemoryKind(name)
    except ValueError:
        raise BadInputError(
            f"--kind: there is no {name!r}", hint=f"use one of {', '.join(MemoryKind)}"
        ) from None


@asynccontextmanager
async def _memory(account: str | None) -> AsyncIterator[tuple[Parts, str | None]]:
    """What holds the memory, and the id of the account that is meant."""
    from account_reviews.cli.session import open_session
    from account_reviews.services.lookup import account_if_known

    async with open_session() as parts:
        yield parts, await account_if_known(parts, account)
