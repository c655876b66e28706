"""Cycles: how far each is, what came of it, and how it is steered."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.cycle.state import CycleScope
from account_reviews.domain.errors import BadInputError, CycleNotFoundError, NotFoundError
from account_reviews.domain.live import Watching
from account_reviews.domain.reports.owner_brief import OwnerBrief
from account_reviews.presentation.cycle_documents import cycle_document, cycle_page, render_cycle
from account_reviews.presentation.words import Words
from account_reviews.services import cycles
from account_reviews.services.documents import beside_cycle
from account_reviews.services.halts import ensure_not_halted, starting
from account_reviews.services.lookup import find_owner
from account_reviews.store.cycle_queries import CycleRow
from account_reviews.web.fragment_streams import stream
from account_reviews.web.identity import Who, still_known
from account_reviews.web.rights import may
from account_reviews.web.site import Here, Site

router = APIRouter(include_in_schema=False)
PAGE: Final = 30
_SHOWN_SECONDS: Final = 3.0
_PAUSE: Final = 0.1
_DONE: Final = {
    "start": "The cycle was started.",
    "pause": "No more reviews are started. Those that work go on.",
    "resume": "Reviews are started again.",
    "cancel": "No more reviews are started, and the cycle ends.",
}
_COMMANDS: Final = {"pause": "pause", "resume": "resume", "cancel": "cancel_cycle"}


@router.get("/cycles")
async def listed(
    request: Request,
    who: Who,
    site: Here,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Cycles, newest first."""
    await site.allow(who, Verb.READ)
    tenant = site.parts.settings.tenant
    page = await site.parts.cycles.page(tenant=tenant, cursor=cursor, limit=PAGE)
    return await site.page(
        request,
        who,
        "cycles.html.j2",
        cycles=[_shown(one) for one in page.items],
        next_cursor=page.next_cursor,
        kinds=tuple(site.parts.policy.cycle.kinds),
        may_steer=may(site, who, Verb.CYCLES),
        path_of=cycle_path,
        done=_DONE.get(done),
    )


