"""The upkeep jobs: each takes what it works with and says what it did."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.domain.policy import Policy
from account_reviews.domain.upkeep import JobReport
from account_reviews.store.retention import remove_old
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.temporal import schedule_upkeep


@dataclass(frozen=True)
class Tools:
    """What jobs work with."""

    client: Client
    engine: AsyncEngine
    store: ReviewStore
    runs: ScheduleRunStore
    policy: Policy
    tenant: str
    now: datetime


async def retention(tools: Tools) -> JobReport:
    """Remove what was closed longer ago than the policy keeps it."""
    removed = await remove_old(
        tools.engine, tools.tenant, closed=tools.policy.retention.closed, now=tools.now
    )
    summary = (
        f"removed {removed.reviews} reviews, {removed.cycles} cycles, {removed.digests} digests "
        f"and {removed.documents} documents"
    )
    return JobReport(summary=summary, changed=removed.total)


async def reconcile(tools: Tools) -> JobReport:
    """Bring the read model up to what Temporal has."""
    from account_reviews.reconcile import reconcile as compare

    found = await compare(
        tools.client,
        tools.engine,
        tools.store,
        tools.tenant,
        kept=tools.policy.retention.closed,
        now=tools.now,
    )
    summary = (
        f"closed {found.closed} rows that were left open, made {found.missing} that were missing, "
        f"{found.unknown} open rows are unknown to Temporal, {len(found.failed)} did not answer"
    )
    return JobReport(summary=summary, changed=found.closed + found.missing)


async def extend_biweekly(tools: Tools) -> JobReport:
    """Write more dates for biweekly schedules."""
    extended = await schedule_upkeep.extend_biweekly(tools.client, tools.tenant, tools.now)
    return JobReport(summary=_told("extended", extended), changed=len(extended))


async def remove_done(tools: Tools) -> JobReport:
    """Delete one-time schedules that are done."""
    removed = await schedule_upkeep.remove_done(tools.client, tools.runs, tools.tenant, tools.now)
    return JobReport(summary=_told("removed", removed), changed=len(removed))


async def digest(tools: Tools) -> JobReport:
    """Make today's digest (UTC) of every owner."""
    from account_reviews.digests import make_all

    today = tools.now.date()
    owners = await make_all(
        tools.engine, tools.policy, tenant=tools.tenant, day=today, now=tools.now
    )
    return JobReport(summary=_told("made the digests of", owners), changed=len(owners))


def _told(what: str, ids: list[str]) -> str:
    return f"{what} {', '.join(ids)}" if ids else f"{what} nothing"
