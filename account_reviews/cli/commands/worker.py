"""`reviews worker`: the same as `python worker.py`."""

import typer

from account_reviews.cli.output import run


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("worker")(worker_command)


def worker_command() -> None:
    """Run a worker until SIGTERM; running activities finish first."""
    from account_reviews.config.settings import Settings
    from worker import run as run_worker

    run(run_worker(Settings.load()))
