"""`reviews undo`: ask for an executed write to be taken back. Nothing is, before it is approved."""

import asyncio
import shlex
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from account_reviews.cli.options import Output, Review, Run
from account_reviews.cli.output import Format, is_wide, leave, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.tables import Column, View, word_cell
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from temporalio.client import Client

    from account_reviews.bootstrap import Parts
    from account_reviews.domain.review.state import ReviewState

WAITS_SECONDS: Final = 10.0
"""How long the command waits for the request; the review goes on without it."""
_PAUSE: Final = 0.1


_COLUMNS = (
    Column("title", "What", prose=True),
    Column("result", "Result"),
    Column("remark", "Remark", 2, folds=True, spare=True),
    Column("request_id", "Request", 3),
    Column("item_id", "Item", wide=True),
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("undo")(undo_command)


def undo_command(
    review: Review,
    by: Annotated[str, typer.Option("--as", help="Who asks for it, and may not approve it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    items: Annotated[
        list[str] | None, typer.Option("--item", help="Only this item: number or id; repeatable.")
    ] = None,
    run_id: Run = None,
    output: Output = Format.TABLE,
) -> None:
    """Ask for writes to be taken back. It needs an approval of its own."""
    leave(run(_undo(review, by, reason, list(items or []), run_id, output), output))


async def _undo(
    review: str, by: str, reason: str, items: list[str], run_id: str | None, output: Format
) -> int:
    from account_reviews.domain.errors import BadInputError, ReviewsError
    from account_reviews.domain.person_names import clean_name, person
    from account_reviews.services.access import require
    from account_reviews.services.halts import ensure_not_halted
    from account_reviews.services.reviews import find_review
    from account_reviews.services.undo import refused_row, written_items

    if not person(by):
        raise BadInputError("--as is blank; say who asks for it")
    if not reason.strip():
        raise BadInputError("--reason is blank; say why it is to be taken back")
    async with open_session() as parts:
        await ensure_not_halted(parts)
        of = (await find_review(parts, review, run_id)).state
        await require(parts, "undo", by, of)
        numbers = {str(place): one.change_id for place, (one, _) in enumerate(of.changes, 1)}
        named = [numbers.get(item, item) for item in items]
        wanted = list(dict.fromkeys(named)) or list(await written_items(parts, of))
        client = await temporal(parts)
        rows = []
        for change_id in wanted:
            try:
                rows.append(
                    await _ask(parts, client, of, change_id, clean_name(by), reason.strip())
                )
            except ReviewsError as error:
                if len(items) == 1:
                    raise
                rows.append(refused_row(of, change_id, error))
        names, known = await _names(parts, rows) if output is Format.TABLE else ({}, {})
    if output is Format.JSON:
        print_json(rows[0] if len(items) == 1 else {"items": rows, "next_cursor": None})
    else:
        _print(rows, names, known)
    return 0 if all(row["ok"] for row in rows) else 1


async def _ask(
    parts: "Parts", client: "Client", of: "ReviewState", change_id: str, by: str, reason: str
) -> dict[str, Any]:
    """Begin the undo of one write, or join the one that is open, and wait for its request."""
    from account_reviews.services.starts import start_undo
    from account_reviews.services.undo import look, row

    wanted = await look(parts, of, change_id, by=by, reason=reason)
    undo = wanted.start.undo
    assert undo is not None
    state, joined = await start_undo(parts, client, wanted)
    return row(await _come_to_rest(parts, state), undo, joined=joined)


async def _come_to_rest(parts: "Parts", state: "ReviewState") -> "ReviewState":
    """As it is once it waits for a person or has ended, or after WAITS_SECONDS."""
    from account_reviews.services.reviews import find_review

    for _ in range(round(WAITS_SECONDS / _PAUSE)):
        if state.pending or state.closed_at is not None:
            break
        await asyncio.sleep(_PAUSE)
        state = (await find_review(parts, state.review_id, state.run_id)).state
    return state


async def _names(
    parts: "Parts", rows: list[dict[str, Any]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Request id -> short id, and id -> name of people."""
    from account_reviews.services.lookup import people, short_ids_of

    asked = [row["request_id"] for row in rows if row["request_id"] is not None]
    return await short_ids_of(parts, asked), await people(parts)


def _print(rows: list[dict[str, Any]], names: dict[str, str], people: dict[str, str]) -> None:
    """`names`: request id -> short id; `people`: id -> name."""
    print_table(
        _COLUMNS,
        [
            (
                one["title"],
                word_cell(_result(one)),
                _remark(one),
                names.get(one["request_id"], one["request_id"]),
                one["item_id"],
            )
            for one in rows
        ],
        view=View(wide=is_wide()),
    )
    for one in rows:
        if one["request_id"] is not None:
            name = names.get(one["request_id"], one["request_id"])
            say(f"request {name} waits for {_whom(one, people)}; until then nothing is written")
            note(f"Next: reviews approvals show {shlex.quote(name)}")


def _whom(row: dict[str, Any], people: dict[str, str]) -> str:
    """Who is asked to approve it, without who asked for it."""
    from account_reviews.domain.person_names import person

    by = row["asked_by"]
    others = [name for name in row["approvers"] if person(name) != person(by)]
    return ", ".join(people.get(name, name) for name in others) or f"somebody other than {by}"


def _result(row: dict[str, Any]) -> str:
    if row["error"] is not None:
        return "refused"
    return str(row["outcome"] or row["status"])


def _remark(row: dict[str, Any]) -> str | None:
    if row["error"] is not None:
        error = row["error"]
        return f"{error['message']} ({error['hint']})" if error["hint"] else str(error["message"])
    if row["joined"]:
        return f"{row['asked_by']} asked for it already"
    return None if row["reason"] is None else str(row["reason"])
