"""`reviews health`: does the product do its work now?"""

from typing import TYPE_CHECKING, Any

import typer

from account_reviews.cli.options import Output
from account_reviews.cli.output import Format, leave, print_json, run
from account_reviews.presentation.tables import Column, word_cell
from account_reviews.presentation.terminal import print_table, say

if TYPE_CHECKING:
    from account_reviews.services.health import Report


_COLUMNS = (
    Column("ok", "State"),
    Column("name", "Part"),
    Column("detail", "Found", folds=True),
    Column("hint", "What to do", folds=True, spare=True),
    Column("breaker", "Breaker", 3, spare=True),
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("health")(health)


def health(output: Output = Format.TABLE) -> None:
    """Look how much of its work the product does. Exit code 0 full or degraded, else 1."""
    report = run(_looked(), output)
    if output is Format.JSON:
        print_json(_document(report))
    else:
        _print(report)
    leave(0 if report.level.works else 1)


def _document(report: "Report") -> dict[str, Any]:
    services = [one._asdict() for one in report.services]
    shown = ("name", "ok", "breaker", "since", "detail")
    return {
        "level": report.level,
        "ok": report.level.works,
        "services": [{name: one[name] for name in shown} for one in services],
        "snapshot_age_seconds": report.snapshot_age_seconds,
        **report.sessions,
        "halted": report.halted,
        "checks": [
            {name: one[name] for name in ("name", "ok", "detail", "hint")} for one in services
        ],
    }


def _print(report: "Report") -> None:
    rows = [
        (
            word_cell("ok" if one.ok else "FAILED"),
            one.name,
            one.detail,
            one.hint or "",
            word_cell(one.breaker),
        )
        for one in report.services
    ]
    print_table(_COLUMNS, rows)
    halted = f"; everything is {report.halted}" if report.halted else ""
    say(f"{report.level}: {_last_read(report)}{halted}")


def _last_read(report: "Report") -> str:
    if report.snapshot_age_seconds is not None:
        from datetime import UTC, datetime

        from account_reviews.presentation.quick_words import QuickWords

        age = QuickWords(now=datetime.now(UTC)).span(report.snapshot_age_seconds)
        return f"an account was read {age} ago"
    if any(one.name == "database" and one.ok for one in report.services):
        return "no account was read yet"
    return "the database does not say when an account was read"


async def _looked() -> "Report":
    from account_reviews.cli.access_log import hush
    from account_reviews.config.settings import Settings
    from account_reviews.services.health import look

    hush()
    return await look(Settings.load())
