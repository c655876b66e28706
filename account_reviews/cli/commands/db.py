"""Verbs of `db`: the database schema."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.presentation.terminal import note, say

if TYPE_CHECKING:
    from account_reviews.store.migration import Schema
    from account_reviews.upkeep.rebuild import RebuildReport


def register(app: typer.Typer) -> None:
    """Add `db upgrade` and `db rebuild`."""
    db = typer.Typer(help="Prepare the database.", no_args_is_help=True)
    db.command("upgrade")(upgrade)
    db.command("rebuild")(rebuild)
    app.add_typer(db, name="db")


def rebuild(output: Output = Format.TABLE) -> None:
    """Write the rows of every review anew from what Temporal knows. Needs a running worker."""
    report = run(_rebuild(), output)
    if output is Format.JSON:
        print_json(asdict(report))
    else:
        say(f"rebuilt {report.rebuilt} reviews")
        if report.purged:
            say(f"passed over {report.purged} closed longer ago than rows are kept")
        for review in report.without_documents:
            note(f"without what it found, which is stored no more: {review}")
        for review in report.paused:
            note(f"paused in Temporal, its rows are left as they are: {review}")
        for review in report.failed:
            note(f"no answer from {review}")
    leave(1 if report.failed else 0)


async def _rebuild() -> "RebuildReport":
    from account_reviews.cli.session import open_session, temporal
    from account_reviews.upkeep.rebuild import rebuild as rebuild_all

    async with open_session() as parts:
        since = datetime.now(UTC) - parts.policy.retention.closed
        client = await temporal(parts)
        return await rebuild_all(client, parts.store, closed_since=since, writer=parts.writer)


def upgrade(output: Output = Format.TABLE) -> None:
    """Bring the database to the schema of this version. Safe to repeat and to run twice at once.

    The audit trail's database too, when it has one of its own.
    """
    main, audit = run(_upgrade(), output)
    if output is Format.JSON:
        print_json({**main.document(), "audit": audit.document()})
        return
    main.describe("database")
    audit.describe("audit trail")


class Step(NamedTuple):
    """The revision of a schema before and after; None when it was empty."""

    before: str | None
    after: str | None

    def document(self) -> dict[str, str | None]:
        """As programs get it."""
        return {"from": self.before, "to": self.after}

    def describe(self, what: str) -> None:
        """As people get it."""
        if self.before == self.after:
            say(f"the {what} is up to date: {self.after}")
        else:
            say(f"{what} upgraded: {self.before or 'empty'} -> {self.after}")


async def _upgrade() -> tuple[Step, Step]:
    from account_reviews.config.settings import Settings
    from account_reviews.store import migration

    settings = Settings.load()
    main = await _bring_up(settings.require_database_url(), migration.REVIEWS)
    return main, await _bring_up(settings.require_audit_database_url(), migration.AUDIT)


async def _bring_up(url: str, schema: "Schema") -> Step:
    from account_reviews.store import migration
    from account_reviews.store.database import create_engine

    engine = create_engine(url, application_name="reviews-db", command_timeout=None)
    try:
        before = await migration.current_revision(engine, schema)
        await migration.upgrade(engine, schema)
        return Step(before, await migration.current_revision(engine, schema))
    finally:
        await engine.dispose()
