"""What a review reads of a CRM: one snapshot, and one look back at what was written."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from account_reviews.crm.http.priorities import Priority, calling_for
from account_reviews.crm.merged import refuse_merged
from account_reviews.crm.protocol import CrmBackend, Wanted
from account_reviews.domain.base import Timestamp
from account_reviews.domain.proposals import same
from account_reviews.domain.records import SnapshotLimits, Tier
from account_reviews.domain.review.state import ReviewKind, ReviewState
from account_reviews.domain.review.steps import (
    FetchSnapshot,
    ReadBack,
    ReadBackResult,
    ReadSnapshot,
)
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.usage import count_call
from activities.bursts import one_burst

Clock = Callable[[], Awaitable[Timestamp | None]]


class CrmActivities:
    """Reads one CRM backend, with a credential that need not be allowed to write.

    `default_as_of` gives the clock of a reading that was given none; without it that is now.
    """

    def __init__(
        self,
        crm: CrmBackend,
        store: ReviewStore,
        limits: SnapshotLimits,
        default_as_of: Clock | None = None,
    ) -> None:
        self._crm = crm
        self._store = store
        self._limits = limits
        self._default_as_of = default_as_of

    @activity.defn(name="crm.fetch_snapshot")
    async def fetch_snapshot(self, call: FetchSnapshot) -> ReadSnapshot:
        """Read one account, store the snapshot under its hash, show the review in the read model.

        AccountNotFoundError when the CRM has no such account, or it is part of another one now.
        """
        as_of = await self._clock(call)
        with calling_for(asker_of(call.opening)), one_burst(limited=call.one_burst):
            snapshot = await self._ask(call.tenant).snapshot(
                call.account_id, as_of=as_of, limits=self._limits
            )
        refuse_merged(call.account_id, snapshot)
        if not (await self._crm.capabilities()).history:
            (snapshot,) = await self._store.history.complete(call.tenant, [snapshot], self._limits)
        reference = ReadSnapshot(
            hash="",
            account_name=snapshot.account.name,
            owner_id=snapshot.account.owner_id,
            owner_name=snapshot.owner.name if snapshot.owner else None,
            fetched_at=snapshot.fetched_at,
            as_of=as_of,
            tier=Tier.RECORD,
        )
        stored = await self._store.open_run(call.opening, snapshot)
        return reference.model_copy(update={"hash": stored})

    def _ask(self, tenant: str | None) -> CrmBackend:
        """The CRM for one call, which counts."""
        count_call()
        return self._crm.of(tenant)

    async def _clock(self, call: FetchSnapshot) -> Timestamp:
        """The clock of this reading; it never goes back."""
        if call.now is None:
            return call.as_of
        default = await self._default_as_of() if self._default_as_of is not None else None
        return max(call.as_of, default or call.now)

    @activity.defn(name="crm.read_back")
    async def read_back(self, call: ReadBack) -> ReadBackResult:
        """Compare what was written with what the CRM shows now."""
        wanted = tuple(
            Wanted(record=write.record, fields=tuple(write.written)) for write in call.writes
        )
        shown = await self._ask(call.tenant).read_back(wanted)
        verified = {
            write.change_id: fields is not None
            and all(same(fields.get(name), value) for name, value in write.written.items())
            for write, fields in zip(call.writes, shown, strict=True)
        }
        return ReadBackResult(verified=verified)


def asker_of(state: ReviewState) -> Priority:
    """For whom its account is read: nobody waits for what a schedule or a cycle started."""
    scheduled = state.kind == ReviewKind.SCHEDULED.value or state.cycle_id is not None
    return Priority.SCHEDULES if scheduled else Priority.PEOPLE
