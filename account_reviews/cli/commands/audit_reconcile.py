"""`reviews audit reconcile`: the trail against Temporal; what is missing is added."""

from typing import TYPE_CHECKING, Annotated

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.terminal import note, print_table

if TYPE_CHECKING:
    from account_reviews.audit.history.reconciler import Reconciled


def register(audit: typer.Typer) -> None:
    """Add the verb."""
    audit.command("reconcile")(reconcile_command)


def reconcile_command(
    since: Annotated[
        str | None,
        typer.Option(help="Reviews that closed since then; without it, since the last time."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Compare the trail with the histories in Temporal and add what is missing.

    Exit code 1: a history was deleted before all of it was stored.
    """
    found = run(_reconcile(since), output)
    if output is Format.JSON:
        print_json(found)
    else:
        _print(found)
    leave(1 if found.gaps else 0)


async def _reconcile(since: str | None) -> "Reconciled":
    from datetime import UTC, datetime

    from temporalio.service import RPCError

    from account_reviews.audit.history.reconciler import Reconciler
    from account_reviews.cli.parsing import parse_time
    from account_reviews.domain.audit.redaction import rules_of
    from account_reviews.domain.errors import UnreachableError

    moment = parse_time(since, "--since") if since is not None else None
    async with open_session() as parts:
        client = await temporal(parts)
        rules = rules_of(parts.policy)
        reconciler = Reconciler(client, parts.audit.engine, parts.engine, rules)
        try:
            return await reconciler.full(now=datetime.now(UTC), since=moment)
        except (RPCError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            raise UnreachableError(
                f"Temporal does not answer: {reason}",
                hint="what was added so far stays; try again",
            ) from error


def _print(found: "Reconciled") -> None:
    rows = [
        ("Histories compared", found.runs),
        ("Rows added", found.rows_added),
        ("Attempts closed as lost", found.closed_as_lost),
        ("Histories that were gone", len(found.gaps)),
    ]
    print_table(("What", "How many"), rows)
    for sentence in found.warnings:
        note(f"warning: {sentence}")
