"""`reviews approvals delegate`: somebody else may decide for you on one request."""

from typing import Annotated

import typer

from account_reviews.cli.options import Output, Reason, Request
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.terminal import note, say

By = Annotated[str, typer.Option("--as", help="Whose seat it is.")]
To = Annotated[str, typer.Option("--to", help="Who may decide too, in his own name.")]


def delegate_command(
    request: Request, who: By, to: To, reason: Reason = None, output: Output = Format.TABLE
) -> None:
    """Let somebody else decide for you. The first of you who decides uses your seat."""
    run(_delegate(request, who, to, reason, output), output)


async def _delegate(request_id: str, who: str, to: str, reason: str | None, output: Format) -> None:
    from account_reviews.domain.errors import BadInputError
    from account_reviews.domain.review.commands import Delegate
    from account_reviews.domain.review.messages import Malformed, checked
    from account_reviews.services.control import command
    from account_reviews.services.lookup import people
    from account_reviews.temporal.executions import unpause_hint

    async with open_session() as parts:
        row = await parts.reader.find_request(parts.settings.tenant, request_id.strip())
        given = {"request_id": row.request.request_id, "by": who, "to": to, "reason": reason}
        said = checked(Delegate, given)
        if isinstance(said, Malformed):
            raise BadInputError(said.why)
        client = await temporal(parts)
        done = await command(parts, client, row.review_id, "delegate", said, run_id=row.run_id)
        known = await people(parts) if output is Format.TABLE else {}
    if output is Format.JSON:
        print_json(
            {
                "request_id": row.request.request_id,
                "review_id": row.review_id,
                "of": said.by,
                "to": said.to,
                "queued": done.queued,
                "message": done.message,
            }
        )
        return
    if not done.queued:
        say(f"{known.get(said.to, said.to)} may decide for {known.get(said.by, said.by)} too")
    else:
        say(done.message)
        note(unpause_hint(row.review_id))
