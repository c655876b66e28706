"""`reviews worker`: the same as `python worker.py`."""

from enum import StrEnum
from typing import Annotated

import typer

from account_reviews.cli.output import run


class Part(StrEnum):
    """What a worker does, where it does not do all."""

    READ = "read"
    WRITE = "write"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("worker")(worker_command)


def worker_command(
    adopt: Annotated[
        list[str] | None,
        typer.Option(
            "--adopt",
            metavar="TENANT",
            help="Also finish open work of this tenant that is on the same task queue.",
        ),
    ] = None,
    only: Annotated[
        Part | None,
        typer.Option(
            "--only", help="read: all but the writes to the CRM. write: nothing but those."
        ),
    ] = None,
) -> None:
    """Run a worker of one tenant until SIGTERM; running activities finish first."""
    from account_reviews.config.settings import Settings
    from account_reviews.runtime.queues import Only
    from worker import run as run_worker

    chosen = None if only is None else Only(only)
    run(run_worker(Settings.load(), tuple(adopt or ()), chosen))
