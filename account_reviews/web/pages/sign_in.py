"""Signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.web.identity import Who
from account_reviews.web.sessions import Sessions
from account_reviews.web.site import Here

router = APIRouter(include_in_schema=False)


def own_path(text: str | None) -> str:
    """A path of ours, else the inbox: nobody is led elsewhere."""
    fits = text and text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if text and fits and text.isprintable() else "/"


@router.get("/login")
async def sign_in_page(
    request: Request, site: Here, following: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """The form."""
    return await site.page(
        request,
        None,
        "sign_in.html.j2",
        next=own_path(following),
        provider=None,
        problem=None,
        username=None,
        form_csrf="",
    )


@router.get("/login/link/{secret}")
async def link_page(request: Request, site: Here, secret: str) -> Response:
    """What a link shows; to look at it uses nothing up."""
    return await site.page(request, None, "sign_in_link.html.j2", secret=secret)


@router.post("/login/link")
async def by_link(request: Request, secret: Annotated[str, Form()]) -> Response:
    """Sign in by a link."""
    sessions: Sessions = request.app.state.recogniser
    response = RedirectResponse("/", 303)
    found = sessions.sign_in_by_link(secret, response)
    return response if found else RedirectResponse("/login", 303)


@router.post("/logout")
async def sign_out(request: Request, _: Who) -> Response:
    """End the sign-in of this browser."""
    sessions: Sessions = request.app.state.recogniser
    sessions.sign_out(request)
    return RedirectResponse("/login", 303)
