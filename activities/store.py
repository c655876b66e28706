"""Our own tables: the read model and the snapshot to fall back on."""

from collections.abc import Callable

from temporalio import activity

from account_reviews.domain.durations import format_duration
from account_reviews.domain.policy.model import Gather
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.steps import (
    LatestSnapshot,
    ReadSnapshot,
    TakenSnapshot,
    TakeSnapshot,
)
from account_reviews.store.reviews import ReviewStore
from account_reviews.telemetry import review_metrics
from account_reviews.telemetry.review_metrics import Settled


class StoreActivities:
    """Projections of reviews. `ages` says how old a snapshot may be."""

    def __init__(
        self,
        store: ReviewStore,
        ages: Gather | None = None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_close` is called once a closed review is saved."""
        self._store = store
        self._ages = ages or Gather()
        self._on_close = on_close

    @activity.defn(name="store.save_review")
    async def save_review(self, state: ReviewState) -> None:
        """Bring the review's rows up to `state`; a closed review also settles its outcomes."""
        settled = await self._store.save(state)
        if state.outcome is not None:
            self._on_close()
        review_metrics.review_saved(
            state, [Settled(one["recommendation_type"], one["state"], one["by"]) for one in settled]
        )

    @activity.defn(name="store.take_snapshot")
    async def take_snapshot(self, call: TakeSnapshot) -> TakenSnapshot:
        """The snapshot a review was handed, when it is one of its account, young enough and not of
        an earlier clock. Shows the review in the read model, too."""
        await self._store.save(call.opening)
        state, given = call.opening, call.given
        found = await self._store.find_snapshot(state.tenant, state.account_id, given.hash)
        if found is None:
            why = f"there is no snapshot {given.hash!r} of account {state.account_id!r}"
            return TakenSnapshot(refusal=why, unknown=True)
        if call.now - found.fetched_at > self._ages.max_age:
            limit = format_duration(self._ages.max_age, "h")
            why = f"the snapshot that was handed over is older than {limit}"
            return TakenSnapshot(refusal=why)
        if found.as_of is None or found.as_of < call.as_of:
            why = "the snapshot that was handed over is of an earlier time than this review"
            return TakenSnapshot(refusal=why)
        return TakenSnapshot(snapshot=found)

    @activity.defn(name="store.latest_snapshot")
    async def latest_snapshot(self, call: LatestSnapshot) -> ReadSnapshot | None:
        """The newest stored snapshot of the account with its age, unless it is too old to be used
        for a CRM that is down."""
        found = await self._store.latest_snapshot(call.tenant, call.account_id, call.now)
        limit = self._ages.max_stale.total_seconds()
        if found is None or (found.stale_seconds or 0) > limit:
            return None
        return ReadSnapshot(**found.model_dump())
