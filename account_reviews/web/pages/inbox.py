"""The inbox: what waits, soonest deadline first."""

import uuid
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import BadInputError, ReviewsError, UnreachableError
from account_reviews.domain.proposals import Action
from account_reviews.domain.review.messages import Verdict
from account_reviews.services.batch_forms import Batch, decide_batch
from account_reviews.services.inbox import (
    Inbox,
    Scope,
    Wanted,
    count_mine,
    read_inbox,
    seats_of,
)
from account_reviews.store.inbox_queries import InboxRow
from account_reviews.web.csv_files import csv_answer
from account_reviews.web.errors import status_of
from account_reviews.web.identity import Principal, Who
from account_reviews.web.pages.request import just_decided
from account_reviews.web.rights import decider_of
from account_reviews.web.site import Here, Site

router = APIRouter(include_in_schema=False)
_MOST_ROWS: Final = 5_000
"""Of a CSV file."""

Text = Annotated[str | None, Query(max_length=200)]


@router.get("/")
async def start(_: Who) -> Response:
    """The first page is the inbox."""
    return RedirectResponse("/inbox", 303)


@router.get("/inbox")
async def inbox_page(
    request: Request,
    site: Here,
    who: Who,
    show: Text = None,
    owner: Text = None,
    risk: Text = None,
    action: Text = None,
    after: Annotated[str | None, Query(max_length=500)] = None,
    done: Annotated[str | None, Query(max_length=100)] = None,
    decided: Annotated[int | None, Query(ge=1, le=10_000)] = None,
) -> Response:
    """A page of it. `done`, `decided`: what was decided just before."""
    await site.allow(who, Verb.READ)
    wanted = wanted_of(show, owner, risk, action)
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
async def as_csv(
    request: Request,
    site: Here,
    who: Who,
    show: Text = None,
    owner: Text = None,
    risk: Text = None,
    action: Text = None,
) -> Response:
    """The same list for a spreadsheet, which takes nothing in it for a formula."""
    await site.allow(who, Verb.READ)
    wanted = wanted_of(show, owner, risk, action)
    seats = await seats_of(site.parts, who.name, who.groups)
    words = await site.words(request, who)
    inbox = await read_inbox(site.parts, seats, wanted, limit=_MOST_ROWS)
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
    wanted = wanted_of(*(_text(form, name) for name in ("show", "owner", "risk", "action")))
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
        words = {**_query(wanted), "decided": sum(one.ticked for one in results)}
        return RedirectResponse(f"/inbox?{urlencode(words)}", 303)
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


def wanted_of(show: str | None, owner: str | None, risk: str | None, action: str | None) -> Wanted:
    """What the address says; what it says wrongly does not narrow. `owner` is - for nobody."""
    return Wanted(
        scope=Scope(show) if show in list(Scope) else None,
        owner="" if owner == "-" else owner or None,
        risk=risk or None,
        action=action if action in list(Action) else None,
    )


def _query(wanted: Wanted, **more: str | None) -> dict[str, str]:
    found = {
        "show": wanted.scope,
        "owner": "-" if wanted.owner == "" else wanted.owner,
        "risk": wanted.risk,
        "action": wanted.action,
        **more,
    }
    return {name: str(value) for name, value in found.items() if value}


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
        words = {**_query(wanted), **changes}
        query = urlencode({name: value for name, value in words.items() if value})
        return f"/inbox?{query}" if query else "/inbox"

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
