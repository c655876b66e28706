"""`reviews audit retain`: drop the months of the trail that are archived. Its owner may."""

from typing import TYPE_CHECKING

import typer

from account_reviews.cli.options import Actor, Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.presentation.terminal import note, say

if TYPE_CHECKING:
    from account_reviews.audit.archive.retention import Retained


def register(audit: typer.Typer) -> None:
    """Add the verb."""
    audit.command("retain")(retain_command)


def retain_command(
    by: Actor = None,
    output: Output = Format.TABLE,
) -> None:
    """Drop the months that are older than `retention.audit` and archived, from the database.

    REVIEWS_AUDIT_OWNER_URL names the database with the login that owns the trail. Each archive is
    read back and checked first.
    """
    found = run(_retain(by), output)
    if output is Format.JSON:
        print_json({"dropped": found.dropped, "kept": found.kept, "notes": found.notes})
        return
    say(f"dropped {', '.join(found.dropped) or 'nothing'}")
    for name in found.kept:
        note(f"{name} stays: not every row of it is archived as it was sealed")
    for sentence in found.notes:
        note(sentence)


async def _retain(by: str | None) -> "Retained":
    from datetime import UTC, datetime

    from account_reviews.audit.archive.retention import retain
    from account_reviews.audit.capture.actors import local_actor
    from account_reviews.audit.seals.keys import public_keys
    from account_reviews.config.settings import Settings
    from account_reviews.domain.errors import BadInputError
    from account_reviews.store.database import create_engine

    settings = Settings.load()
    if settings.audit_owner_url is None:
        raise BadInputError(
            "REVIEWS_AUDIT_OWNER_URL is not set: only the owner of the trail drops months of it",
            hint="set it to the address of the audit database with the owner's login",
        )
    engine = create_engine(
        settings.audit_owner_url, application_name="reviews audit retain", command_timeout=None
    )
    try:
        return await retain(
            engine,
            public_keys(settings.signing_key, settings.pinned_keys),
            settings.archive_place,
            tenant=settings.tenant,
            actor=(by or "").strip() or local_actor(),
            keep=settings.policy().retention.audit,
            now=datetime.now(UTC),
        )
    finally:
        await engine.dispose()
