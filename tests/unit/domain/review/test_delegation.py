"""Handing a seat over: in one request, by who has it, to somebody else."""

from datetime import timedelta

import pytest

from account_reviews.domain.review import decisions
from account_reviews.domain.review.approvals import ApprovalRequest, Terms
from account_reviews.domain.review.bounds import DELEGATED_BYTES, bytes_of
from account_reviews.domain.review.commands import Delegate
from account_reviews.domain.review.delegation import MAX_DELEGATIONS, delegate
from account_reviews.domain.review.messages import DecisionAnswer, Refusal, RefusalCode
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewInput, ReviewState
from tests.support.requests import NOW, message, task
from tests.support.review_states import analysis_result

LATER = NOW + timedelta(hours=1)
TERMS = Terms(requirement="n_of_m", n=2, approvers=("leads",), groups={"leads": ("Ann", "Ben")})


def waiting(terms: Terms = TERMS) -> ReviewState:
    state = opening_state(
        ReviewInput(account_id="acme", logic=3, started_by="starter"),
        review_id="review/acme",
        run_id="run",
        workflow_run_id="run",
        now=NOW,
    )
    changes = (task(),)
    state.analysis = analysis_result("hash", changes).model_copy(update={"terms": terms})
    state.move(Phase.INVESTIGATING, NOW)
    state.move(Phase.PLANNING, NOW)
    decisions.propose(state, changes, "r1", NOW)
    return state


def handed(state: ReviewState, by: str, to: str, request: str = "r1") -> ApprovalRequest | Refusal:
    return delegate(state, Delegate(by=by, to=to, request_id=request), LATER)


def test_who_has_a_seat_may_hand_it_over_and_both_keep_it() -> None:
    state = waiting()
    request = handed(state, "ann", "Zoe")
    assert isinstance(request, ApprovalRequest)
    assert request.approvers == ("Ann", "Ben", "Zoe")
    said = message("approve", "Zoe", on_behalf_of="Ann")
    assert isinstance(decisions.decide(state, said, LATER), DecisionAnswer)
    again = decisions.decide(state, message("approve", "Ann"), LATER)
    assert isinstance(again, Refusal)
    assert again.code is RefusalCode.DUPLICATE
    assert [line.kind for line in state.timeline][-3:] == [
        "approval_delegated", "approval_decided", "approval_refused",
    ]  # fmt: skip
    assert state.timeline[-2].text == "approve on behalf of Ann"


@pytest.mark.parametrize(
    ("by", "to", "code"),
    [
        ("Zoe", "Yan", RefusalCode.NOT_ALLOWED),
        ("Ann", " ANN", RefusalCode.NOT_ALLOWED),
        ("Ann", "\u200b", RefusalCode.NOT_ALLOWED),
    ],
)
def test_nobody_hands_over_what_is_not_his(by: str, to: str, code: RefusalCode) -> None:
    state = waiting()
    before = state.requests
    result = handed(state, by, to)
    assert isinstance(result, Refusal)
    assert result.code is code
    assert state.requests == before
    assert state.timeline[-1].kind == "delegation_refused"


def test_a_seat_is_handed_on_no_further() -> None:
    state = waiting()
    handed(state, "Ann", "Zoe")
    assert isinstance(handed(state, "Zoe", "Yan"), Refusal)
    assert isinstance(handed(state, "Ann", "zoe"), Refusal)  # he may already


def test_an_unknown_and_a_closed_request_and_too_many() -> None:
    state = waiting(Terms())
    unknown = handed(state, "Ann", "Zoe", "r9")
    assert isinstance(unknown, Refusal)
    assert unknown.code is RefusalCode.UNKNOWN_REQUEST
    for number in range(MAX_DELEGATIONS):
        assert isinstance(handed(state, "Ann", f"Zoe {number}"), ApprovalRequest)
    assert isinstance(handed(state, "Ann", "Yan"), Refusal)
    decisions.decide(state, message("approve", "Ann"), LATER)
    closed = handed(state, "Ann", "Xu")
    assert isinstance(closed, Refusal)
    assert closed.code is RefusalCode.REQUEST_CLOSED


def test_nothing_is_handed_to_whom_four_eyes_keep_out() -> None:
    state = waiting(TERMS.model_copy(update={"four_eyes": "always"}))
    refused = handed(state, "Ann", "Starter")
    assert isinstance(refused, Refusal)
    assert "Starter started this review" in refused.message


def test_a_reason_that_cannot_be_seen_is_none() -> None:
    state = waiting(Terms())
    refused = decisions.decide(state, message("reject", "Ann", reason="\u3164\u200b"), LATER)
    assert isinstance(refused, Refusal)
    assert refused.code is RefusalCode.REASON_REQUIRED


def test_what_cannot_be_approved_needs_attention() -> None:
    state = waiting(TERMS.model_copy(update={"n": 3}))
    assert state.needs_attention
    assert state.last_error == (
        "1 item of request r1 cannot be approved: it needs 3 of Ann, Ben, and not as many may"
    )


@pytest.mark.parametrize("letter", ["x", "😀", "\x01"])
def test_what_is_said_to_hand_over_seats_is_bounded(letter: str) -> None:
    state = waiting(Terms())
    for number in range(MAX_DELEGATIONS):
        said = Delegate(by="Ann", to=f"Zoe {number}", request_id="r1", reason=letter * 5000)
        delegate(state, said, LATER)
    (request,) = state.requests
    assert request.delegations
    assert bytes_of(request.delegations) <= DELEGATED_BYTES
    assert "give shorter reasons" in state.timeline[-1].text
