"""Signing in and out."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.access.secret_values import new_secret
from account_reviews.domain.errors import BadInputError
from account_reviews.services.sign_ins import sign_out_everywhere
from account_reviews.web.doors import Doors, DoorsHere, Problem
from account_reviews.web.identity import CSRF_FIELD, Who, check_csrf, recognised
from account_reviews.web.sessions import csrf_of
from account_reviews.web.site import Here, Site

router = APIRouter(include_in_schema=False)
_LONGEST: Final = 2_000


def own_path(text: str | None) -> str:
    """A path of ours with its query, else the inbox: nobody is led elsewhere."""
    fits = text and text.startswith("/") and len(text) <= _LONGEST and text.isascii()
    if not text or not fits or not text.isprintable() or "\\" in text or text.startswith("//"):
        return "/"
    return "/" if text.startswith(("/login", "/logout")) else text


@router.get("/login")
async def sign_in_page(
    request: Request,
    site: Here,
    doors: DoorsHere,
    following: Annotated[str, Query(alias="next")] = "/",
) -> Response:
    """The form; whoever is signed in goes on."""
    if await recognised(request) is not None:
        return RedirectResponse(own_path(following), 303)
    return await _form(request, site, doors, following=following)


@router.post("/login")
async def sign_in(
    request: Request,
    site: Here,
    doors: DoorsHere,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    following: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """By name and password."""
    browser = doors.sessions.browser_of(request)
    await check_csrf(request, csrf_of(browser or new_secret()))
    response = RedirectResponse(own_path(following), 303)
    try:
        await doors.by_password(request, response, username, password)
    except Problem as problem:
        return await _form(
            request, site, doors, following=following, username=username, problem=problem
        )
    return response


@router.get("/login/oidc")
async def to_provider(
    request: Request, doors: DoorsHere, following: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """On to the provider."""
    browser = doors.sessions.browser_of(request) or new_secret()
    address = await doors.to_provider(request, browser, own_path(following))
    response = RedirectResponse(address, 303)
    doors.sessions.mark_browser(response, browser)
    return response


@router.get("/login/oidc/callback")
async def from_provider(request: Request, site: Here, doors: DoorsHere) -> Response:
    """Back from the provider."""
    response = RedirectResponse("/", 303)
    try:
        following = await doors.from_provider(request, response)
    except Problem as problem:
        return await _form(request, site, doors, following="/", problem=problem)
    response.headers["location"] = own_path(following)
    return response


@router.get("/login/link/{secret}")
async def link_page(request: Request, site: Here, doors: DoorsHere, secret: str) -> Response:
    """What a link shows. To look at it uses nothing up: scanners of mail look at everything."""
    browser = doors.sessions.browser_of(request) or new_secret()
    response = await site.page(
        request, None, "sign_in_link.html.j2", secret=secret, form_csrf=csrf_of(browser)
    )
    doors.sessions.mark_browser(response, browser)
    response.headers["referrer-policy"] = "no-referrer"
    return response


@router.post("/login/link")
async def by_link(
    request: Request, site: Here, doors: DoorsHere, secret: Annotated[str, Form()] = ""
) -> Response:
    """Sign in by a link, once."""
    browser = doors.sessions.browser_of(request)
    await check_csrf(request, csrf_of(browser or new_secret()))
    response = RedirectResponse("/", 303)
    try:
        await doors.by_link(request, response, secret)
    except Problem as problem:
        return await _form(request, site, doors, following="/", problem=problem)
    return response


@router.get("/me")
async def own_page(request: Request, who: Who, site: Here) -> Response:
    """Who somebody is here, and how to sign out everywhere."""
    return await site.page(request, who, "me.html.j2", section="/me")


@router.post("/logout")
async def sign_out(
    request: Request,
    who: Who,
    site: Here,
    doors: DoorsHere,
    everywhere: Annotated[str, Form()] = "",
) -> Response:
    """End the sign-in of this browser; with `everywhere` each of his."""
    if who.how != "session":
        raise BadInputError("a token is not signed in; `reviews tokens revoke` ends it")
    if everywhere:
        await sign_out_everywhere(site.parts, who.name)
    await doors.sign_out(request, who)
    response = RedirectResponse("/login", 303)
    doors.sessions.forget(response)
    response.headers["clear-site-data"] = '"cache"'
    return response


async def _form(
    request: Request,
    site: Site,
    doors: Doors,
    *,
    following: str,
    username: str = "",
    problem: Problem | None = None,
) -> Response:
    browser = doors.sessions.browser_of(request) or new_secret()
    response = await site.page(
        request,
        None,
        "sign_in.html.j2",
        problem.status if problem else 200,
        next=own_path(following),
        username=username,
        problem=problem.said if problem else None,
        provider=doors.provider_name,
        csrf_field=CSRF_FIELD,
        form_csrf=csrf_of(browser),
    )
    doors.sessions.mark_browser(response, browser)
    if problem and problem.retry_after is not None:
        response.headers["retry-after"] = str(problem.retry_after)
    return response
