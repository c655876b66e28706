"""A review of kind `undo`: instead of gathering and analysing it looks at one executed write."""

from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review.steps import PrepareUndo
from account_reviews.temporal import names
from activities.undo import UndoActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.steps import StepError, run_step, unless


async def prepare_undo(review: OpenReview) -> tuple[ProposedChange, ...]:
    """The one write that restores what stood before. Fills the state's snapshot and terms.

    StepError when it cannot be taken back: the review fails with the sentence that says why.
    """
    state = review.state
    undo = state.undo
    assert undo is not None
    call = PrepareUndo(
        undo=undo,
        account_id=state.account_id,
        tenant=state.tenant,
        by=state.started_by,
        opening=state,
    )
    prepared = await unless(
        review.stopped,
        run_step(
            UndoActivities.prepare_undo,
            call,
            policies.crm_read(
                f"Look at what {names.operation_id(undo.run_id, undo.change_id)} wrote",
                review.start.give_up_after_seconds,
                heartbeats=review.execution.heartbeats,
            ),
            local=review.execution.crm_reads == "local" and review.execution.own == "local",
            used=review.using("gather"),
        ),
    )
    state.snapshot, state.analysis = prepared.snapshot, prepared.analysis
    if prepared.snapshot is not None:
        state.as_of = max(state.as_of, prepared.snapshot.as_of or state.as_of)
    state.count(crm_reads=1)
    if prepared.analysis is None:
        why = prepared.refusal or "the review of that write has no analysis"
        raise StepError(f"not undone: {why}", kind="NotUndoable", permanent=True)
    review.record("analysed", f"Takes back: {undo.title or prepared.analysis.summary}")
    return prepared.analysis.changes
