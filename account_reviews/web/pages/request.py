"""One request: look, decide, hand over."""

import asyncio
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Subject, Verb
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    NegativeAnswerError,
    NotFoundError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.domain.live import Watching
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.presentation.words import Words
from account_reviews.services.decisions import UnansweredError
from account_reviews.services.form_decisions import decide_form
from account_reviews.services.inbox import Scope, Wanted, next_after, seats_of
from account_reviews.services.lookup import find_request
from account_reviews.services.request_views import (
    RequestView,
    absent_seats,
    has_approved_all,
    is_all_own,
    read_view,
    why_not_asked,
)
from account_reviews.store.review_queries import RequestRow
from account_reviews.web.decision_forms import (
    Typed,
    context_of,
    form_of,
    mark_of,
    news_of,
    read_typed,
    told_items,
)
from account_reviews.web.errors import status_of
from account_reviews.web.fragment_streams import stream
from account_reviews.web.handing_over import hand_over
from account_reviews.web.identity import Principal, Who, still_known
from account_reviews.web.inbox_address import Asked, query_of
from account_reviews.web.page_words import in_other_hands
from account_reviews.web.rights import decider_of, permission_of
from account_reviews.web.site import Here, Site

router = APIRouter(include_in_schema=False)
_LOOKS: Final = 20
_PAUSE: Final = 0.1
"""Seconds between looks for what somebody else decided: its row follows."""


