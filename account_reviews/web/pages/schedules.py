"""Schedules: when each runs, what was missed, run it now, pause and resume it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import BadInputError, NotFoundError
from account_reviews.services.halts import ensure_not_halted
from account_reviews.services.schedule_rows import show_change
from account_reviews.services.schedules import control, history, list_schedules, show_schedule
from account_reviews.web.identity import Who
from account_reviews.web.rights import may
from account_reviews.web.site import Here

router = APIRouter(include_in_schema=False)
PAGE: Final = 100
RUNS: Final = 50
_DONE: Final = {
    "run": "It runs now.",
    "pause": "Nothing is started until it is resumed.",
    "resume": "It starts again at its next time. What passed meanwhile is not made up for.",
}


@router.get("/schedules")
async def listed(
    request: Request,
    who: Who,
    site: Here,
    after: Annotated[str | None, Query(max_length=200)] = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """All schedules, those of reviews first."""
    await site.allow(who, Verb.READ)
    page = await list_schedules(site.parts, await site.temporal(), after=after, limit=PAGE)
    return await site.page(
        request,
        who,
        "schedules.html.j2",
        schedules=sorted(page["items"], key=_rank),
        next_cursor=page["next_cursor"],
        title_of=title_of,
        may_steer=may(site, who, Verb.SCHEDULES),
        done=_DONE.get(done),
    )


@router.get("/schedules/{schedule}")
async def one(
    request: Request,
    who: Who,
    site: Here,
    schedule: str,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """One schedule: next times, what ran and what was missed."""
    await site.allow(who, Verb.READ)
    client = await site.temporal()
    found = await show_schedule(site.parts, client, schedule)
    runs = await history(site.parts, client, schedule, cursor=None, limit=RUNS)
    return await site.page(
        request,
        who,
        "schedule.html.j2",
        schedule=found,
        title=title_of(found),
        runs=runs.items,
        may_steer=may(site, who, Verb.SCHEDULES),
        done=_DONE.get(done),
    )


@router.post("/schedules/{schedule}/{verb}")
async def act(
    who: Who,
    site: Here,
    schedule: str,
    verb: str,
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Run it now, pause it with a note, or resume it."""
    if verb not in _DONE:
        raise NotFoundError(f"there is nothing to do to a schedule called {verb!r}")
    await site.allow(who, Verb.SCHEDULES)
    there = control(site.parts, await site.temporal())
    if verb == "run":
        await ensure_not_halted(site.parts)
        await there.trigger(schedule)
    elif verb == "resume":
        await there.resume(schedule)
    else:
        words = " ".join(note.split())
        if not words:
            raise BadInputError("say why it is paused", hint="the note is shown to everybody")
        await there.pause(schedule, f"{words} ({who.name})")
    await show_change(site.parts, there.client, [schedule])
    return RedirectResponse(f"/schedules/{schedule}?done={verb}", 303)


def title_of(schedule: dict[str, Any]) -> str:
    """A schedule as people call it: "Weekly reviews"."""
    words = str(schedule["id"]).replace("-", " ").replace("_", " ")
    words = " ".join("CRM" if word == "crm" else word for word in words.split())
    return words[:1].upper() + words[1:]


def _rank(schedule: dict[str, Any]) -> tuple[bool, bool, Any, str]:
    """Those that run come first, the next one before the others."""
    times = schedule["next_runs"]
    still = schedule["paused"] or schedule["done"] or not times
    return still, not times, times[0] if times else 0, schedule["id"]
