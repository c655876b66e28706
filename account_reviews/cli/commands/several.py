"""A verb on several reviews: a row for each, and one that is refused holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from account_reviews.cli.output import Format, print_json
from account_reviews.presentation.tables import Column, word_cell
from account_reviews.presentation.terminal import print_table, say
from account_reviews.presentation.terms import term_of

_COLUMNS = (
    Column("review", "Review"),
    Column("status", "Status"),
    Column("message", "What happened", folds=True),
    Column("phase", "Phase", 3),
)
Row = dict[str, Any]
AT_ONCE = 8


async def rows_of(
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
            say(f"{row['account_id']}: {term_of(row['status'])}: {row['message']}")
        return 0
    if run_id is not None:
        raise BadInputError("--run is about one review", hint="name one REVIEW")
    rows = await _all(named, one)
    if output is Format.JSON:
        print_json({"items": rows, "next_cursor": None})
    else:
        print_table(
            _COLUMNS,
            [
                (
                    row["review"],
                    word_cell("refused" if "error" in row else row.get("status")),
                    row.get("error", row.get("message")),
                    word_cell(row.get("phase")),
                )
                for row in rows
            ],
        )
    return 1 if any("error" in row for row in rows) else 0


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
