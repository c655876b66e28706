"""`reviews cancel`: stop reviews before their next write."""

import typer

from account_reviews.cli.commands.several import Row, rows_of
from account_reviews.cli.options import Actor, Output, Reason, Reviews, Run
from account_reviews.cli.output import Format, leave, run
from account_reviews.cli.session import open_session, temporal


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("cancel")(cancel_command)


def cancel_command(
    reviews: Reviews,
    run_id: Run = None,
    by: Actor = None,
    reason: Reason = None,
    output: Output = Format.TABLE,
) -> None:
    """Stop reviews before their next write. What was written stays; a closed one stays as it is.

    It also ends one that Temporal does not know any more.
    """
    leave(run(_cancel(reviews, run_id, by, reason, output), output))


async def _cancel(
    reviews: list[str], run_id: str | None, by: str | None, reason: str | None, output: Format
) -> int:
    from account_reviews.audit.capture.actors import user_name
    from account_reviews.services.cancellations import cancel

    async with open_session() as parts:
        client = await temporal(parts)

        async def one(review: str) -> Row:
            done = await cancel(
                parts, client, review, run_id=run_id, by=by or user_name(), reason=reason
            )
            return done.document()

        return await rows_of(parts, reviews, run_id, one, output)
