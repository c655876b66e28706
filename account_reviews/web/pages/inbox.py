"""The inbox: what waits, soonest deadline first unless somebody wants another order."""

import uuid
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import BadInputError, ReviewsError, UnreachableError
from account_reviews.domain.proposals import Action
from account_reviews.domain.review.messages import Verdict
from account_reviews.services.batch_forms import Batch, decide_batch
from account_reviews.services.inbox import (
    Inbox,
    Wanted,
    count_mine,
    read_inbox,
    seats_of,
)
from account_reviews.store.inbox_queries import InboxRow
from account_reviews.web.csv_files import csv_answer
from account_reviews.web.errors import status_of
from account_reviews.web.identity import Principal, Who
from account_reviews.web.inbox_address import ORDERS, Asked, query_of, words_of
from account_reviews.web.pages.request import just_decided
from account_reviews.web.rights import decider_of
from account_reviews.web.site import Here, Site

router = APIRouter(include_in_schema=False)
_MOST_ROWS: Final = 5_000
"""Of a CSV file."""

AsAsked = Annotated[Asked, Depends()]


@router.get("/")
async def start(_: Who) -> Response:
    """The first page is the inbox."""
    return RedirectResponse("/inbox", 303)


@router.get("/inbox")
async def inbox_page(
    request: Request,
    site: Here,
    who: Who,
    asked: AsAsked,
    after: Annotated[str | None, Query(max_length=500)] = None,
    done: Annotated[str | None, Query(max_length=100)] = None,
    decided: Annotated[int | None, Query(ge=1, le=10_000)] = None,
) -> Response:
    """A page of it. `done`, `decided`: what was decided just before."""
    await site.allow(who, Verb.READ)
    wanted = asked.wanted
    seats = await seats_of(site.parts, who.name, who.groups)
    inbox = await read_inbox(site.parts, seats, wanted, cursor=after)
    just = await just_decided(site, done)
    return await _page(request, site, who, inbox, wanted, just=just, decided=decided)


@router.get("/inbox/count")
async def count(request: Request, site: Here, who: Who) -> Response:
    """How much waits, for the bar of every page."""
    await site.allow(who, Verb.READ)
    seats = await seats_of(site.parts, who.name, who.groups)
    found = await count_mine(site.parts, seats)
    return await site.page(request, who, "inbox_count.html.j2", count=found)


@router.get("/inbox.csv")
async def as_csv(request: Request, site: Here, who: Who, asked: AsAsked) -> Response:
    """The same list for a spreadsheet, which takes nothing in it for a formula."""
    await site.allow(who, Verb.READ)
    seats = await seats_of(site.parts, who.name, who.groups)
    words = await site.words(request, who)
    inbox = await read_inbox(site.parts, seats, asked.wanted, limit=_MOST_ROWS)
    columns = ("Request", "Account", "Account id", "Owner", "Risk", "Revenue", "Asked", "Due")
    rows = (
        (
            row.short_id or row.request_id,
            row.account_name or row.account_id,
            row.account_id,
            row.owner_name or words.person(row.owner_id),
            words.term(row.risk_level),
            row.value,
            f"{row.requested_at.astimezone(words.zone):%Y-%m-%d %H:%M}",
            f"{row.deadline.astimezone(words.zone):%Y-%m-%d %H:%M}",
            "; ".join(words.change(one) for one in row.items),
        )
        for row in inbox.page.items
    )
    return csv_answer("inbox", (*columns, "Changes"), rows)


@router.post("/inbox/decide")
async def decide(request: Request, site: Here, who: Who) -> Response:
    """The same decision on everything that is ticked, each by itself."""
    form = await request.form()
    wanted = Asked.of(form).wanted
    await site.allow(who, Verb.READ)
    results, problem, status, form_id = None, None, 409, uuid.uuid4().hex
    try:
        batch = _batch(form)
        if not site.parts.guard.lets_batch:
            raise BadInputError("the policy lets decide on one request at a time only")
        results = await decide_batch(site.parts, await site.temporal(), batch, decider_of(who))
        if any(isinstance(one.error, UnreachableError) for one in results):
            form_id = batch.form_id  # what may still be applied counts once
    except ReviewsError as error:
        problem, status = error, status_of(error)
    if results is not None and all(one.ok for one in results):
        decided = str(sum(one.ticked for one in results))
        return RedirectResponse(f"/inbox{query_of(wanted, decided=decided)}", 303)
    seats = await seats_of(site.parts, who.name, who.groups)
    inbox = await read_inbox(site.parts, seats, wanted)
    ticked = {value for value in form.getlist("change") if isinstance(value, str)}
    return await _page(
        request,
        site,
        who,
        inbox,
        wanted,
        status,
        results=results,
        form_id=form_id,
        problem=problem,
        reason=_text(form, "reason") or "",
        ticked=ticked,
    )


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) else None


def _batch(form: FormData) -> Batch:
    verdict = _text(form, "verdict")
    if verdict not in ("approve", "reject", "defer"):
        raise BadInputError("the form does not say what to decide; use one of its buttons")
    found: dict[str, dict[str, str]] = {}
    for value in form.getlist("change"):
        request_id, _, rest = str(value).partition(":")
        item_id, _, seen = rest.partition(":")
        found.setdefault(request_id, {})[item_id] = seen
    return Batch(
        form_id=_text(form, "decision_id") or "",
        verdict=Verdict(verdict),
        ticked=found,
        reason=_text(form, "reason"),
    )


async def _page(
    request: Request,
    site: Site,
    who: Principal,
    inbox: Inbox,
    wanted: Wanted,
    status: int = 200,
    **more: Any,
) -> Response:
    def address(**changes: str | None) -> str:
        return f"/inbox{query_of(wanted, **changes)}"

    following = inbox.page.next_cursor
    return await site.page(
        request,
        who,
        "inbox.html.j2",
        status,
        **{
            "inbox": inbox, "wanted": wanted, "address": address,
            "more": address(after=following, show=inbox.scope) if following else None,
            "csv": address(show=inbox.scope).replace("/inbox", "/inbox.csv", 1),
            "actions": [one.value for one in Action],
            "orders": ORDERS,
            "kept": words_of(wanted._replace(scope=inbox.scope)),
            "along": query_of(wanted),
            "form_id": uuid.uuid4().hex,
            "batch": site.parts.guard.lets_batch,
            "just": None, "decided": None, "results": None, "problem": None, "reason": "",
            "ticked": set(), "row_name": _row_name, "risk_words": risk_words,
            **more,
        },
    )  # fmt: skip


def risk_words(level: str | None) -> str:
    """ "high risk", "no risk"."""
    said = {"none": "no", None: "unknown"}
    return f"{said.get(level, level)} risk"


def _row_name(row: InboxRow) -> str:
    return row.short_id or row.request_id
