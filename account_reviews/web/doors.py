"""The ways in: a password, a link that works once, a provider. Each try is counted and recorded."""

import ipaddress
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.responses import Response

from account_reviews.access.passwords import Passwords
from account_reviews.access.secret_values import digest
from account_reviews.config.settings import Settings
from account_reviews.domain.access.people import Known
from account_reviews.domain.errors import BadInputError, ConflictError, NotFoundError
from account_reviews.domain.person_names import person
from account_reviews.services.sign_ins import (
    PROVIDED_SESSION,
    SESSION,
    record_sign_in,
    roles_now,
)
from account_reviews.store.web_sign_ins import Bound
from account_reviews.web.identity import Principal
from account_reviews.web.oidc import Oidc
from account_reviews.web.provider import SignInFailedError
from account_reviews.web.refusals import Refused
from account_reviews.web.sessions import Network, Sessions, address_of
from account_reviews.web.site import Site

WINDOW: Final = timedelta(minutes=15)
OF_BOTH: Final = 5
"""Tries of one name from one address within the window."""
OF_NAME: Final = 50
OF_ADDRESS: Final = 30


class Problem(Exception):  # noqa: N818  it is no fault of the program
    """Why somebody is not signed in, as he is told."""

    def __init__(self, said: str, status: int, retry_after: int | None = None) -> None:
        self.said = said
        self.status = status
        self.retry_after = retry_after
        super().__init__(said)


class Doors:
    """Those of one site."""

    def __init__(self, site: Site, sessions: Sessions, refused: Refused, oidc: Oidc | None) -> None:
        self._parts = site.parts
        self._refused = refused
        self._oidc = oidc
        self._passwords = Passwords()
        self._proxies = networks(site.parts.settings)
        self.sessions = sessions

    def address_of(self, request: Request) -> str:
        """Where a request comes from."""
        return address_of(request, self._proxies)

    @property
    def provider_name(self) -> str | None:
        """The host of the provider; None where there is none."""
        issuer = self._parts.settings.oidc_issuer
        return urlsplit(issuer).hostname if issuer and self._oidc else None

    async def by_password(
        self, request: Request, response: Response, name: str, password: str
    ) -> None:
        """Sign a local user in. Problem."""
        address = self.address_of(request)
        bounds = await self._count(name, address)
        row = await self._parts.sign_ins.people.get(name) if person(name) else None
        fits = await self._passwords.match(row.password_hash if row else None, password)
        if row is None or not fits:
            self._note("name or password is wrong", name=row.name if row else "unknown", at=address)
            raise Problem("The name or the password is wrong.", 401)
        await self._forget(bounds)
        await self._admit(request, response, row.name, SESSION, "password")

    async def by_link(self, request: Request, response: Response, secret: str) -> None:
        """Sign in whom the link is for. Problem."""
        address = self.address_of(request)
        bounds = await self._count("", address)
        sessions = self._parts.sign_ins.sessions
        found = await sessions.use_link(digest(secret)) if 0 < len(secret) <= 100 else None
        row = None if found is None else await self._parts.sign_ins.people.get(found)
        if row is None:
            self._note("the link was used, has ended, or never was", at=address)
            raise Problem("That link was used already, or its time is over.", 401)
        await self._forget(bounds)
        await self._admit(request, response, row.name, SESSION, "link")

    async def to_provider(self, request: Request, browser: str, following: str) -> str:
        """The address to go on to. NotFoundError where there is no provider, UnreachableError."""
        oidc = self._provider()
        return await oidc.begin(back=self._back(request), browser=browser, following=following)

    async def from_provider(self, request: Request, response: Response) -> str:
        """Sign in who came back; where he wanted to go. Problem, UnreachableError."""
        oidc = self._provider()
        try:
            found = await oidc.finish(
                dict(request.query_params),
                back=self._back(request),
                browser=self.sessions.browser_of(request),
            )
        except SignInFailedError as error:
            self._note(error.why, at=self.address_of(request))
            raise Problem("That sign-in does not hold. Please begin again.", 401) from None
        known = Known(name=found.name, groups=found.groups)
        if not roles_now(self._parts, known):
            self._note("neither the person nor a group has a role", name=found.name)
            raise Problem(f"{found.name} has no role here. Ask whoever looks after this.", 403)
        try:
            await self._parts.sign_ins.people.put(
                found.name, "oidc", groups=found.groups, length=PROVIDED_SESSION
            )
        except ConflictError:
            self._note("a local user has that name", name=found.name)
            raise Problem(f"{found.name} signs in with a password here.", 403) from None
        await self._admit(request, response, found.name, PROVIDED_SESSION, "provider")
        return found.following

    async def sign_out(self, request: Request, who: Principal) -> None:
        """End the sign-in of this browser."""
        await self.sessions.end(request)
        record_sign_in(self._parts, who.name, "signed out")

    async def _admit(
        self, request: Request, response: Response, name: str, length: timedelta, by: str
    ) -> None:
        await self.sessions.begin(request, response, name, length)
        address = self.address_of(request)
        record_sign_in(self._parts, name, "signed in", by=by, address=address)

    async def _count(self, name: str, address: str) -> list[Bound]:
        """Count a try; under what it was counted. Problem when it is one too many."""
        who = person(name)
        bounds = [Bound(digest(f"address {address}"), OF_ADDRESS)]
        if who:
            both = Bound(digest(f"both {who} {address}"), OF_BOTH)
            bounds = [both, *bounds, Bound(digest(f"name {who}"), OF_NAME)]
        seconds = await self._parts.sign_ins.under_way.count(bounds, WINDOW)
        if seconds is not None:
            self._note("too many tries", at=address)
            minutes = max(1, math.ceil(seconds / 60))
            said = f"Too many tries. Come again in {minutes} minute{'' if minutes == 1 else 's'}."
            raise Problem(said, 429, max(1, math.ceil(seconds)))
        return bounds

    async def _forget(self, bounds: Sequence[Bound]) -> None:
        """Somebody was let in: all who share an address come in the morning."""
        every = [one.key for one in bounds if one.most == OF_BOTH]
        once = [one.key for one in bounds if one.most != OF_BOTH]
        await self._parts.sign_ins.under_way.forget(every, once)

    def _note(self, why: str, *, name: str = "unknown", at: str = "") -> None:
        self._refused.note("sign-in", why, name=name, address=at)

    def _provider(self) -> Oidc:
        if self._oidc is None:
            raise NotFoundError("there is no sign-in provider")
        return self._oidc

    def _back(self, request: Request) -> str:
        ours = self._parts.settings.web_url
        base = ours or f"{request.url.scheme}://{request.headers['host']}"
        return f"{base}/login/oidc/callback"


def networks(settings: Settings) -> Sequence[Network]:
    """REVIEWS_WEB_PROXIES. BadInputError."""
    words = settings.web_proxies.replace(",", " ").split()
    try:
        return [ipaddress.ip_network(word) for word in words]
    except ValueError as error:
        raise BadInputError(
            f"REVIEWS_WEB_PROXIES: {error}", hint="write networks such as 10.0.0.0/8"
        ) from None


async def doors_of(request: Request) -> Doors:
    """The doors of this process."""
    found: Doors = request.app.state.doors
    return found


DoorsHere = Annotated[Doors, Depends(doors_of)]
