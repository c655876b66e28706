"""Decisions that arrive before their request is open."""

from datetime import UTC, datetime

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.decisions import MAX_EARLY, propose, receive, settle_early
from account_reviews.domain.review.messages import SubmitDecision
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Phase, Status
from account_reviews.domain.review.state import ReviewInput, ReviewState
from tests.support.review_states import analysis_result, task_change

NOW = datetime(2026, 10, 1, tzinfo=UTC)


def fresh() -> ReviewState:
    state = opening_state(
        ReviewInput(account_id="acme"), review_id="r", run_id="1", workflow_run_id="1", now=NOW
    )
    state.analysis = analysis_result("0", (task_change("acme"),))
    return state


def said(request_id: str) -> SubmitDecision:
    return SubmitDecision.model_validate(
        {"request_id": request_id, "decision": "approve", "approver": "ann"}
    )


def test_it_is_kept_and_applied_when_the_request_opens() -> None:
    state = fresh()
    receive(state, said("req"), NOW)
    assert state.counters.refusals == 0
    assert state.analysis is not None
    propose(state, state.analysis.changes, "req", NOW)
    assert state.requests[0].items[0].state is ItemState.APPROVED
    assert state.early == ()


def test_one_for_another_request_is_refused_then() -> None:
    state = fresh()
    receive(state, said("other"), NOW)
    assert state.analysis is not None
    propose(state, state.analysis.changes, "req", NOW)
    assert state.requests[0].is_pending
    assert state.counters.refusals == 1


def test_while_a_request_is_open_an_unknown_one_is_refused_at_once() -> None:
    state = fresh()
    for phase in (Phase.INVESTIGATING, Phase.PLANNING, Phase.APPROVAL):
        state.move(phase, NOW, status=Status.WAITING)
    receive(state, said("other"), NOW)
    assert state.counters.refusals == 1


def test_only_so_many_are_kept_and_all_are_settled() -> None:
    state = fresh()
    for _ in range(MAX_EARLY + 3):
        receive(state, said("req"), NOW)
    assert len(state.early) == MAX_EARLY
    assert state.counters.refusals == 3
    settle_early(state, NOW)
    assert state.counters.refusals == MAX_EARLY + 3
