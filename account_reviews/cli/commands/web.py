"""`reviews web`: what answers HTTP."""

from enum import StrEnum
from typing import Annotated

import typer

from account_reviews.cli.output import run


class Part(StrEnum):
    """What the server answers, where it does not answer all."""

    WEBHOOKS = "webhooks"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("web")(web_command)


def web_command(
    only: Annotated[
        Part | None, typer.Option("--only", help="webhooks: what the CRM says has changed.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
) -> None:
    """Serve the inbox, the pages and the API until SIGTERM.

    Only this machine reaches it, unless --host says otherwise.
    """
    from account_reviews.config.settings import Settings
    from account_reviews.runtime.web import run_site, run_webhooks

    serve = run_webhooks if only is Part.WEBHOOKS else run_site
    run(serve(Settings.load(), host, port))
