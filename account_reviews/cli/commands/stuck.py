"""`reviews stuck` and `reviews retry`: what does not get on, and having it tried again now."""

from typing import TYPE_CHECKING

import typer

from account_reviews.cli.following import say_next
from account_reviews.cli.lists import show_rows, takes_view, times
from account_reviews.cli.options import Actor, Limit, Output, Reason, Review, Run
from account_reviews.cli.output import Format, print_json, print_line, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.tables import AS_IT_FITS, View
from account_reviews.presentation.terminal import note, say

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts
    from account_reviews.domain.review.pending import StuckReview
    from account_reviews.services.stuck import StuckReport


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("stuck")(stuck_command)
    app.command("retry")(retry_command)


@takes_view
def stuck_command(
    limit: Limit = 100, output: Output = Format.TABLE, view: View = AS_IT_FITS
) -> None:
    """List open reviews that do not get on. Step, last error and next try of each."""
    run(_stuck(limit, output, view), output)


async def _stuck(limit: int, output: Format, view: View) -> None:
    from account_reviews.domain.counting import counted
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.presentation.steps_after import stuck_step
    from account_reviews.presentation.stuck_documents import STUCK_COLUMNS, stuck_rows
    from account_reviews.services.stuck import find_stuck
    from account_reviews.services.telling import account_names_of

    async with open_session() as parts:
        client = await temporal(parts)
        async for _ in times(view):
            report = await find_stuck(client, parts.settings.tenant, limit=limit)
            if output is Format.JSON:
                _print_json(report, as_line=view.watch)
                continue
            words = list_words(parts.settings, lambda: parts.policy)
            names = await account_names_of(parts, (one.account_id for one in report.found))
            rows = [
                row
                for one in report.found
                for row in stuck_rows(one, names.get(one.account_id), words)
            ]
            were = "was" if report.looked_at == 1 else "were"
            looked_at = f"{counted(report.looked_at, 'open review')} {were} looked at"
            nothing = f"nothing is stuck: {looked_at}"
            show_rows(view, STUCK_COLUMNS, rows, nothing=nothing)
            if report.left_out:
                were = "was" if report.left_out == 1 else "were"
                left_out = counted(report.left_out, "open review")
                note(f"{left_out} {were} not looked at; see --limit")
            if not view.watch:
                say_next(stuck_step(one.account_id for one in report.found), err=True)


def _print_json(report: "StuckReport", *, as_line: bool) -> None:
    from account_reviews.presentation.stuck_documents import stuck_documents

    items = [item for one in report.found for item in stuck_documents(one)]
    counts = {"looked_at": report.looked_at, "left_out": report.left_out}
    (print_line if as_line else print_json)({"items": items, "next_cursor": None, **counts})


def retry_command(
    review: Review,
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    output: Output = Format.TABLE,
) -> None:
    """Have the failing step of a review run now. Else it runs at its next time."""
    run(_retry(review, run_id, by, reason, output), output)


async def _retry(
    review: str, run_id: str | None, by: str | None, reason: str | None, output: Format
) -> None:
    from account_reviews.domain.errors import BadInputError
    from account_reviews.services.access import require
    from account_reviews.services.reviews import find_review
    from account_reviews.services.stuck import retry

    if by is not None and not by.strip():
        raise BadInputError("--as takes a name, not an empty text", hint="--as ann")
    async with open_session() as parts:
        if by is not None:
            await require(parts, "retry", by, (await find_review(parts, review, run_id)).state)
        client = await temporal(parts)
        done = await retry(parts, client, review, run_id=run_id, reason=reason, by=by)
        if output is Format.JSON:
            _print_retried(done)
        else:
            await _say_retried(parts, done)


def _print_retried(done: "StuckReview") -> None:
    from account_reviews.presentation.stuck_documents import retried_document

    print_json(retried_document(done))


async def _say_retried(parts: "Parts", done: "StuckReview") -> None:
    from account_reviews.domain.review.usage import in_words
    from account_reviews.presentation.terms import account_named
    from account_reviews.services.telling import account_names_of

    name = (await account_names_of(parts, [done.account_id])).get(done.account_id)
    for step in done.steps:
        say(
            f"{account_named(name, done.account_id)}: {in_words(step.step)} runs now"
            f" (attempt {step.attempt} failed with: {step.error})"
        )
