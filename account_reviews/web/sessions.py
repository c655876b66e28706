"""Whose request it is: a cookie of a sign-in, or the token of a program."""

import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from fastapi import Request
from starlette.responses import Response

from account_reviews.access.secret_values import digest, new_secret
from account_reviews.domain.access.people import Known
from account_reviews.domain.policy.access import Role
from account_reviews.services.sign_ins import roles_now, token_of
from account_reviews.web.identity import BadTokenError, Principal
from account_reviews.web.site import Site

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST: Final = 100
_BROWSER: Final = timedelta(hours=1)


class Sessions:
    """Those of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._store = site.parts.sign_ins.sessions
        prefix = "__Host-" if site.secure else ""  # no other host of the domain can set it then
        self.cookie = f"{prefix}reviews_session"
        self.browser_cookie = f"{prefix}reviews_browser"

    async def recognise(self, request: Request) -> Principal | None:
        """Whose request this is. BadTokenError for a token that does not hold, PolicyError."""
        given = request.headers.getlist("authorization")
        if len(given) > 1:  # a proxy and we could each believe another one
            raise BadTokenError
        return await (self._of_token(given[0]) if given else self._of_cookie(request))

    def is_shown(self, request: Request) -> bool:
        """Whether it carries a token or a cookie of a sign-in, whatever that is worth."""
        return "authorization" in request.headers or self.cookie in request.cookies

    async def _of_token(self, given: str) -> Principal | None:
        scheme, _, text = given.partition(" ")
        found = None
        if scheme.lower() == "bearer":
            found = await token_of(self._site.parts, text.strip())
        if found is None:
            raise BadTokenError
        self._site.parts.guard.access()  # a policy with a fault stops programs as it stops people
        return Principal(
            name=found.name,
            roles=found.roles,
            how="token",
            scopes=None if found.scopes is None else frozenset(found.scopes),
        )

    async def _of_cookie(self, request: Request) -> Principal | None:
        value = self.value_of(request)
        row = None if value is None else await self._store.find(digest(value))
        if row is None or value is None:
            return None
        roles = tuple(Role(word) for word in row.roles if word in list(Role))
        known = Known(name=row.name, roles=roles, groups=tuple(row.groups))
        return Principal(
            name=known.name,
            roles=roles_now(self._site.parts, known),
            groups=known.groups,
            csrf=csrf_of(value),
        )

    def value_of(self, request: Request) -> str | None:
        """What the browser sends of a sign-in; None for nothing that we have set."""
        value = request.cookies.get(self.cookie)
        return value if value and len(value) <= _LONGEST else None

    async def begin(
        self, request: Request, response: Response, name: str, length: timedelta
    ) -> None:
        """Sign somebody in, by a cookie that is new: one that was there before ends."""
        await self.end(request)
        value = new_secret()
        await self._store.begin(digest(value), name, length)
        self._set(response, self.cookie, value, length)

    async def end(self, request: Request) -> None:
        """Sign this browser out."""
        value = self.value_of(request)
        if value is not None:
            await self._store.end(digest(value))

    def forget(self, response: Response) -> None:
        """Take the cookie away."""
        response.delete_cookie(
            self.cookie, httponly=True, samesite="lax", secure=self._site.secure, path="/"
        )

    def browser_of(self, request: Request) -> str | None:
        """What tells the browser that a sign-in begins in, before anybody is signed in."""
        value = request.cookies.get(self.browser_cookie)
        return value if value and len(value) <= _LONGEST else None

    def mark_browser(self, response: Response, value: str) -> None:
        """Make it known as that."""
        self._set(response, self.browser_cookie, value, _BROWSER)

    def _set(self, response: Response, name: str, value: str, length: timedelta) -> None:
        response.set_cookie(
            name,
            value,
            max_age=int(length.total_seconds()),
            httponly=True,
            samesite="lax",
            secure=self._site.secure,
            path="/",
        )


def csrf_of(value: str) -> str:
    """What forms of a page carry that was opened with this cookie."""
    return hashlib.sha256(f"csrf {value}".encode()).hexdigest()


def address_of(request: Request, proxies: Sequence[Network]) -> str:
    """Where a request comes from: as a proxy of ours says, else who is connected. Of IPv6 the half
    that one customer has."""
    found = _address(request.client.host if request.client else "")
    lines = request.headers.getlist("x-forwarded-for")  # a proxy may add one of its own
    said = [one.strip() for line in lines for one in line.split(",")]
    while found is not None and any(found in one for one in proxies):
        before = _address(said.pop()) if said else None
        if before is None:
            break
        found = before
    if found is None:
        return "unknown"
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False).network_address)
    return str(found)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found
