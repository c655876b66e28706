"""A review and its cycle: read the account again when it asks, signal it how the review stands."""

from temporalio import workflow

from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review.messages import ReviewProgress
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.refresh import reconcile
from account_reviews.domain.review.state import ReviewState
from workflows.gather import NoDataError, analyse, gather
from workflows.messages import signal
from workflows.open_review import OpenReview
from workflows.steps import StepError


async def refresh(review: OpenReview) -> tuple[ProposedChange, ...]:
    """Gather and analyse again while the requests stay open; gives the changes that are new.

    When nothing can be read the review stays as it was.
    """
    state = review.state
    asked, state.refresh = state.refresh, None
    given = asked.snapshot_ref if asked is not None else None
    before = state.snapshot, state.memory, state.missing_sources, state.analysis
    review.move(Phase.INVESTIGATING)
    try:
        await gather(review, given)
        result = await analyse(review)
    except (NoDataError, StepError) as error:
        state.snapshot, state.memory, state.missing_sources, state.analysis = before
        review.move(Phase.PLANNING)
        review.record("degraded", f"Not read again: {error}")
        return ()
    review.move(Phase.PLANNING)
    return reconcile(state, result.changes, workflow.now())


def news_for_cycle(state: ReviewState) -> ReviewProgress | None:
    """What its cycle was not notified of yet: that the review waits, or that it is closed.

    Noted in the state before it is saved, so that rows and workflow hold the same.
    """
    if state.cycle_id is None or state.reported is state.status:
        return None
    was, state.reported = state.reported, state.status
    return ReviewProgress(
        review_id=state.review_id,
        run_id=state.run_id,
        account_id=state.account_id,
        phase=state.phase,
        status=state.status,
        outcome=state.outcome,
        was=was,
    )


async def report(cycle_id: str | None, news: ReviewProgress | None) -> None:
    """Signal the cycle; one that is closed is no error."""
    if cycle_id is not None and news is not None:
        await signal(cycle_id, "review_progress", news)
