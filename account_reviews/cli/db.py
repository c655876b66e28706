"""Verbs of `db`: the database schema."""

import typer

from account_reviews.cli.output import Format, Output, print_json, run


def register(app: typer.Typer) -> None:
    """Add `db upgrade`."""
    db = typer.Typer(help="Prepare the database.", no_args_is_help=True)
    db.command("upgrade")(upgrade)
    app.add_typer(db, name="db")


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
