"""Everything around the web app of a process: telemetry, parts, trail."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.runtime.garbage_collection import pass_over_what_is_there
from account_reviews.runtime.telemetry import telemetry
from account_reviews.web.app import create_app, listen, serve, url_of
from account_reviews.web.crm_webhooks import CrmWebhooks, Refusals
from account_reviews.web.proofs import Secrets


@asynccontextmanager
async def open_webhooks(parts: Parts) -> AsyncIterator[Starlette]:
    """The app of the webhooks. At its end the trail hears of refusals that it was not told yet.

    BadInputError for a secret that cannot be used.
    """
    settings = parts.settings
    refusals = Refusals(settings.tenant, parts.audit.log.put)
    try:
        yield create_app(CrmWebhooks(parts.intake, Secrets.of(settings), refusals))
    finally:
        refusals.close()


async def run_webhooks(settings: Settings, host: str, port: int) -> None:
    """Take webhooks in until SIGTERM. ConflictError when the port is taken, BadInputError."""
    async with (
        telemetry(settings) as measured,
        open_parts(settings, application="reviews-web") as parts,
        open_webhooks(parts) as app,
    ):
        bound = listen(host, port)
        try:
            await serve(app, bound, lambda: _say_ready(settings, bound, measured.ready()))
        finally:
            bound.close()


def _say_ready(settings: Settings, bound: socket.socket, remarks: str) -> None:
    pass_over_what_is_there()
    lines = [f"web ready pid={os.getpid()} url={url_of(bound)}{remarks}"]
    lines += [
        f"{path} lets nobody in: {names} is not set"
        for path, names in Secrets.of(settings).missing().items()
    ]
    print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201
