"""A review that Temporal ended by itself: what nobody knows is not claimed."""

from datetime import UTC, datetime

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.decisions import close_from_outside, decide, propose
from account_reviews.domain.review.messages import SubmitDecision
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewInput
from tests.support.review_states import analysis_result, task_change

NOW = datetime(2026, 10, 1, tzinfo=UTC)


def test_what_was_approved_may_be_written_and_the_rest_is_skipped() -> None:
    start = ReviewInput(account_id="acme", logic=2)
    state = opening_state(start, review_id="r", run_id="1", workflow_run_id="1", now=NOW)
    changes = tuple(
        task_change("acme").model_copy(update={"change_id": f"c{number}"}) for number in range(2)
    )
    state.analysis = analysis_result("0", changes)
    for phase in (Phase.INVESTIGATING, Phase.PLANNING, Phase.APPROVAL):
        state.move(phase, NOW, status=Status.WAITING)
    propose(state, changes, "req", NOW)
    said = SubmitDecision.model_validate(
        {"request_id": "req", "decision": "approve", "approver": "ann", "item_ids": ["c0"]}
    )
    decide(state, said, NOW)
    close_from_outside(state, Outcome.ABANDONED, "terminated in Temporal", NOW)
    one, two = state.requests[0].items
    assert (one.state, two.state) == (ItemState.FAILED, ItemState.SKIPPED)
    assert one.reason == "terminated in Temporal; whether it was written is not known"
    assert state.needs_attention
