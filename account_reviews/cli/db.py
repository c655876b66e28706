"""Verbs of `db`: the database schema."""

from typing import TYPE_CHECKING

import typer

from account_reviews.cli.output import Format, Output, leave, print_json, run

if TYPE_CHECKING:
    from account_reviews.rebuild import RebuildReport


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
        print_json({"rebuilt": report.rebuilt, "failed": report.failed})
    else:
        typer.echo(f"rebuilt {report.rebuilt} reviews")
        for review in report.failed:
            typer.echo(f"no answer from {review}", err=True)
    leave(1 if report.failed else 0)


async def _rebuild() -> "RebuildReport":
    from account_reviews.cli.session import open_session, temporal
    from account_reviews.rebuild import rebuild as rebuild_all

    async with open_session() as parts:
        return await rebuild_all(await temporal(parts), parts.store)


def upgrade(output: Output = Format.TABLE) -> None:
    """Bring the database to the schema of this version. Safe to repeat and to run twice at once."""
    before, after = run(_upgrade(), output)
    if output is Format.JSON:
        print_json({"from": before, "to": after})
    elif before == after:
        typer.echo(f"the database is up to date: {after}")
    else:
        typer.echo(f"database upgraded: {before or 'empty'} -> {after}")


async def _upgrade() -> tuple[str | None, str | None]:
    from account_reviews.settings import Settings
    from account_reviews.store import migrate
    from account_reviews.store.database import create_engine

    url = Settings.load().require_database_url()
    engine = create_engine(url, application_name="reviews-db", command_timeout=None)
    try:
        before = await migrate.current_revision(engine)
        await migrate.upgrade(engine)
        return before, await migrate.current_revision(engine)
    finally:
        await engine.dispose()
