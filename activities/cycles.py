"""A cycle's own work: which accounts, what they look like now, who is looked at first."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from temporalio import activity
from temporalio.client import WorkflowExecutionStatus

from account_reviews.crm.http.priorities import Priority, calling_for
from account_reviews.crm.protocol import AccountFilter, CrmBackend
from account_reviews.domain.analysis.analysis import starting_risk
from account_reviews.domain.analysis.model import RiskLevel
from account_reviews.domain.base import Timestamp
from account_reviews.domain.cycle.state import (
    AccountState,
    CycleAccount,
    CycleRef,
    CycleScope,
    CycleState,
    Found,
    InFlight,
    ListAccounts,
    ListedAccounts,
    LookUp,
    LookUpResult,
    NextAccounts,
    NextAccountsResult,
    OpenCycle,
    OpenedCycle,
    ReadAccounts,
    ReadAccountsResult,
    start_rank,
)
from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import Account, SnapshotLimits, SnapshotRef
from account_reviews.store.cycles import CycleStore, failed_account
from account_reviews.store.halts import HaltStore
from account_reviews.store.reviews import ReviewStore
from account_reviews.temporal import names, search_attributes
from account_reviews.temporal.executions import describe, first_run_of, is_open, is_paused
from activities.portfolio_reads import CHUNK, PortfolioReading, Read, Reads

PAGE: Final = 200
"""Accounts per page of the CRM's list, and at most per bulk read."""

Clock = Callable[[], Awaitable[Timestamp | None]]


