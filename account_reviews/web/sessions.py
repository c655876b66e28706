"""Sign-ins of this process: a cookie whose value nobody can guess."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request
from starlette.responses import Response

from account_reviews.domain.policy.access import Role
from account_reviews.web.identity import Principal

_BYTES: Final = 32


def cookie_name(*, secure: bool) -> str:
    """`__Host-` where people come by https: no other host of the domain can set it."""
    return "__Host-reviews_session" if secure else "reviews_session"


def csrf_of(value: str) -> str:
    """What forms of a page carry that was opened with this cookie."""
    return hashlib.sha256(f"csrf {value}".encode()).hexdigest()


@dataclass
class Sessions:
    """Who is signed in."""

    secure: bool = False
    _open: dict[str, Principal] = field(default_factory=dict)
    _links: dict[str, Principal] = field(default_factory=dict)

    async def recognise(self, request: Request) -> Principal | None:
        """Whose cookie the request carries."""
        return self._open.get(request.cookies.get(cookie_name(secure=self.secure), ""))

    def link(self, name: str, *roles: Role) -> str:
        """The secret of a link that signs in once."""
        secret = secrets.token_urlsafe(_BYTES)
        self._links[secret] = Principal(name=name, roles=roles)
        return secret

    def sign_in_by_link(self, secret: str, response: Response) -> Principal | None:
        """Who is signed in now; None for a link that was used, or never made."""
        found = self._links.pop(secret, None)
        if found is not None:
            value = secrets.token_urlsafe(_BYTES)
            self._open[value] = found.model_copy(update={"csrf": csrf_of(value)})
            response.set_cookie(
                cookie_name(secure=self.secure),
                value,
                httponly=True,
                samesite="lax",
                secure=self.secure,
            )
        return found

    def sign_out(self, request: Request) -> None:
        """End this sign-in."""
        self._open.pop(request.cookies.get(cookie_name(secure=self.secure), ""), None)
