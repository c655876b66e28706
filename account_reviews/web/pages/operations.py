"""How it runs: services, the CRM's budget, the memory, what is stuck."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.crm.http.limits import HasLimits
from account_reviews.crm.http.limits_queries import LimitsReader, LimitsReport
from account_reviews.domain.access.roles import Verb
from account_reviews.domain.errors import (
    NotFoundError,
    NothingToRetryError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.domain.memory_sync import SyncInput, SyncType
from account_reviews.domain.review.usage import in_words
from account_reviews.services import memory_syncs
from account_reviews.services.health import look
from account_reviews.services.stuck import find_stuck
from account_reviews.store.name_queries import names_of_accounts
from account_reviews.web.identity import Who
from account_reviews.web.places import review_path
from account_reviews.web.rights import may
from account_reviews.web.site import Here, Site

router = APIRouter(include_in_schema=False)
STUCK: Final = 50
_LOOK_SECONDS: Final = 10.0
_SYNCS: Final = {
    "full": "The memory is synced with all accounts.",
    "incremental": "What has changed is brought to the memory.",
    "pause": "The sync pauses after the batch that is under way.",
    "resume": "The sync goes on.",
    "cancel": "The sync ends once what is under way is done.",
}
_RETRIED: Final = {
    "retry": "What fails is tried again now.",
    "none": "Nothing of that review fails any more.",
}
_NAMES: Final = {"crm": "CRM", "read model": "Lists", "temporal": "Temporal"}
_LEVELS: Final = {
    "full": "All is well.",
    "degraded": "Reviews go on, but not with everything.",
    "minimal": "What waits keeps waiting until this is put right.",
    "maintenance": "Everything is stopped: nothing is started or written.",
}


@router.get("/operations")
async def overview(
    request: Request, who: Who, site: Here, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Services, workers, budget, memory, and what was stopped."""
    await site.allow(who, Verb.READ)
    report, budget, sync = await asyncio.gather(
        look(site.parts.settings), _budget(site), _sync(site)
    )
    return await site.page(
        request,
        who,
        "operations.html.j2",
        report=report,
        halt=await site.parts.halt_history.current(site.parts.settings.tenant),
        level=_LEVELS.get(report.level, report.level),
        names=_NAMES,
        budget=budget,
        sync=sync,
        failing=await site.parts.reader.count_failing(site.parts.settings.tenant),
        may_sync=may(site, who, Verb.MEMORY_SYNC),
        may_stop=may(site, who, Verb.STOP_ALL),
        done=_SYNCS.get(done),
    )


@router.post("/operations/memory/{verb}")
async def steer_sync(who: Who, site: Here, verb: str) -> Response:
    """Start, pause, resume or cancel a sync of the memory."""
    if verb not in _SYNCS:
        raise NotFoundError(f"there is nothing to do to the memory called {verb!r}")
    await site.allow(who, Verb.MEMORY_SYNC)
    parts, client = site.parts, await site.temporal()
    syncs, tenant = parts.memory_syncs, parts.settings.tenant
    if verb in ("full", "incremental"):
        start = SyncInput(type=SyncType(verb), tenant=tenant, started_by=who.name)
        await memory_syncs.start_sync(client, syncs, start)
    elif verb == "resume":
        await memory_syncs.resume(client, syncs, tenant, who.name)
    else:
        word = "cancel_sync" if verb == "cancel" else verb
        await memory_syncs.command(client, syncs, tenant, word, who.name)
    return RedirectResponse(f"/operations?done={verb}", 303)


@router.get("/stuck")
async def stuck(
    request: Request, who: Who, site: Here, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Reviews that do not get on: Temporal is asked now."""
    await site.allow(who, Verb.READ)
    client, tenant = await site.temporal(), site.parts.settings.tenant
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            found = await find_stuck(client, tenant, limit=STUCK)
    except TimeoutError:
        raise UnreachableError(
            f"Temporal did not say within {_LOOK_SECONDS:.0f} s what is stuck",
            hint="`reviews stuck` takes its time",
        ) from None
    ids = [one.account_id for one in found.found]
    return await site.page(
        request,
        who,
        "stuck.html.j2",
        found=found,
        named=await names_of_accounts(site.parts.statements, tenant, ids),
        step_words=in_words,
        review_path=review_path,
        may_retry=may(site, who, Verb.RETRY),
        done=_RETRIED.get(done),
    )


@router.post("/stuck")
async def try_again(
    who: Who,
    site: Here,
    review: Annotated[str, Form(max_length=1000)],
    run: Annotated[str, Form(max_length=200)],
) -> Response:
    """Have the failing steps of one review run now."""
    from account_reviews.services.reviews import find_review
    from account_reviews.services.stuck import retry

    await site.allow(who, Verb.RETRY, (await find_review(site.parts, review, run)).state)
    client = await site.temporal()
    try:
        await retry(site.parts, client, review, run_id=run, reason=None, by=who.name)
    except NothingToRetryError:  # it has got on since the page was made
        return RedirectResponse("/stuck?done=none", 303)
    return RedirectResponse("/stuck?done=retry", 303)


async def _budget(site: Site) -> LimitsReport | None:
    """What the CRM allows; None where it counts no calls."""
    crm = site.parts.crm
    if not isinstance(crm, HasLimits):
        return None
    service, allowed = crm.calls
    return await LimitsReader(site.parts.slow_statements).report(service, allowed)


async def _sync(site: Site) -> Any:
    """The newest sync of the memory, as it stands in Temporal too where that answers."""
    parts = site.parts
    syncs, tenant = parts.memory_syncs, parts.settings.tenant
    client = await site.temporal_if_there()
    if client is not None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return await memory_syncs.look(client, syncs, tenant)
        except (ReviewsError, TimeoutError):
            pass
    return await syncs.view(tenant)
