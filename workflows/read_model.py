"""The row of a review in the read model."""

from account_reviews.domain.review.state import ReviewInput, ReviewState
from activities.store import StoreActivities
from workflows import policies
from workflows.steps import run_step


async def save(state: ReviewState, start: ReviewInput) -> None:
    """Bring the read model up to the state."""
    await run_step(
        StoreActivities.save_review,
        state,
        policies.own(f"Save: {state.phase}", heartbeats=start.execution.heartbeats),
        local=start.execution.own == "local",
    )
