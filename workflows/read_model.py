"""The row of a review in the read model."""

from activities.store import StoreActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.steps import run_step


async def save(review: OpenReview) -> None:
    """Bring the read model up to the state."""
    await run_step(
        StoreActivities.save_review,
        review.state,
        policies.own(f"Save: {review.state.phase}", heartbeats=review.execution.heartbeats),
        local=review.execution.own == "local",
    )
