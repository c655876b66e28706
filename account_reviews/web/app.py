"""The whole web app: pages, the API, sign-in, webhooks, health."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.routing import Route

from account_reviews.web import static_files
from account_reviews.web.api import router as api
from account_reviews.web.api.health import Looked
from account_reviews.web.api.pace import Pace
from account_reviews.web.api.router import bare_app
from account_reviews.web.doors import Doors
from account_reviews.web.errors import install
from account_reviews.web.oidc import Oidc
from account_reviews.web.pages import (
    account,
    cycles,
    inbox,
    links,
    operations,
    portfolio,
    proof,
    request,
    review,
    schedules,
    sign_in,
    standing_in,
    stopping,
)
from account_reviews.web.refusals import Refused
from account_reviews.web.security import Guarded
from account_reviews.web.sessions import Sessions
from account_reviews.web.site import Site
from account_reviews.web.webhook_app import healthz

ROUTERS: Final[tuple[APIRouter, ...]] = (
    static_files.router,
    sign_in.router,
    portfolio.router,
    account.router,
    inbox.router,
    request.router,
    links.router,
    cycles.router,
    schedules.router,
    operations.router,
    standing_in.router,
    stopping.router,
    proof.router,
    review.router,
    api.router,
)
"""In this order a path is looked for."""


def create_app(
    site: Site,
    *,
    oidc: Oidc | None = None,
    hosts: frozenset[str],
    webhooks: Sequence[Route] = (),
    pace: Pace | None = None,
    routers: Sequence[APIRouter] = ROUTERS,
) -> FastAPI:
    """The app. `hosts`: the names it is reached by (`security.known_hosts`). What it begins ends
    with `site.stack`."""
    app = bare_app(routes=[*webhooks, Route("/healthz", healthz, methods=["GET"])])
    app.state.pace, app.state.looked = pace or Pace(), Looked()
    app.state.site = site
    sessions, refused = Sessions(site), Refused(site.parts)
    site.stack.callback(refused.close)
    app.state.recogniser, app.state.refused = sessions, refused
    app.state.doors = Doors(site, sessions, refused, oidc)
    for router in routers:
        app.include_router(router)
    install(app)
    app.add_middleware(Guarded, hosts=hosts, secure=site.secure)
    return app
