"""Writes whose outcome nobody heard of: the CRM is asked by their operation ids."""

from temporalio import workflow

from account_reviews.domain.review import standing
from account_reviews.domain.review.steps import ApplyResult, FindWrites
from account_reviews.temporal.names import operation_id
from activities.crm_writes import CrmWriteActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.steps import StepError, run_step


async def find_writes(review: OpenReview, ids: tuple[str, ...]) -> dict[str, ApplyResult]:
    """The results of those that were carried out. StepError when the CRM does not say in a day."""
    queue = review.write_queue
    config = policies.crm_lookup(
        "Ask if it was written", heartbeats=review.execution.heartbeats, task_queue=queue
    )
    try:
        found = await run_step(
            CrmWriteActivities.find_writes,
            FindWrites(operation_ids=ids, tenant=review.state.tenant),
            config,
            local=review.execution.crm_reads == "local" and queue is None,
            used=review.using("look_up"),
        )
    except StepError as error:
        reason = f"whether it was written is not known: {error.reason}"
        raise StepError(reason, kind=error.kind, permanent=error.permanent) from None
    return found.results


async def note_what_stands(review: OpenReview) -> None:
    """Before it closes: a reset began this run, and an earlier one may have written.

    What stands in the CRM is in the result, however it was decided on this time.
    """
    state = review.state
    if not state.was_reset:
        return
    ids = {operation_id(state.run_id, one): one for one in standing.unwritten(state)}
    if not ids:
        return
    try:
        found = await find_writes(review, tuple(ids))
    except StepError as error:
        state.error_count, state.last_error = state.error_count + 1, error.reason
        review.record("not_verified", f"Written before the reset? {error.reason}")
        return
    for operation, result in found.items():
        standing.note(state, ids[operation], result, workflow.now())
