"""Links in mails: whoever has one decides as whom it is for, once. Looking changes nothing."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    NegativeAnswerError,
    NotFoundError,
    UnreachableError,
)
from account_reviews.services.decision_links import Opened, decide_by_link, open_link
from account_reviews.services.request_views import RequestView, is_all_own, read_view
from account_reviews.web.decision_forms import (
    Typed,
    context_of,
    form_of,
    read_typed,
    told_items,
)
from account_reviews.web.errors import status_of
from account_reviews.web.pages.request import Seen, after_conflict, live_stream, unknown
from account_reviews.web.site import Here, Site

router = APIRouter(include_in_schema=False)
_HEADERS = {"referrer-policy": "no-referrer", "cache-control": "no-store"}
"""The address is the key: it is told to nobody, and kept nowhere."""


@router.get("/l/{token}")
async def link_page(request: Request, site: Here, token: str) -> Response:
    """The request as it is."""
    opened = await open_link(site.parts, token)
    view = await read_view(site.parts, opened.row)
    return await _page(request, site, token, opened, view)


@router.get("/l/{token}/live")
async def live(request: Request, site: Here, token: str, seen: str = "") -> Response:
    """What has changed since the page was opened."""
    opened = await open_link(site.parts, token)
    page = Seen(seen[:200], opened.claims.by, f"/l/{token}")
    found = live_stream(request, site, None, opened.row, page)
    found.headers.update(_HEADERS)
    return found


@router.post("/l/{token}")
async def decide(request: Request, site: Here, token: str) -> Response:
    """Decide as whom the link is for."""
    typed = read_typed(await request.form())
    opened = await open_link(site.parts, token)
    view = await read_view(site.parts, opened.row)
    words = await site.words(request, None)
    try:
        form = form_of(typed, view, words)
        await decide_by_link(site.parts, await site.temporal(), token, opened, form)
    except UnreachableError as error:
        return await _page(request, site, token, opened, view, 503, typed, **unknown(error))
    except ConflictError as error:
        view = await after_conflict(site, view, typed)
        told = list(told_items(view, words, typed, opened.claims.by))
        again = typed.again()
        return await _page(request, site, token, opened, view, 409, again, late=(error, told))
    except (BadInputError, NegativeAnswerError, NotFoundError) as error:
        status = status_of(error)
        return await _page(request, site, token, opened, view, status, typed.again(), problem=error)
    return RedirectResponse(f"/l/{token}", 303, headers=_HEADERS)


async def _page(
    request: Request,
    site: Site,
    token: str,
    opened: Opened,
    view: RequestView,
    status: int = 200,
    typed: Typed | None = None,
    **more: object,
) -> Response:
    words = await site.words(request, None)
    found = await site.page(
        request,
        None,
        "request.html.j2",
        status,
        **{
            "just": None, "unknown": None, "is_sent": False, "late": None, "problem": None,
            "halt": await site.parts.halt_history.current(site.parts.settings.tenant),
            "link": opened, "seats": (), "may": opened.problem is None,
            "is_own": is_all_own(view.request, opened.claims.by),
            "why_not": opened.problem,
            "action": f"/l/{token}",
            "live": f"/l/{token}/live",
            "zone": None if request.cookies.get("reviews_zone") else str(words.zone),
            **context_of(view, words, typed),
            **more,
        },
    )  # fmt: skip
    found.headers.update(_HEADERS)
    return found
