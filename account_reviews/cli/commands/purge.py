"""`reviews purge`: archive closed reviews and remove their rows."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from account_reviews.cli.options import Actor, Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session
from account_reviews.presentation.terminal import note, say

if TYPE_CHECKING:
    from account_reviews.store.retention import Removed


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("purge")(purge_command)


def purge_command(
    older_than: Annotated[
        str | None,
        typer.Option(help="How long they are closed: 7d, 12h; else retention.closed counts."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    by: Actor = None,
    output: Output = Format.TABLE,
) -> None:
    """Archive closed reviews and remove their rows. Open and waiting ones always stay."""
    removed = run(_purge(older_than, dry_run, by), output)
    if output is Format.JSON:
        print_json(_document(removed, dry_run))
        return
    if dry_run:
        say(f"{_count(removed.reviews, 'review')} would be archived and removed")
    else:
        say(f"archived {_count(removed.reviews, 'review')} and removed their rows")
        gone = [
            _count(getattr(removed, f"{what}s"), words)
            for what, words in _MORE.items()
            if getattr(removed, f"{what}s")
        ]
        if gone:
            say(f"removed {', '.join(gone)}")
    if removed.held:
        held = _count(removed.held, "review")
        note(f"{held} old enough stay: their accounts are under a legal hold")


_MORE = {
    "cycle": "cycle",
    "digest": "digest",
    "document": "document",
    "outcome": "old outcome",
    "archive": "old archive",
}


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _document(removed: "Removed", dry_run: bool) -> dict[str, Any]:
    return {
        "removed": removed.reviews,
        "archived": removed.reviews,
        "cycles": removed.cycles,
        "digests": removed.digests,
        "documents": removed.documents,
        "outcomes": removed.outcomes,
        "archives_removed": removed.archives,
        "held": removed.held,
        "dry_run": dry_run,
    }


async def _purge(older_than: str | None, dry_run: bool, by: str | None) -> "Removed":
    from datetime import UTC, datetime

    from account_reviews.audit.capture.actors import user_name
    from account_reviews.cli.parsing import parse_age
    from account_reviews.domain.access.roles import Verb
    from account_reviews.services.access import require
    from account_reviews.upkeep.purge import purge

    age = None if older_than is None else parse_age(older_than, "--older-than")
    async with open_session() as parts:
        await require(parts, Verb.PURGE, by)
        return await purge(
            parts.engine,
            parts.policy,
            parts.settings.tenant,
            actor=(by or "").strip() or user_name(),
            now=datetime.now(UTC),
            older_than=age,
            dry_run=dry_run,
        )
