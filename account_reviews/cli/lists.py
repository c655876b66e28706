"""Lists as people and programs see them: one way for every verb that has rows to show.

A verb with a parameter `view` under `takes_view` gets `--columns`, `--sort`, `--page`, `--no-pager`
and `--watch`. `show_list` does with its rows what they say.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import wraps
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from account_reviews.cli.following import say_next
from account_reviews.cli.options import Columns, NoPager, Page, Sort, Watch
from account_reviews.cli.output import Format, is_wide, print_json, print_line
from account_reviews.presentation.tables import Column, View, chosen, in_order, place_of
from account_reviews.presentation.terminal import clear, print_table, say

if TYPE_CHECKING:
    from account_reviews.presentation.steps_after import NextStep

_Found_co = TypeVar("_Found_co", covariant=True)
_Item = TypeVar("_Item")

WATCH_SECONDS: Final = 2.0
MOST_SORTED: Final = 10_000
"""Rows that are read to be sorted. More than that nobody looks through."""
_AT_ONCE: Final = 200
"""Rows of one query while everything is read."""
_OPTIONS: Final[dict[str, tuple[Any, Any]]] = {
    "columns": (Columns, None),
    "sort": (Sort, None),
    "page": (Page, None),
    "no_pager": (NoPager, False),
    "watch": (Watch, False),
}


class Found(Protocol[_Found_co]):
    """A page of rows, and where the next one begins."""

    @property
    def items(self) -> Sequence[_Found_co]: ...
    @property
    def next_cursor(self) -> str | None: ...


Rows = Sequence[Sequence[object]]
Read = Callable[[str | None, int], Awaitable[Found[_Item]]]
"""A page after a cursor, with at most that many rows."""


def takes_view(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of a list, in place of its parameter `view`.

    BadInputError where `--cursor` is given without `-o json`, or what is for people with it.
    """
    signature = inspect.signature(verb, eval_str=True)
    own = [one for name, one in signature.parameters.items() if name != "view"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in _OPTIONS.items()
    ]

    @wraps(verb)
    def with_view(**given: Any) -> None:
        words = {name: given.pop(name, default) for name, (_, default) in _OPTIONS.items()}
        verb(**given, view=_view(words, given.get("output"), given.get("cursor")))

    with_view.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own] + added
    )
    with_view.__annotations__ = {one.name: one.annotation for one in (*own, *added)}
    return with_view


async def show_list(
    view: View,
    output: Format,
    *,
    read: Read[_Item],
    columns: Sequence[Column],
    rows: Callable[[Sequence[_Item]], Awaitable[Rows]],
    document: Callable[[_Item], object],
    limit: int,
    cursor: str | None = None,
    nothing: str = "nothing is there",
    last: Callable[[Sequence[_Item]], str] | None = None,
    ending: Callable[[Sequence[_Item]], "NextStep | None"] | None = None,
) -> None:
    """Read items and show them, once or with `--watch` until Ctrl-C.

    `rows`: the cells of items, one per column; it may look up names. `document`: what stands for an
    item in JSON. `nothing`: the sentence for people when there are none. `last`: a line below the
    table. `ending`: what comes next, not with `--watch`. With `--sort` everything is read,
    MOST_SORTED rows at most. BadInputError for a column that is not there.
    """
    chosen(columns, view)
    if view.sort:
        place_of(columns, view.sort.removeprefix("-"), "--sort")
    async for _ in times(view):
        items, following = await _read(view, output, read, columns, rows, limit, cursor)
        if output is Format.JSON:
            answer = {"items": [document(one) for one in items], "next_cursor": following}
            (print_line if view.watch else print_json)(answer)
        else:
            cells = await rows(items)
            below = [last(items)] if last is not None and items else []
            below += [f"More rows: --page {view.page + 1}"] if following else []
            missing = nothing if view.page == 1 else f"there is no page {view.page}"
            show_rows(view, columns, cells, nothing=missing, last="\n".join(below))
            if ending is not None and not view.watch:
                say_next(ending(items), err=True)


async def times(view: View) -> AsyncIterator[int]:
    """Once; with `--watch` again and again, until Ctrl-C."""
    import asyncio

    for number in count():
        yield number
        if not view.watch:
            return
        await asyncio.sleep(WATCH_SECONDS)


def show_rows(
    view: View, columns: Sequence[Column], rows: Rows, *, nothing: str, last: str = ""
) -> None:
    """The table on an empty screen with `--watch`; the sentence `nothing` without rows."""
    if view.watch:
        clear()
    if rows:
        print_table(columns, rows, view=view, last=last)
    else:
        say(nothing)


async def _read(
    view: View,
    output: Format,
    read: Read[_Item],
    columns: Sequence[Column],
    rows: Callable[[Sequence[_Item]], Awaitable[Rows]],
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[_Item], str | None]:
    """The items of the page, and a cursor, for people any text, where more follow."""
    if view.sort:
        found = await _all(read, cursor)
        places = in_order(columns, await rows(found), view.sort)
        begin = (view.page - 1) * limit
        page = [found[place] for place in places[begin : begin + limit]]
        more = begin + limit < len(found) and output is Format.TABLE
        return page, "more" if more else None
    at, place = await read(cursor, limit), 1
    while place < view.page and at.next_cursor:
        at, place = await read(at.next_cursor, limit), place + 1
    return (at.items, at.next_cursor) if place == view.page else ([], None)


async def _all(read: Read[_Item], cursor: str | None) -> list[_Item]:
    found: list[_Item] = []
    while len(found) < MOST_SORTED:
        page = await read(cursor, _AT_ONCE)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _view(words: dict[str, Any], output: Format | None, cursor: str | None) -> View:
    from account_reviews.domain.errors import BadInputError

    for_people = output is not Format.JSON
    if for_people and cursor is not None:
        raise BadInputError(
            "--cursor is for programs: it goes with -o json", hint="--page 2 shows the next rows"
        )
    for option, given in (("--columns", words["columns"]), ("--page", words["page"])):
        if given is not None and not for_people:
            hint = "--cursor goes on where a page ended" if option == "--page" else None
            raise BadInputError(f"{option} is for tables: a document holds everything", hint=hint)
    names = [name.strip() for name in (words["columns"] or "").split(",")]
    if words["columns"] is not None and not all(names):
        raise BadInputError("--columns names a column that has no name", hint="--columns a,b")
    if words["sort"] is not None and not words["sort"].strip("- "):
        raise BadInputError("--sort names no column", hint="--sort due or --sort -due")
    return View(
        columns=tuple(names) if words["columns"] is not None else (),
        sort=words["sort"],
        page=words["page"] or 1,
        wide=is_wide(),
        pager=not words["no_pager"] and not words["watch"],
        watch=words["watch"],
    )