class CycleActivities:
    """Reads a portfolio and hands it out in the order of risk."""

    def __init__(
        self,
        crm: CrmBackend,
        store: CycleStore,
        documents: ReviewStore,
        halts: HaltStore,
        policy: Policy,
        limits: SnapshotLimits,
        default_as_of: Clock,
    ) -> None:
        self._crm = crm
        self._store = store
        self._documents = documents
        self._halts = halts
        self._policy = policy
        self._limits = limits
        self._default_as_of = default_as_of

    @activity.defn(name="cycles.open")
    async def open(self, call: OpenCycle) -> OpenedCycle:
        """Show the cycle in the read model; gives the clock of its rules."""
        as_of = call.as_of or await self._default_as_of() or call.state.as_of
        await self._store.save(call.state.model_copy(update={"as_of": as_of}))
        return OpenedCycle(as_of=as_of)

    @activity.defn(name="cycles.save")
    async def save(self, state: CycleState) -> None:
        """Bring the cycle's rows up to `state`."""
        await self._store.save(state)

    @activity.defn(name="cycles.list_accounts")
    async def list_accounts(self, call: ListAccounts) -> ListedAccounts:
        """Note one page of the accounts in scope.

        A window of changes reaches back to the last complete cycle of the same, so that none is
        left out when one was missed or late. Accounts that nobody reviewed in the cycles before
        are taken again, whenever they changed.
        """
        with calling_for(Priority.SCHEDULES):
            return await self._list(call)

    async def _list(self, call: ListAccounts) -> ListedAccounts:
        scope = call.scope
        where = _in_scope(scope).model_copy(
            update={"changed_since": await self._changed_since(call)}
        )
        crm = self._crm.of(call.tenant)
        page = await crm.list_accounts(where, cursor=call.cursor, limit=PAGE)
        items = page.items
        if page.next_cursor is None:
            items = (*items, *await self._unreviewed(call, crm), *_named_alone(scope))
        selected = await self._store.queue(call.run_id, call.tenant, items)
        return ListedAccounts(selected=selected, next_cursor=page.next_cursor)

    async def _changed_since(self, call: ListAccounts) -> Timestamp | None:
        window = call.scope.changed_within_seconds
        if window is None:
            return None
        begin = call.as_of - timedelta(seconds=window)
        until = await self._store.reviewed_until(call.run_id, call.scope)
        return begin if until is None else min(begin, until)

    async def _unreviewed(self, call: ListAccounts, crm: CrmBackend) -> list[Account]:
        """What the cycles before left unreviewed and is still in the scope."""
        scope = call.scope
        if scope.changed_within_seconds is None:
            return []
        left = await self._store.unreviewed(call.run_id, call.tenant, scope)
        named = scope.account_ids
        ids = [one for one in left if named is None or one in named]
        found: list[Account] = []
        for start in range(0, len(ids), PAGE):
            part = {"account_ids": tuple(ids[start : start + PAGE])}
            page = await crm.list_accounts(_in_scope(scope).model_copy(update=part), limit=PAGE)
            found += page.items
        return found

    @activity.defn(name="cycles.read_accounts")
    async def read_accounts(self, call: ReadAccounts) -> ReadAccountsResult:
        """Read the next accounts, store their snapshots, and order them by their risk now."""
        if call.blind:
            return await self._store.place_unread(call.run_id)
        most = (await self._crm.capabilities()).bulk_reads if call.bulk else 1
        ids = await self._store.unread(call.run_id, PAGE if most > 1 else CHUNK)
        reads = Reads(self._crm.of(call.tenant), call.as_of, self._limits, most)
        with calling_for(Priority.SCHEDULES):
            await PortfolioReading(reads, _Keeper(self, call)).run(ids)
        return await self._store.place(call.run_id, [])

    async def keep_read(
        self, call: ReadAccounts, read: Sequence[Read], why: Mapping[str, str]
    ) -> None:
        """Store what was read, and give it places in the order of its risk now."""
        snapshots = [one.snapshot for one in read]
        if not (await self._crm.capabilities()).history:
            history = self._documents.history
            snapshots = await history.complete(call.tenant, snapshots, self._limits)
        documents = await self._documents.put_snapshots(snapshots)
        found = []
        for one, snapshot, stored in zip(read, snapshots, documents, strict=True):
            found.append(self._account(one._replace(snapshot=snapshot), stored))
            await asyncio.sleep(0)  # two hundred in one go would hold up all other work
        found.sort(key=lambda one: (start_rank(one.risk_level), one.account_id))
        unknown = [failed_account(one, why[one]) for one in why]
        await self._store.place(call.run_id, [*found, *unknown])

    async def keep_unread(self, call: ReadAccounts, ids: Sequence[str]) -> None:
        """Give accounts that were not read a place by what is known of their risk."""
        activity.logger.warning("%d accounts are left to their own reviews", len(ids))
        await self._store.place_unread(call.run_id, ids)

    @activity.defn(name="cycles.rank")
    async def rank(self, call: CycleRef) -> None:
        """Order all accounts of the cycle by their risk now."""
        await self._store.rank(call.run_id)

    @activity.defn(name="cycles.next_accounts")
    async def next_accounts(self, call: NextAccounts) -> NextAccountsResult:
        """The accounts to start next, unless starting is halted."""
        if await self._halts.current(call.tenant) is not None:
            return NextAccountsResult(accounts=(), halted=True)
        return NextAccountsResult(
            accounts=await self._store.next(call.run_id, call.position, call.limit)
        )

    @activity.defn(name="cycles.look_up")
    async def look_up(self, call: LookUp) -> LookUpResult:
        """What Temporal says of reviews that said nothing for long."""
        return LookUpResult(
            found=tuple([await self._find(one, call.tenant) for one in call.reviews])
        )

    async def _find(self, flight: InFlight, tenant: str) -> Found:
        """How the review of this cycle stands, also when the account's next one has its id."""
        client, review_id = activity.client(), names.review_id(flight.account_id, tenant)
        shown = await describe(client, review_id)
        if shown is not None and flight.run_id not in (None, first_run_of(shown)):
            shown = await describe(client, review_id, flight.run_id)
            if shown is not None and shown.status is WorkflowExecutionStatus.CONTINUED_AS_NEW:
                return Found(account_id=flight.account_id, state=AccountState.DONE)
        if shown is None:
            return Found(
                account_id=flight.account_id,
                state=AccountState.FAILED,
                reason="its review is gone from Temporal",
            )
        status = shown.status
        if is_open(shown):
            waits = shown.typed_search_attributes.get(search_attributes.REVIEW_STATUS) == "waiting"
            # One that is paused in Temporal would keep its place until somebody unpauses it.
            state = AccountState.WAITING if waits or is_paused(shown) else AccountState.RUNNING
            return Found(account_id=flight.account_id, state=state)
        if status is WorkflowExecutionStatus.COMPLETED:
            return Found(account_id=flight.account_id, state=AccountState.DONE)
        ended = status.name.lower() if status is not None else "closed"
        return Found(
            account_id=flight.account_id,
            state=AccountState.FAILED,
            reason=f"its review was {ended}",
        )

    def _account(self, read: Read, stored: str) -> CycleAccount:
        """With its risk now; one that the rules cannot judge is left to its own review."""
        snapshot = read.snapshot
        account, owner = snapshot.account, snapshot.owner
        level, score = RiskLevel.UNKNOWN, None
        try:
            risk = starting_risk(snapshot, self._policy)
            level, score = risk.level, risk.score
        except (ReviewsError, ValueError, ArithmeticError):
            activity.logger.warning("the risk of %s is unknown", account.id, exc_info=True)
        return CycleAccount(
            position=0,
            account_id=account.id,
            account_name=account.name,
            owner_id=account.owner_id,
            risk_level=level,
            risk_score=score,
            snapshot=SnapshotRef(
                hash=stored,
                account_name=account.name,
                owner_id=account.owner_id,
                owner_name=owner.name if owner else None,
                fetched_at=snapshot.fetched_at,
                as_of=snapshot.as_of,
                tier=read.tier,
                passed_over=read.passed_over,
            ),
        )


class _Keeper(NamedTuple):
    """Keeps what one call reads."""

    activities: CycleActivities
    call: ReadAccounts

    async def keep_read(self, read: Sequence[Read], why: Mapping[str, str]) -> None:
        await self.activities.keep_read(self.call, read, why)

    async def keep_unread(self, ids: Sequence[str]) -> None:
        await self.activities.keep_unread(self.call, ids)


def _in_scope(scope: CycleScope) -> AccountFilter:
    """Without its window of changes."""
    return AccountFilter(
        owner=scope.owner,
        account_ids=scope.account_ids,
        segment=scope.segment,
        statuses=scope.statuses,
    )


def _named_alone(scope: CycleScope) -> tuple[Account, ...]:
    """Accounts that were named and nothing else: those the CRM lacks must not vanish silently."""
    ids = scope.account_ids or ()
    alone = scope == CycleScope(account_ids=scope.account_ids)
    return tuple(Account(id=one, version="", name=one) for one in ids) if alone else ()
