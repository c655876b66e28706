"""A cycle's last step: one brief per owner, and the portfolio report."""

from collections.abc import Mapping
from typing import Final

from temporalio import activity

from account_reviews.crm.http.priorities import Priority, calling_for
from account_reviews.crm.protocol import AccountFilter, CrmBackend
from account_reviews.domain.cycle.state import CycleScope
from account_reviews.domain.errors import CrmError
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.reports.owner_brief import (
    UNASSIGNED,
    BriefBuilder,
    CycleFacts,
    period_start,
)
from account_reviews.domain.reports.portfolio import (
    MakeResults,
    PortfolioParts,
    PreviousCycle,
    ResultsMade,
    SinceLast,
    build_portfolio,
    compare,
    parts_of,
)
from account_reviews.store.cycle_results import CycleResultStore

PAGE: Final = 100
"""Accounts held in memory at once."""
LIST_PAGE: Final = 200


class ResultActivities:
    """Makes briefs and reports from what the reviews of a cycle stored."""

    def __init__(self, crm: CrmBackend, store: CycleResultStore, policy: Policy) -> None:
        self._crm = crm
        self._store = store
        self._policy = policy

    @activity.defn(name="cycles.make_results")
    async def make_results(self, call: MakeResults) -> ResultsMade:
        """A brief for every owner in the scope, then the portfolio. May run twice.

        A further attempt goes on after the last owner whose brief was kept. CycleNotFoundError.
        """
        now = activity.info().scheduled_time
        cycle = await self._store.cycle(call.run_id, call.tenant, now)
        scope = call.scope
        previous = await self._store.previous(cycle, scope)
        since = previous.as_of if previous else None
        update = {
            "as_of": call.as_of,
            "missing_sources": call.missing_sources,
            "period_start": period_start(since, call.as_of, scope.changed_within_seconds),
        }
        cycle = cycle.model_copy(update=update)
        owners = sorted(await self._store.owners(call.run_id) | await self._assigned(call))
        await self._make_briefs(cycle, owners)
        await self._store.drop_other_briefs(call.run_id, owners)
        return await self._make_portfolio(cycle, scope, previous)

    async def _make_briefs(self, cycle: CycleFacts, owners: list[str]) -> None:
        details = activity.info().heartbeat_details
        done = str(details[0]) if details else ""
        names = await self._store.owner_names(cycle.tenant, owners)
        for owner in owners:
            if owner > done:
                await self._make_brief(cycle, owner, names)
                activity.heartbeat(owner)

    async def _make_brief(self, cycle: CycleFacts, owner: str, names: Mapping[str, str]) -> None:
        builder, after = BriefBuilder(cycle, owner, self._policy), ""
        while True:
            page = await self._store.accounts(cycle.run_id, owner, after=after, limit=PAGE)
            builder.add(page)
            if len(page) < PAGE:
                break
            after = page[-1].account_id
        await self._store.save_brief(cycle.run_id, builder.finish(names.get(owner)))

    async def _make_portfolio(
        self, cycle: CycleFacts, scope: CycleScope, previous: PreviousCycle | None
    ) -> ResultsMade:
        parts = PortfolioParts()
        async for brief in self._store.brief_totals(cycle.run_id):
            parts += parts_of(brief)
        now, approvals = cycle.generated_at, self._policy.approvals
        reminder = approvals.reminder or approvals.timeout
        portfolio = build_portfolio(
            cycle,
            scope,
            parts,
            approvals=await self._store.waiting(cycle.tenant, now, reminder),
            decided=await self._store.decided(cycle.run_id, cycle.tenant, now),
            since_last=await self._since_last(cycle, scope, previous),
        )
        await self._store.save_portfolio(cycle.run_id, portfolio)
        return ResultsMade(
            owners=len(portfolio.owners),
            accounts=portfolio.total_accounts,
            degraded=portfolio.degraded,
        )

    async def _since_last(
        self, cycle: CycleFacts, scope: CycleScope, previous: PreviousCycle | None
    ) -> SinceLast:
        if previous is None:
            return SinceLast()
        whole = scope.changed_within_seconds is None
        moves = await self._store.moves(cycle.run_id, previous, whole=whole)
        return compare(previous, moves, whole=whole)

    async def _assigned(self, call: MakeResults) -> set[str]:
        """Owners in the scope of whose accounts nothing changed: they are notified of that."""
        scope, crm = call.scope, self._crm.of(call.tenant)
        if scope.changed_within_seconds is None or "crm" in call.missing_sources:
            return set()
        where = AccountFilter(
            owner=scope.owner,
            account_ids=scope.account_ids,
            segment=scope.segment,
            statuses=scope.statuses,
        )
        owners: set[str] = set()
        cursor: str | None = None
        while True:
            try:
                with calling_for(Priority.SCHEDULES):
                    page = await crm.list_accounts(where, cursor=cursor, limit=LIST_PAGE)
            except CrmError as error:
                activity.logger.warning("owners without changes cannot be listed: %s", error)
                return owners
            owners |= {account.owner_id or UNASSIGNED for account in page.items}
            cursor = page.next_cursor
            if cursor is None:
                return owners