@router.post("/cycles")
async def start(
    who: Who,
    site: Here,
    kind: Annotated[str, Form(max_length=100)] = "on_demand",
    owner: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Start a cycle over all accounts, or those of one owner."""
    await site.allow(who, Verb.CYCLES)
    await ensure_not_halted(site.parts)
    known = await find_owner(site.parts, owner) if owner.strip() else None
    given = await cycles.cycle_input(
        site.parts,
        kind=kind,
        scope=CycleScope(owner=known.id if known else None),
        started_by=who.name,
        as_of=await site.parts.default_as_of(),
    )
    client = await site.temporal()
    async with starting(site.parts):
        handle = await cycles.start_cycle(client, given)
    run_id = handle.first_execution_run_id
    seen = run_id is not None and await _is_shown(site, run_id)
    where = cycle_path(run_id) if seen and run_id is not None else "/cycles"
    return RedirectResponse(f"{where}?done=start", 303)


@router.get("/cycles/{cycle:path}/report")
async def report(
    request: Request, who: Who, site: Here, cycle: str, form: str = "page"
) -> Response:
    """The portfolio report and the briefs: as a page, or as a document of its own."""
    await site.allow(who, Verb.READ)
    if form not in ("page", "html", "md", "json"):
        raise BadInputError(f"a report is html, md or json, and not {form!r}")
    row = await site.parts.cycles.find(site.parts.settings.tenant, cycle)
    briefs = await site.parts.cycles.briefs(row.run_id)
    portfolio = await site.parts.cycles.portfolio(row.run_id)
    if portfolio is None:
        raise NotFoundError("this cycle has no report yet", hint="it is made at its end")
    document = cycle_document(row, briefs, portfolio)
    written = await beside_cycle(site.parts, document)
    if form == "page":
        beside = replace(written.beside, web_url=site.address(request))
        shown = cycle_page(document, await site.words(request, who), beside)
        path = cycle_path(row.run_id)
        return await site.page(request, who, "report_page.html.j2", page=shown, path=path)
    kinds = {"html": "text/html", "md": "text/markdown", "json": "application/json"}
    text = render_cycle(document, form, written.words, written.beside)
    headers = {
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    }
    return Response(text, media_type=f"{kinds[form]}; charset=utf-8", headers=headers)


@router.get("/cycles/{cycle:path}/live")
async def live(request: Request, who: Who, site: Here, cycle: str) -> Response:
    """How far it is, told again whenever that changes, until it is closed."""
    await site.allow(who, Verb.READ)
    known = await site.parts.cycles.find(site.parts.settings.tenant, cycle)

    async def piece() -> tuple[str, bool]:
        row = await site.parts.cycles.find(site.parts.settings.tenant, known.run_id)
        now = _shown(row, await _live(site, row))
        shown = await site.page(request, who, "cycle_live.html.j2", cycle=now)
        return bytes(shown.body).decode(), row.closed_at is not None

    where = Watching(kinds=frozenset({"cycle", "review"}))
    return stream(site.live, where, piece, still=partial(still_known, request))


@router.get("/cycles/{cycle:path}")
async def one(
    request: Request,
    who: Who,
    site: Here,
    cycle: str,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """One cycle: how far it is, and its documents once they are made."""
    await site.allow(who, Verb.READ)
    row = await site.parts.cycles.find(site.parts.settings.tenant, cycle)
    now = await _live(site, row)
    words = await site.words(request, who)
    report_made = await site.parts.cycles.portfolio(row.run_id) is not None
    briefs = await site.parts.cycles.briefs(row.run_id) if report_made else []
    return await site.page(
        request,
        who,
        "cycle_page.html.j2",
        cycle=_shown(row, now),
        path=cycle_path(row.run_id),
        briefs=[_owner_line(brief, words) for brief in briefs],
        has_report=report_made,
        may_steer=may(site, who, Verb.CYCLES),
        done=_DONE.get(done),
    )


@router.post("/cycles/{cycle:path}/{verb}")
async def act(
    who: Who,
    site: Here,
    cycle: str,
    verb: str,
    reason: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Pause, resume or cancel it."""
    if verb not in _COMMANDS:
        raise NotFoundError(f"there is nothing to do to a cycle called {verb!r}")
    await site.allow(who, Verb.CYCLES)
    row = await site.parts.cycles.find(site.parts.settings.tenant, cycle)
    client = await site.temporal()
    ended = None
    if verb == "cancel":
        ended = await cycles.end_left_behind(site.parts, client, row, who.name)
    if ended is None:
        message = {"by": who.name, "reason": " ".join(reason.split()) or None}
        await cycles.command(cycles.handle_of(client, row), _COMMANDS[verb], message)
    return RedirectResponse(f"{cycle_path(row.run_id)}?done={verb}", 303)


def cycle_path(run_id: str) -> str:
    """The page of a cycle."""
    return f"/cycles/{quote(run_id, safe='')}"


async def _is_shown(site: Site, run_id: str) -> bool:
    """Whether it has a row, which it writes itself as it begins."""
    for _ in range(round(_SHOWN_SECONDS / _PAUSE)):
        try:
            await site.parts.cycles.find(site.parts.settings.tenant, run_id)
        except CycleNotFoundError:
            await asyncio.sleep(_PAUSE)
        else:
            return True
    return False


async def _live(site: Site, row: CycleRow) -> dict[str, Any]:
    """What an open cycle says of itself; {} when nobody answers."""
    if row.closed_at is not None:
        return {}
    client = await site.temporal_if_there()
    view = await cycles.ask(cycles.handle_of(client, row)) if client is not None else None
    return view.model_dump() if view is not None else {}


def _shown(row: CycleRow, live: dict[str, Any] | None = None) -> dict[str, Any]:
    """A cycle with its counters as they are now."""
    values = {"paused_by": None, "eta_seconds": None, **row.model_dump(), **(live or {})}
    over = values["done"] + values["waiting"] + values["failed"]
    values["over"] = over
    values["percent"] = round(100 * over / values["accounts"]) if values["accounts"] else 0
    values["is_open"] = row.closed_at is None
    return values


def _owner_line(brief: dict[str, Any], words: Words) -> dict[str, Any]:
    found = OwnerBrief.model_validate(brief)
    name = found.owner_name or words.person(found.owner_id)
    return {
        "owner_id": found.owner_id,
        "name": "Accounts nobody owns" if found.owner_id == "unassigned" else name,
        "accounts": found.figures.accounts,
        "at_risk": found.figures.at_risk,
    }
