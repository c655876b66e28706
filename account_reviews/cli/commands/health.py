"""`reviews health`: does the product do its work now?"""

from typing import TYPE_CHECKING

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.presentation.terminal import print_table

if TYPE_CHECKING:
    from account_reviews.services.health import Report


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("health")(health)


def health(output: Output = Format.TABLE) -> None:
    """Look whether database, Temporal, workers and lists work. Exit code 0 yes, 1 no."""
    report = run(_looked(), output)
    if output is Format.JSON:
        checks = [one._asdict() for one in report.checks]
        print_json({"ok": report.ok, "checks": checks})
    else:
        rows = [
            ("ok" if one.ok else "FAILED", one.name, one.detail, one.hint or "")
            for one in report.checks
        ]
        print_table(("", "part", "found", "what to do"), rows)
    leave(0 if report.ok else 1)


async def _looked() -> "Report":
    from account_reviews.cli.access_log import hush
    from account_reviews.config.settings import Settings
    from account_reviews.services.health import look

    hush()
    return await look(Settings.load())
