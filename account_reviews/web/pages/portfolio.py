"""The portfolio, the accounts of one owner, and the list of accounts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from account_reviews.domain.access.roles import Verb
from account_reviews.domain.analysis.model import GRAVE, HealthBand, RiskLevel
from account_reviews.domain.cycle.state import CycleStatus
from account_reviews.domain.reports.owner_brief import UNASSIGNED
from account_reviews.presentation.words import Words
from account_reviews.services import portfolio
from account_reviews.services.lookup import find_account, find_owner
from account_reviews.store.portfolio_queries import AccountLine
from account_reviews.web.csv_files import csv_answer
from account_reviews.web.identity import Who
from account_reviews.web.places import account_path
from account_reviews.web.site import Here, Site
from account_reviews.web.starting import start_for

router = APIRouter(include_in_schema=False)
WORST: Final = 10
"""Accounts at risk that the overview names."""
PAGE: Final = 50
LOOKED_AT: Final = 50
"""Cycles among which the last one over all accounts is looked for."""
_SORTS: Final = (
    ("", "at risk, largest value first"),
    ("value", "largest value first"),
    ("risk", "highest risk first"),
    ("health", "weakest health first"),
    ("renewal", "next renewal first"),
    ("reviewed", "last reviewed first"),
    ("name", "by name"),
)
_COLUMNS: Final = (
    "Account", "Number", "Owner", "Risk", "Risk score", "Risk score before", "Health",
    "Health score", "Annual revenue", "Renewal", "Status in the CRM", "Requests waiting", "Due",
    "Overdue", "Last reviewed",
)  # fmt: skip


@dataclass(frozen=True)
class Since:
    """What the last cycle found, against now. `told` is a sentence."""

    run_id: str
    at: datetime
    told: str


@dataclass(frozen=True)
class Wanted:
    """What a list of accounts is narrowed to, as the address says it."""

    q: Annotated[str, Query(max_length=200)] = ""
    owner: Annotated[str, Query(max_length=200)] = ""
    risk: Annotated[str, Query(max_length=20)] = ""
    health: Annotated[str, Query(max_length=20)] = ""
    waiting: Annotated[str, Query(max_length=5)] = ""
    sort: Annotated[str, Query(max_length=20)] = ""

    def of(self, lines: list[AccountLine]) -> list[AccountLine]:
        """Those that fit, in the order that is asked for; an order that nobody knows is ours."""
        found = portfolio.matching(
            lines,
            text=self.q,
            owner=self.owner,
            level=self.risk,
            band=self.health,
            waiting=bool(self.waiting),
        )
        return portfolio.in_order(found, self.sort) if self.sort in portfolio.SORTS else found

    def query(self, page: int = 1) -> str:
        """What says so in an address."""
        said = {name: value for name, value in vars(self).items() if value}
        if page > 1:
            said["page"] = str(page)
        return f"?{urlencode(said)}" if said else ""


@router.get("/portfolio")
async def overview(
    request: Request, who: Who, site: Here, by: Annotated[str, Query(max_length=10)] = "owner"
) -> Response:
    """All accounts: the ones at risk first, then summed up by owner or manager."""
    await site.allow(who, Verb.READ)
    words = await site.words(request, who)
    lines = await portfolio.account_lines(site.parts)
    figures = portfolio.figures_of(lines)
    if by == "manager":
        names = await portfolio.manager_names(site.parts, lines)
        groups = portfolio.by_manager(lines, {**words.people, **names})
    else:
        by, groups = "owner", portfolio.by_owner(lines)
    return await site.page(
        request,
        who,
        "portfolio.html.j2",
        by=by,
        figures=figures,
        groups=groups,
        worst=[one for one in lines if portfolio.is_at_risk(one)][:WORST],
        last=await _since_last(site, words, figures),
        **_choices(),
    )


@router.get("/owners/{owner}")
async def of_owner(request: Request, who: Who, site: Here, owner: str) -> Response:
    """The accounts of one owner, by id or name; those of nobody under `unassigned`."""
    await site.allow(who, Verb.READ)
    words = await site.words(request, who)
    if owner == UNASSIGNED:
        owner_id, name = UNASSIGNED, "Accounts nobody owns"
    else:
        known = await find_owner(site.parts, owner)
        owner_id, name = known.id, known.name or words.person(known.id)
    lines = await portfolio.account_lines(site.parts, owner=owner_id)
    manager = next((one.manager_id for one in lines if one.manager_id), None)
    return await site.page(
        request,
        who,
        "owner.html.j2",
        owner_id=owner_id,
        whose=name,
        manager=words.person(manager) if manager else None,
        lines=lines,
        figures=portfolio.figures_of(lines),
    )


@router.get("/accounts")
async def accounts(
    request: Request,
    who: Who,
    site: Here,
    wanted: Annotated[Wanted, Depends()],
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Accounts by what is searched for, a page at a time."""
    await site.allow(who, Verb.READ)
    lines = await portfolio.account_lines(site.parts)
    found = wanted.of(lines)
    pages = max(1, -(-len(found) // PAGE))
    page = min(page, pages)
    return await site.page(
        request,
        who,
        "accounts.html.j2",
        **vars(wanted),
        lines=found[(page - 1) * PAGE : page * PAGE],
        total=len(found),
        every=len(lines),
        page=page,
        pages=pages,
        query=wanted.query(),
        query_of=wanted.query,
        sorts=_SORTS,
        **_choices(),
    )


@router.get("/accounts.csv")
async def accounts_as_csv(who: Who, site: Here, wanted: Annotated[Wanted, Depends()]) -> Response:
    """The same list, all of it, for a spreadsheet."""
    await site.allow(who, Verb.READ)
    found = wanted.of(await portfolio.account_lines(site.parts))
    return csv_answer("accounts", _COLUMNS, (_row(one) for one in found))


@router.post("/accounts")
async def start(
    request: Request, who: Who, site: Here, account: Annotated[str, Form(max_length=500)]
) -> Response:
    """Start a review of the account of that id or name."""
    del request
    known = await find_account(site.parts, account)
    await start_for(site, who, known.id)
    return RedirectResponse(f"{account_path(known.id)}?done=started", 303)


def _choices() -> dict[str, Any]:
    return {"levels": tuple(RiskLevel), "bands": tuple(portfolio.BANDS)}


async def _since_last(site: Site, words: Words, now: portfolio.Figures) -> Since | None:
    """How many accounts are at risk now, and were when the last cycle over all of them ended."""
    page = await site.parts.cycles.page(
        tenant=site.parts.settings.tenant, status=CycleStatus.COMPLETED, limit=LOOKED_AT
    )
    last = next((one for one in page.items if one.accounts >= now.accounts), None)
    if last is None:
        return None
    report = await site.parts.cycles.portfolio(last.run_id)
    if report is None:
        return None
    then = report["risk_distribution"]
    before = sum(then.get(level, 0) for level in GRAVE)
    told = f"{words.count(before, 'account')} at high or critical risk then, {now.at_risk} now."
    return Since(last.run_id, last.closed_at or last.updated_at, told)


def _row(one: AccountLine) -> tuple[object, ...]:
    return (
        one.account_name or one.account_id,
        one.account_id,
        one.owner_name or one.owner_id,
        one.risk_level,
        one.risk_score,
        one.previous_score,
        "fragile" if one.health_band == HealthBand.AT_RISK else one.health_band,
        one.health_score,
        one.value,
        one.renewal,
        one.crm_status,
        one.pending,
        one.due_at,
        one.overdue,
        one.reviewed_at,
    )
