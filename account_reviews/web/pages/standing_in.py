"""Who decides for whom, and on which days who gets a digest."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import (
    BadInputError,
    NotFoundError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.presentation.words import Words
from account_reviews.services.lookup import find_request
from account_reviews.services.sign_ins import record_change
from account_reviews.services.standing_in import is_called, standing_in
from account_reviews.store.digest_days import EVERY_DAY, digest_days, put_digest_days
from account_reviews.web.errors import status_of
from account_reviews.web.handing_over import hand_over
from account_reviews.web.identity import Principal, Who
from account_reviews.web.rights import may
from account_reviews.web.site import Here, Site

router = APIRouter(include_in_schema=False)
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOST: Final = 50


@router.get("/standing-in")
async def page(
    request: Request, who: Who, site: Here, done: Annotated[int, Query(ge=0, le=_MOST)] = 0
) -> Response:
    """Who stands in for whom, and what one can hand over."""
    await site.allow(who, Verb.READ)
    return await _page(request, who, site, done)


@router.post("/standing-in")
async def hand_over_several(
    request: Request,
    who: Who,
    site: Here,
    to: Annotated[str, Form(max_length=200)] = "",
    reason: Annotated[str, Form(max_length=5000)] = "",
    requests: Annotated[list[str] | None, Form(alias="request")] = None,
) -> Response:
    """Let somebody decide for you on the requests that are ticked. One that fails stops no other,
    unless nobody answers."""
    chosen = list(dict.fromkeys(requests or []))
    if not chosen or len(chosen) > _MOST:
        raise BadInputError(f"tick 1 to {_MOST} requests to hand over")
    words = await site.words(request, who)
    failed: list[tuple[str, ReviewsError]] = []
    for place, one in enumerate(chosen):
        name = one
        try:
            row = await find_request(site.parts, one)
            name = row.short_id or one
            await site.allow(who, Verb.DELEGATE, row)
            await hand_over(site, words, who, row, to=to, reason=reason)
        except UnreachableError as error:
            failed += [(name, error), *((left, error) for left in chosen[place + 1 :])]
            break
        except ReviewsError as error:
            failed.append((name, error))
    done = len(chosen) - len(failed)
    if not failed:
        return RedirectResponse(f"/standing-in?done={done}", 303)
    await site.allow(who, Verb.READ)
    status = status_of(failed[0][1])
    return await _page(request, who, site, done, status, failed=failed, to=to, why=reason)


async def _page(
    request: Request, who: Principal, site: Site, done: int, status: int = 200, **more: object
) -> Response:
    words = await site.words(request, who)
    return await site.page(
        request,
        who,
        "standing_in.html.j2",
        status,
        **{
            "found": await standing_in(site.parts, words, who.name),
            "done": f"{words.count(done, 'request')} handed over. You may decide too; whoever is "
            "first, decides."
            if done
            else None,
            "failed": (), "to": "", "why": "",
            **more,
        },
    )  # fmt: skip


@router.get("/digest")
async def digest_page(
    request: Request, who: Who, site: Here, done: Annotated[str, Query(max_length=5)] = ""
) -> Response:
    """On which days you get a digest; for operators those of everybody."""
    await site.allow(who, Verb.READ)
    words = await site.words(request, who)
    mine, every = _mine(site, words, who), may(site, who, Verb.SCHEDULES)
    wanted = await digest_days(site.parts.statements, site.parts.settings.tenant)
    shown = sorted(words.people, key=words.person) if every else [mine] if mine else []
    return await site.page(
        request,
        who,
        "digest_days.html.j2",
        owners=[
            (one, words.person(one), wanted[one].days if one in wanted else EVERY_DAY)
            for one in sorted(shown, key=lambda one: one != mine)
        ],
        mine=mine,
        days=tuple(enumerate(DAYS, 1)),
        setting=site.parts.policy.notifications.digest,
        done="Noted." if done else None,
    )


@router.post("/digest")
async def choose_days(
    request: Request,
    who: Who,
    site: Here,
    owner: Annotated[str, Form(max_length=200)],
    day: Annotated[list[int] | None, Form()] = None,
) -> Response:
    """Choose the days of an owner: your own, or anybody's for who may steer schedules."""
    words = await site.words(request, who)
    # A token has no days of its own, whatever its name.
    is_own = who.how == "session" and owner == _mine(site, words, who)
    await site.allow(who, Verb.READ if is_own else Verb.SCHEDULES)
    if owner not in words.people:
        raise NotFoundError(f"there is no owner {owner!r}")
    chosen = sorted(set(day or ()))
    if not set(chosen) <= set(EVERY_DAY):
        raise BadInputError("a day of the week is a number from 1, Monday, to 7, Sunday")
    parts = site.parts
    await put_digest_days(parts.statements, parts.settings.tenant, owner, chosen, who.name)
    record_change(parts, "digest days", who.name, owner=owner, days=chosen)
    return RedirectResponse("/digest?done=yes", 303)


def _mine(site: Site, words: Words, who: Principal) -> str | None:
    """The owner that somebody is in the CRM; None for whoever owns nothing."""
    return next((one for one in words.people if is_called(site.parts, one, words, who.name)), None)
