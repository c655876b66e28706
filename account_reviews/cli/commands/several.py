"""A verb on several reviews: a row for each, and one that is refused holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from account_reviews.cli.following import say_next
from account_reviews.cli.output import Format, print_json
from account_reviews.cli.session import temporal_when_needed
from account_reviews.presentation.steps_after import OPEN_REVIEWS
from account_reviews.presentation.tables import Column, account_cell, word_cell
from account_reviews.presentation.terminal import print_table, say
from account_reviews.presentation.terms import account_named, term_of

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts

_COLUMNS = (
    Column("review", "Account", prose=True),
    Column("status", "Status"),
    Column("message", "What happened", folds=True),
    Column("phase", "Phase", 3),
)
Row = dict[str, Any]
AT_ONCE = 8


async def rows_of(
    parts: "Parts",
    reviews: list[str],
    run_id: str | None,
    one: Callable[[str], Awaitable[Row]],
    output: Format,
) -> int:
    """Do it and print what came of it; gives the exit code.

    The error of a single one is raised. BadInputError for `--run` with several.
    """
    from account_reviews.domain.errors import BadInputError

    named = list(dict.fromkeys(reviews))
    if len(named) == 1:
        row = await one(named[0])
        if output is Format.JSON:
            print_json(row)
        else:
            await say_done(parts, row["account_id"], row["status"], row["message"])
            await say_next_of(parts, row["review_id"], row["run_id"])
        return 0
    if run_id is not None:
        raise BadInputError("--run is about one review", hint="name one REVIEW")
    rows = await _all(named, one)
    if output is Format.JSON:
        print_json({"items": rows, "next_cursor": None})
    else:
        print_table(_COLUMNS, await _cells(parts, rows))
        say_next(OPEN_REVIEWS, err=True)
    return 1 if any("error" in row for row in rows) else 0


async def say_done(parts: "Parts", account_id: str, status: str, message: str) -> None:
    """ "Birch Optics (ac-034): paused: its next step waits, decisions are taken"."""
    from account_reviews.services.telling import account_names_of, in_words

    name = (await account_names_of(parts, [account_id])).get(account_id)
    said, standing = (await in_words(parts, message))[0], term_of(status)
    how = said if said.endswith(standing) else f"{standing}: {said}"
    say(f"{account_named(name, account_id)}: {how}")


async def say_next_of(parts: "Parts", review_id: str, run_id: str) -> None:
    """What comes next for a review that somebody has just said something to."""
    from account_reviews.services.lookup import short_ids
    from account_reviews.services.readers import words_of
    from account_reviews.services.reviews import see_review

    connect = temporal_when_needed(parts)  # it answers itself: its row follows
    state = (await see_review(parts, connect, review_id, run_id)).state
    say_next((await words_of(parts)).next_step(state, await short_ids(parts, state)), err=True)


async def _cells(parts: "Parts", rows: list[Row]) -> list[tuple[object, ...]]:
    from account_reviews.services.telling import account_names_of, in_words

    ids = [str(row.get("account_id", row["review"])) for row in rows]
    names = await account_names_of(parts, ids)
    told = await in_words(parts, *(row.get("error") or row.get("message") or "" for row in rows))
    return [
        (
            account_cell(names.get(ident), ident),
            word_cell("refused" if "error" in row else row.get("status")),
            message,
            word_cell(row.get("phase")),
        )
        for ident, row, message in zip(ids, rows, told, strict=True)
    ]


async def _all(named: list[str], one: Callable[[str], Awaitable[Row]]) -> list[Row]:
    from temporalio.service import RPCError

    from account_reviews.domain.errors import ReviewsError
    from account_reviews.temporal.client import explained

    gate = asyncio.Semaphore(AT_ONCE)

    async def row_of(review: str) -> Row:
        async with gate:
            try:
                return {"review": review, **(await one(review))}
            except (ReviewsError, RPCError) as error:
                said = explained(error) if isinstance(error, RPCError) else error
                return {"review": review, "code": said.code, "error": said.message}

    return list(await asyncio.gather(*(row_of(review) for review in named)))
