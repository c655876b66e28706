"""A review and its cycle: read the account again when it asks, tell it how the review stands."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from account_reviews.domain import refreshing
from account_reviews.domain.messages import ReviewProgress
from account_reviews.domain.phases import Phase
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review import ReviewInput, ReviewState
from workflows.gathering import NoDataError, Stopped, analyse, gather
from workflows.steps import StepError

_NOBODY_THERE = "ExternalWorkflowExecutionNotFound"


async def refresh(
    state: ReviewState, start: ReviewInput, stopped: Stopped
) -> tuple[ProposedChange, ...]:
    """Gather and analyse again while the requests stay open; gives the changes that are new.

    When nothing can be read the review stays as it was.
    """
    asked, state.refresh = state.refresh, None
    given = asked.snapshot_ref if asked is not None else None
    before = state.snapshot, state.memory, state.missing_sources, state.analysis
    state.move(Phase.INVESTIGATING, workflow.now())
    try:
        await gather(state, start, stopped, given)
        result = await analyse(state, start, stopped)
    except (NoDataError, StepError) as error:
        state.snapshot, state.memory, state.missing_sources, state.analysis = before
        state.move(Phase.PLANNING, workflow.now())
        state.tell(workflow.now(), "degraded", f"Not read again: {error}")
        return ()
    state.move(Phase.PLANNING, workflow.now())
    return refreshing.reconcile(state, result.changes, workflow.now())


async def report(state: ReviewState) -> None:
    """Tell the cycle once that the review waits, and once that it is closed."""
    cycle_id = state.cycle_id
    if cycle_id is None or state.reported is state.status:
        return
    was, state.reported = state.reported, state.status
    progress = ReviewProgress(
        review_id=state.review_id,
        run_id=state.run_id,
        account_id=state.account_id,
        phase=state.phase,
        status=state.status,
        outcome=state.outcome,
        was=was,
    )
    handle = workflow.get_external_workflow_handle(cycle_id)
    try:
        await handle.signal("review_progress", progress)
    except ApplicationError as error:
        if error.type != _NOBODY_THERE:
            raise
