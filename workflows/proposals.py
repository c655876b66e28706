"""Changes that people and outside agents propose, made exact by what stands in the CRM."""

from temporalio import workflow

from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review import control
from account_reviews.domain.review.commands import CommandRefusal, CommandRefused, Propose
from account_reviews.domain.review.steps import PrepareChanges
from activities.proposals import ProposalActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.steps import ReviewCancelledError, StepError, run_step, unless


async def prepare(review: OpenReview, said: Propose) -> tuple[ProposedChange, ...] | CommandRefused:
    """The exact writes with what they would change; or why one of them cannot be proposed."""
    state = review.state
    call = PrepareChanges(
        account_id=state.account_id,
        tenant=state.tenant,
        by=said.by,
        reason=said.reason,
        changes=said.changes,
        known=state.analysis.changes if state.analysis else (),
        as_of=state.as_of,
    )
    config = policies.crm_read("Prepare changes", 60, heartbeats=review.execution.heartbeats)
    local = review.execution.crm_reads == "local"
    try:
        found = await unless(
            review.stopped,
            run_step(
                ProposalActivities.prepare, call, config, local=local, used=review.using("prepare")
            ),
        )
    except ReviewCancelledError:
        return _refused(review, said, CommandRefusal.REVIEW_CLOSED, "the review is ending")
    except StepError as error:
        return _refused(review, said, CommandRefusal.BAD_CHANGE, error.reason)
    if found.refusal is not None:
        return _refused(review, said, CommandRefusal.BAD_CHANGE, found.refusal)
    if found.terms is not None and state.analysis is not None:
        state.analysis = state.analysis.model_copy(update={"terms": found.terms})
    return found.changes


def _refused(review: OpenReview, said: Propose, code: CommandRefusal, why: str) -> CommandRefused:
    why = f"{why} (phase {review.state.phase})"
    return control.refuse(review.state, code, why, said.by, workflow.now())
