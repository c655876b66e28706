"""Everything around the web app of a process: telemetry, parts, trail."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.domain.policy.access import Role
from account_reviews.runtime.garbage_collection import pass_over_what_is_there
from account_reviews.runtime.telemetry import telemetry
from account_reviews.web.crm_webhooks import CrmWebhooks, Refusals
from account_reviews.web.proofs import Secrets
from account_reviews.web.server import listen, serve, url_of
from account_reviews.web.webhook_app import create_webhook_app

_MOST_AT_ONCE: Final = 2_000
"""Connections: an open page keeps one."""
_END_SECONDS: Final = 4


@asynccontextmanager
async def open_webhooks(parts: Parts) -> AsyncIterator[Starlette]:
    """The app of the webhooks. At its end the trail hears of refusals that it was not told yet.

    BadInputError for a secret that cannot be used.
    """
    settings = parts.settings
    refusals = Refusals(settings.tenant, parts.audit.log.put)
    try:
        yield create_webhook_app(CrmWebhooks(parts.intake, Secrets.of(settings), refusals))
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


async def run_site(settings: Settings, host: str, port: int) -> None:
    """The whole web app until SIGTERM. ConflictError when the port is taken, BadInputError."""
    from account_reviews.web.app import create_app
    from account_reviews.web.security import known_hosts
    from account_reviews.web.sessions import Sessions
    from account_reviews.web.site import Site

    secure = (settings.web_url or "").startswith("https://")
    async with (
        telemetry(settings) as measured,
        open_parts(settings, application="reviews-web") as parts,
    ):
        refusals = Refusals(settings.tenant, parts.audit.log.put)
        webhooks = CrmWebhooks(parts.intake, Secrets.of(settings), refusals)
        site, sessions = Site(parts, secure=secure), Sessions(secure=secure)
        hosts = known_hosts(settings.web_url, [host])
        app = create_app(site, sessions, hosts=hosts, webhooks=webhooks.routes())
        bound = listen(host, port)

        def say() -> None:
            _say_ready(settings, bound, measured.ready())
            link = f"{url_of(bound)}/login/link/{sessions.link('admin', Role.ADMIN)}"
            print(f"sign in once: {link}", file=sys.stderr, flush=True)  # noqa: T201

        try:
            async with site.stack:
                await serve(
                    app,
                    bound,
                    say,
                    most_at_once=_MOST_AT_ONCE,
                    end_seconds=_END_SECONDS,
                    ending=site.closing.set,
                )
        finally:
            bound.close()
            refusals.close()


def _say_ready(settings: Settings, bound: socket.socket, remarks: str) -> None:
    pass_over_what_is_there()
    lines = [f"web ready pid={os.getpid()} url={url_of(bound)}{remarks}"]
    lines += [
        f"{path} lets nobody in: {names} is not set"
        for path, names in Secrets.of(settings).missing().items()
    ]
    print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201
