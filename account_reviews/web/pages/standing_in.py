"""Who decides for whom, and on which days who gets a digest."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import BadInputError, NotFoundError
from account_reviews.domain.person_names import person
from account_reviews.domain.review.commands import Delegate
from account_reviews.domain.review.messages import Malformed, checked
from account_reviews.presentation.words import Words
from account_reviews.services.control import command
from account_reviews.services.lookup import find_request
from account_reviews.services.sign_ins import record_change
from account_reviews.services.standing_in import is_called, seat_of, standing_in
from account_reviews.store.digest_days import EVERY_DAY, digest_days, put_digest_days
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
    words = await site.words(request, who)
    return await site.page(
        request,
        who,
        "standing_in.html.j2",
        found=await standing_in(site.parts, words, who.name),
        done=f"{words.count(done, 'request')} handed over. You may decide too; whoever is first, "
        "decides."
        if done
        else None,
    )


@router.post("/standing-in")
async def hand_over(
    request: Request,
    who: Who,
    site: Here,
    to: Annotated[str, Form(max_length=200)] = "",
    reason: Annotated[str, Form(max_length=5000)] = "",
    requests: Annotated[list[str] | None, Form(alias="request")] = None,
) -> Response:
    """Let somebody decide for you on the requests that are ticked."""
    chosen = list(dict.fromkeys(requests or []))
    if not chosen or len(chosen) > _MOST:
        raise BadInputError(f"tick 1 to {_MOST} requests to hand over")
    words, client = await site.words(request, who), await site.temporal()
    for one in chosen:
        row = await find_request(site.parts, one)
        await site.allow(who, Verb.DELEGATE, row)
        seat = seat_of(site.parts, row, words, who.name) or who.name
        given = {"request_id": row.request.request_id, "by": seat, "to": _id_of(words, to)}
        why = " ".join(reason.split())
        said = checked(Delegate, {**given, **({"reason": why} if why else {})})
        if isinstance(said, Malformed):
            raise BadInputError(said.why)
        await command(site.parts, client, row.review_id, "delegate", said, run_id=row.run_id)
    return RedirectResponse(f"/standing-in?done={len(chosen)}", 303)


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


def _id_of(words: Words, name: str) -> str:
    """What reviews call somebody: his id where he owns accounts, else his name."""
    meant = person(name)
    return next((one for one, known in words.people.items() if person(known) == meant), name)
