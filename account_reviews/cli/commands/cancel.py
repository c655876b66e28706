"""`reviews cancel`: stop a review before its next write."""

import typer

from account_reviews.cli.options import Actor, Output, Reason, Review, Run
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.terminal import say


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("cancel")(cancel_command)


def cancel_command(
    review: Review,
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    output: Output = Format.TABLE,
) -> None:
    """Stop a review before its next write. What was written stays; a closed one stays as it is.

    It also ends one that Temporal does not know any more.
    """
    run(_cancel(review, run_id, by, reason, output), output)


async def _cancel(
    review: str, run_id: str | None, by: str | None, reason: str | None, output: Format
) -> None:
    from account_reviews.audit.capture.actors import user_name
    from account_reviews.services.cancellations import cancel

    async with open_session() as parts:
        client = await temporal(parts)
        done = await cancel(
            parts, client, review, run_id=run_id, by=by or user_name(), reason=reason
        )
    state = done.state
    if output is Format.JSON:
        document = state.model_dump(
            include={"review_id", "run_id", "account_id", "phase", "status", "outcome", "closed_at"}
        )
        print_json({**document, "queued": done.queued, "message": done.message})
    else:
        say(f"{state.review_id}: {state.status}: {done.message}")
