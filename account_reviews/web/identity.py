"""Who asks: a person who signed in, or a program with a token.

A route that takes `Who` answers nobody else: an API path answers 401, a page leads to the sign-in.
"""

import hmac
from typing import Annotated, ClassVar, Literal, Protocol

from fastapi import Depends, Request

from account_reviews.audit.capture.actors import acting
from account_reviews.domain.base import Model
from account_reviews.domain.errors import NegativeAnswerError, ReviewsError
from account_reviews.domain.policy.access import Role

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf_token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Principal(Model):
    """Who asks, as the trail and reviews call him."""

    name: str
    roles: tuple[Role, ...] = ()
    groups: tuple[str, ...] = ()
    how: Literal["session", "token", "link"] = "session"
    scopes: frozenset[str] | None = None
    """Of a token; None: whatever the roles allow."""
    locale: str | None = None
    zone: str | None = None
    csrf: str | None = None
    """What each form of his pages carries; None where no cookie speaks for him."""


class TurnedAwayError(NegativeAnswerError):
    """This is refused before anybody is asked for a right; the trail records it."""

    action: ClassVar[str] = "request"


class NotSignedInError(NegativeAnswerError):
    """Sign in first."""

    code = "not_signed_in"


class BadTokenError(TurnedAwayError):
    """The token does not hold: it is none of ours, was revoked, or has ended."""

    code = "bad_token"
    action = "token"


class ForgedError(TurnedAwayError):
    """The form was not sent from a page of this sign-in; open the page again."""

    code = "csrf"
    action = "form"


class Recogniser(Protocol):
    """Knows people by their cookies and programs by their tokens."""

    async def recognise(self, request: Request) -> Principal | None:
        """Whose request this is; None for nobody. BadTokenError for a token that does not hold."""

    def is_shown(self, request: Request) -> bool:
        """Whether it carries a token or a cookie of a sign-in, whatever that is worth."""


async def recognised(request: Request) -> Principal | None:
    """The same, asked once per request."""
    state = request.scope.setdefault("state", {})
    if "principal" not in state:
        recogniser: Recogniser = request.app.state.recogniser
        state["principal"] = await recogniser.recognise(request)
    found: Principal | None = state["principal"]
    return found


async def still_known(request: Request) -> bool:
    """Whether the sign-in or the token of a request that goes on still holds."""
    recogniser: Recogniser = request.app.state.recogniser
    try:
        return await recogniser.recognise(request) is not None
    except ReviewsError:
        return False


def recognised_name(request: Request) -> str | None:
    """Who asks, as far as it is known already."""
    found: Principal | None = request.scope.get("state", {}).get("principal")
    return None if found is None else found.name


async def signed_in(request: Request) -> Principal:
    """Who asks. NotSignedInError for nobody, ForgedError for what another site sent in his name."""
    found = await recognised(request)
    if found is None:
        raise NotSignedInError
    acting.set(found.name)
    if request.method not in SAFE and found.csrf is not None:
        await check_csrf(request, found.csrf)
    return found


def carries(request: Request, right: str) -> bool:
    """Whether the header holds the token."""
    given = request.headers.get(CSRF_HEADER)
    return given is not None and _same(given, right)


async def check_csrf(request: Request, right: str) -> None:
    """ForgedError unless the header or the field of the form holds the token."""
    if CSRF_HEADER in request.headers:
        fits = carries(request, right)
    else:
        is_form = "form" in request.headers.get("content-type", "")
        field = (await request.form()).get(CSRF_FIELD) if is_form else None
        fits = isinstance(field, str) and _same(field, right)
    if not fits:
        raise ForgedError


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())


Who = Annotated[Principal, Depends(signed_in)]
