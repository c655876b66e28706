"""Our own tables: the read model and the snapshot to fall back on."""

from temporalio import activity

from account_reviews.domain.records import SnapshotRef
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.steps import LatestSnapshot
from account_reviews.store.reviews import ReviewStore
from account_reviews.telemetry import review_metrics
from account_reviews.telemetry.review_metrics import Settled


class StoreActivities:
    """Projections of reviews."""

    def __init__(self, store: ReviewStore) -> None:
        self._store = store

    @activity.defn(name="store.save_review")
    async def save_review(self, state: ReviewState) -> None:
        """Bring the review's rows up to `state`; a closed review also settles its outcomes."""
        settled = await self._store.save(state)
        review_metrics.review_saved(
            state, [Settled(one["recommendation_type"], one["state"], one["by"]) for one in settled]
        )

    @activity.defn(name="store.latest_snapshot")
    async def latest_snapshot(self, call: LatestSnapshot) -> SnapshotRef | None:
        """The newest stored snapshot of the account with its age, or None."""
        return await self._store.latest_snapshot(call.tenant, call.account_id, call.now)
