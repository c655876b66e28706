"""Everything around the web app of a process: telemetry, parts, trail."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.runtime.garbage_collection import pass_over_what_is_there
from account_reviews.runtime.telemetry import telemetry
from account_reviews.web.crm_webhooks import CrmWebhooks, Refusals
from account_reviews.web.proofs import Secrets
from account_reviews.web.server import listen, serve, url_of
from account_reviews.web.webhook_app import create_webhook_app

if TYPE_CHECKING:
    from account_reviews.web.oidc import Oidc
    from account_reviews.web.site import Site

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
    from account_reviews.web.site import Site

    async with (
        telemetry(settings) as measured,
        open_parts(settings, application="reviews-web") as parts,
        Site(parts, secure=(settings.web_url or "").startswith("https://")) as site,
    ):
        refusals = Refusals(settings.tenant, parts.audit.log.put)
        site.stack.callback(refusals.close)
        webhooks = CrmWebhooks(parts.intake, Secrets.of(settings), refusals)
        hosts = known_hosts(settings.web_url, [host])
        app = create_app(site, hosts=hosts, webhooks=webhooks.routes(), oidc=await _open_oidc(site))
        bound = listen(host, port)
        site.stack.callback(bound.close)
        await serve(
            app,
            bound,
            lambda: _say_ready(settings, bound, measured.ready()),
            most_at_once=_MOST_AT_ONCE,
            end_seconds=_END_SECONDS,
            ending=site.closing.set,
        )


async def _open_oidc(site: "Site") -> "Oidc | None":
    """Signing in by the provider of the settings; None where there is none. BadInputError."""
    import httpx2

    from account_reviews.web.oidc import Client, Oidc
    from account_reviews.web.provider import Provider

    settings = site.parts.settings
    client = Client.of(settings)
    if client is None or settings.oidc_issuer is None:
        return None
    http = await site.stack.enter_async_context(httpx2.AsyncClient(follow_redirects=False))
    provider = Provider(settings.oidc_issuer, http)
    return Oidc(provider, client, site.parts.sign_ins.under_way)


def _say_ready(settings: Settings, bound: socket.socket, remarks: str) -> None:
    pass_over_what_is_there()
    lines = [f"web ready pid={os.getpid()} url={url_of(bound)}{remarks}"]
    lines += [
        f"{path} lets nobody in: {names} is not set"
        for path, names in Secrets.of(settings).missing().items()
    ]
    print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201
