"""The row of a review in the read model."""

from activities.store import StoreActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.steps import project


async def save(review: OpenReview) -> None:
    """Bring the read model up to the state. A row that can never be saved needs attention."""
    refused = await project(
        StoreActivities.save_review,
        review.state,
        policies.own(f"Save: {review.state.phase}", heartbeats=review.execution.heartbeats),
        local=review.execution.own == "local",
    )
    review.step_over("save")
    if refused is not None:  # no new version: that would be saved again, and again
        review.state.error_count += 1
        review.state.last_error = f"not saved: {refused}"


async def save_what_is_new(review: OpenReview) -> None:
    """The same, unless the row has this version already."""
    version = review.state.version
    if version != review.saved_version:
        await save(review)
        review.saved_version = version
        review.after_save()
