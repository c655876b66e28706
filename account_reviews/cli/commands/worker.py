"""`reviews worker`: the same as `python worker.py`."""

from typing import Annotated

import typer

from account_reviews.cli.output import run


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
) -> None:
    """Run a worker of one tenant until SIGTERM; running activities finish first."""
    from account_reviews.config.settings import Settings
    from worker import run as run_worker

    run(run_worker(Settings.load(), tuple(adopt or ())))
