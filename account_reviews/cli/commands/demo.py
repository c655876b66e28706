"""`reviews demo`: everything once, with a proof at the end."""

from enum import StrEnum
from typing import Annotated

import typer

from account_reviews.cli.output import leave, run


class PlayedOn(StrEnum):
    SQL = "sql"
    ZOHO = "zoho"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(demo)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running at the end, until Ctrl-C.")
    ] = False,
    crm: Annotated[
        PlayedOn, typer.Option(help="On tables in PostgreSQL, or on a fake of Zoho CRM.")
    ] = PlayedOn.SQL,
) -> None:
    """Review a sample portfolio, kill the worker on the way, and prove that nothing is lost.

    Takes less than a minute, uses a directory of its own in /tmp and removes it at the end. Exit 0
    when the proof holds, 1 when it does not.
    """
    from account_reviews.demo.main import run_demo
    from account_reviews.demo.worlds import DemoCrm

    leave(run(run_demo(keep=keep, crm=DemoCrm(crm.value))))