@router.get("/requests/{name}")
async def request_page(
    request: Request,
    site: Here,
    who: Who,
    name: str,
    done: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """The page; `done` is the request that was decided just before."""
    view = await read_view(site.parts, await find_request(site.parts, name))
    await site.allow(who, Verb.READ, view.state or view.row)
    return await _page(request, site, who, view, just=await just_decided(site, done))


@router.post("/requests/{name}/decide")
async def decide(request: Request, site: Here, who: Who, name: str) -> Response:
    """What was ticked is decided, and the next request comes."""
    typed = read_typed(await request.form())
    view = await read_view(site.parts, await find_request(site.parts, name))
    await site.allow(who, Verb.READ, view.state or view.row)
    words = await site.words(request, who)
    try:
        form = form_of(typed, view, words)
        await decide_form(site.parts, await site.temporal(), view.row, form, decider_of(who))
    except UnreachableError as error:
        return await _page(request, site, who, view, 503, typed=typed, **unknown(error))
    except ConflictError as error:
        view = await after_conflict(site, view, typed)
        told = list(told_items(view, words, typed, who.name))
        return await _page(request, site, who, view, 409, typed=typed.again(), late=(error, told))
    except (BadInputError, NegativeAnswerError, NotFoundError) as error:
        status = status_of(error)
        return await _page(request, site, who, view, status, typed=typed.again(), problem=error)
    return RedirectResponse(await _following(request, site, who, view), 303)


@router.post("/requests/{name}/delegate")
async def delegate(
    request: Request,
    site: Here,
    who: Who,
    name: str,
    to: Annotated[str, Form(max_length=200)],
    reason: Annotated[str | None, Form(max_length=5000)] = None,
) -> Response:
    """Let somebody else decide in his own name."""
    view = await read_view(site.parts, await find_request(site.parts, name))
    await site.allow(who, Verb.DELEGATE, view.state or view.row)
    words = await site.words(request, who)
    try:
        await hand_over(site, words, who, view.row, to=to, reason=reason)
    except ReviewsError as error:
        return await _page(request, site, who, view, status_of(error), problem=error)
    return RedirectResponse(f"/requests/{_name(view)}{query_of(_wanted(request))}", 303)


@router.get("/requests/{name}/live")
async def live(
    request: Request,
    site: Here,
    who: Who,
    name: str,
    seen: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Tells an open page that the request has changed since, and what becomes of it."""
    row = await find_request(site.parts, name)
    await site.allow(who, Verb.READ, row)
    name = row.short_id or row.request.request_id
    back = f"/requests/{name}{query_of(_wanted(request))}"
    return live_stream(request, site, who, row, Seen(seen, who.name, back))


@router.get("/requests/{name}/strip")
async def strip(request: Request, site: Here, who: Who, name: str) -> Response:
    """Tells the next page what becomes of a request that was decided, in a line."""
    view = await read_view(site.parts, await find_request(site.parts, name))
    await site.allow(who, Verb.READ, view.state or view.row)
    words = await site.words(request, who)
    account = words.account(view.account_name, view.request.account_id)

    async def piece() -> tuple[str, bool]:
        asked = (await find_request(site.parts, view.request.request_id)).request
        text = await _text(
            request, site, who, "request_strip.html.j2", asked=asked, account=account
        )
        return text, is_over(asked)

    where = Watching(review_id=view.row.review_id)
    return stream(site.live, where, piece, still=partial(still_known, request))


class Seen(NamedTuple):
    """An open page: the mark of the request as it shows it, who reads it, and where it is."""

    mark: str
    reader: str
    address: str


def live_stream(
    request: Request, site: Site, who: Principal | None, row: RequestRow, seen: Seen
) -> Response:
    """The events of that."""

    async def piece() -> tuple[str, bool]:
        asked = (await find_request(site.parts, row.request.request_id)).request
        news = news_of(asked, seen.mark, seen.reader)
        text = await _text(
            request, site, who, "request_live.html.j2", asked=asked, news=news, back=seen.address
        )
        return text, is_over(asked)

    still = partial(still_known, request) if who is not None else None
    return stream(site.live, Watching(review_id=row.review_id), piece, still=still)


def is_over(asked: ApprovalRequest) -> bool:
    """Whether nothing more becomes of it."""
    return not asked.is_pending and not any(one.is_approved for one in asked.items)


async def _text(
    request: Request, site: Site, who: Principal | None, name: str, **context: Any
) -> str:
    found = await site.page(request, who, name, **context)
    return bytes(found.body).decode()


def unknown(error: UnreachableError) -> dict[str, Any]:
    """What the page is given of a try of which nobody knows yet what came."""
    return {"unknown": error, "is_sent": isinstance(error, UnansweredError)}


async def after_conflict(site: Site, view: RequestView, typed: Typed) -> RequestView:
    """The request as it is once the row of what somebody else decided is there."""
    before = mark_of(view.request)
    name = view.request.request_id
    for _ in range(_LOOKS):
        row = await find_request(site.parts, name)
        is_new = any(not one.is_open for one in row.request.items if one.item_id in typed.items)
        view = view._replace(row=row)
        if is_new or mark_of(view.request) != before:
            break
        await asyncio.sleep(_PAUSE)
    return await read_view(site.parts, row)


async def just_decided(site: Site, name: str | None) -> RequestView | None:
    """The request that somebody comes from; None for a name that is none."""
    if not name:
        return None
    try:
        return await read_view(site.parts, await find_request(site.parts, name))
    except (NotFoundError, BadInputError):
        return None


def _name(view: RequestView) -> str:
    return view.row.short_id or view.request.request_id


def _wanted(request: Request) -> Wanted:
    """What he wants of the inbox that he comes from."""
    return Asked.of(request.query_params).wanted


async def _following(request: Request, site: Site, who: Principal, view: RequestView) -> str:
    """Where to go on: to the next one of the list that he comes from, else to the inbox."""
    wanted = _wanted(request)
    row = await find_request(site.parts, view.request.request_id)
    if row.request.is_pending and not has_approved_all(row.request, who.name):
        return f"/requests/{_name(view)}{query_of(wanted)}"
    seats = await seats_of(site.parts, who.name, who.groups)
    is_mine = {one.strip().lower() for one in view.request.approvers} & set(seats.mine)
    scope = wanted.scope or (Scope.MINE if is_mine else Scope.ALL)
    found = await next_after(
        site.parts, seats, wanted._replace(scope=scope), [view.request.request_id]
    )
    where = f"/requests/{found.short_id or found.request_id}" if found else "/inbox"
    return f"{where}{query_of(wanted, done=_name(view))}"


async def _page(
    request: Request,
    site: Site,
    who: Principal,
    view: RequestView,
    status: int = 200,
    *,
    typed: Typed | None = None,
    **more: Any,
) -> Response:
    words = await site.words(request, who)
    seats = absent_seats(view.request, who.name)
    may, why = _may(site, who, view, words)
    if has_approved_all(view.request, who.name):
        seats, may = (), False
        why = "You have approved this already. It needs somebody else too."
    along = query_of(_wanted(request))
    return await site.page(
        request,
        who,
        "request.html.j2",
        status,
        **{
            "just": None, "unknown": None, "is_sent": False, "late": None, "problem": None,
            "link": None, "zone": None,
            "halt": await site.parts.halt_history.current(site.parts.settings.tenant),
            "seats": seats, "may": may or bool(seats), "why_not": why,
            "is_own": not seats and is_all_own(view.request, who.name),
            "action": f"/requests/{_name(view)}/decide{along}",
            "along": along,
            "live": f"/requests/{_name(view)}/live{along}",
            **context_of(view, words, typed),
            **more,
        },
    )  # fmt: skip


def _may(site: Site, who: Principal, view: RequestView, words: Words) -> tuple[bool, str | None]:
    """Whether he may decide by his roles and by the lists of the request, and else why not. Nothing
    is recorded: he only looks."""
    snapshot = view.state.snapshot if view.state else None
    subject = Subject(
        owner_id=snapshot.owner_id if snapshot else view.row.owner_id,
        owner_name=snapshot.owner_name if snapshot else None,
        started_by=view.request.started_by,
    )
    found = permission_of(site, who, Verb.DECIDE, subject)
    if not found.allowed:
        return False, found.why
    why = why_not_asked(view.request, who.name)
    return why is None, why and (in_other_hands(view.request, who.groups, words) or why)
