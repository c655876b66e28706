"""What earlier decisions do to later proposals: quiet, again, or marked as put off."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from account_reviews.domain.analysis.model import Analysis, RiskLevel
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.proposals import Action, Deferral, ItemState, ProposedChange
from account_reviews.domain.records import AccountSnapshot, ActivityType
from tests.support.build import (
    ANNA,
    AS_OF,
    BEN,
    POLICY,
    account,
    activity,
    again,
    ago,
    contact,
    deal,
    earlier,
    idle,
    ids,
    outcome,
    policy_with,
    review,
    snapshot,
    written,
)

SILENT = idle(40, deals=(deal(1, 50),))
FIRST = again(SILENT)
LEVEL = FIRST.risk.level
DEFERRING = policy_with(approvals__on_timeout="defer")


def all_of(analysis: Analysis, state: ItemState, **more: Any) -> tuple[Any, ...]:
    return tuple(outcome(each, state, LEVEL, **more) for each in analysis.proposed_changes)


def writes(analysis: Analysis) -> list[Any]:
    """What is proposed; how sure the rules are depends on how earlier proposals ended."""
    return [one.model_copy(update={"confidence": None}) for one in analysis.proposed_changes]


@pytest.mark.parametrize("state", [ItemState.REJECTED, ItemState.UNDONE])
def test_refused_changes_stay_quiet(state: ItemState) -> None:
    later = again(SILENT, prior=all_of(FIRST, state))
    assert later.proposed_changes == ()
    assert later.recommendations == ()
    assert set(later.quiet) == {item.title for item in FIRST.recommendations}
    assert later.findings == FIRST.findings


@pytest.mark.parametrize(("days", "quiet"), [(29, True), (30, False), (31, False)])
def test_quiet_days_end(days: int, *, quiet: bool) -> None:
    prior = all_of(FIRST, ItemState.REJECTED, at=ago(days))
    assert (again(SILENT, prior=prior).proposed_changes == ()) is quiet


def test_new_evidence_ends_the_quiet() -> None:
    prior = all_of(FIRST, ItemState.REJECTED, evidence_hash="other")
    assert writes(again(SILENT, prior=prior)) == writes(FIRST)


def test_another_risk_level_ends_the_quiet() -> None:
    prior = tuple(
        outcome(each, ItemState.REJECTED, RiskLevel.CRITICAL) for each in FIRST.proposed_changes
    )
    assert LEVEL is not RiskLevel.CRITICAL
    assert writes(again(SILENT, prior=prior)) == writes(FIRST)


def test_one_refused_change_leaves_the_others() -> None:
    (stage,) = written(FIRST, Action.UPDATE_DEAL_STAGE)
    later = again(SILENT, prior=(outcome(stage, ItemState.REJECTED, LEVEL),))
    left = {change.change_id for change in FIRST.proposed_changes} - {stage.change_id}
    assert {change.change_id for change in later.proposed_changes} == left
    assert ids(later) == ids(FIRST)
    assert later.quiet == (stage.title,)


def test_done_changes_are_not_repeated_and_not_called_quiet() -> None:
    prior = all_of(FIRST, ItemState.EXECUTED)
    later = again(SILENT, prior=prior)
    assert later.proposed_changes == ()
    assert later.quiet == ()
    assert again(SILENT, prior=all_of(FIRST, ItemState.EXECUTED, at=ago(31))).proposed_changes


def test_put_off_changes_come_back_marked() -> None:
    prior = all_of(FIRST, ItemState.DEFERRED, by="ben", reason="after the holidays")
    later = again(SILENT, prior=prior)
    assert {c.change_id for c in later.proposed_changes} == {
        c.change_id for c in FIRST.proposed_changes
    }
    marks = [
        *(change.deferred for change in later.proposed_changes),
        *(item.deferred for item in later.recommendations),
    ]
    again_by_ben = Deferral(by="ben", at=ago(2), reason="after the holidays")
    assert set(map(repr, marks)) == {repr(again_by_ben)}


def test_an_answer_that_never_came_follows_the_policy() -> None:
    prior = all_of(FIRST, ItemState.EXPIRED, by=None)
    assert again(SILENT, prior=prior).proposed_changes == ()
    later = again(SILENT, prior=prior, policy=DEFERRING)
    assert later.proposed_changes
    assert {c.deferred.by for c in later.proposed_changes if c.deferred} == {"nobody"}


@pytest.mark.parametrize("policy", [POLICY, DEFERRING])
def test_it_follows_what_was_said_when_it_was_asked(policy: Policy) -> None:
    dropped = all_of(FIRST, ItemState.EXPIRED, by=None, on_timeout="reject")
    assert again(SILENT, prior=dropped, policy=policy).proposed_changes == ()
    put_off = all_of(FIRST, ItemState.EXPIRED, by=None, on_timeout="defer")
    later = again(SILENT, prior=put_off, policy=policy)
    assert {c.deferred.by for c in later.proposed_changes if c.deferred} == {"nobody"}


@pytest.mark.parametrize("state", [ItemState.FAILED, ItemState.SUPERSEDED, ItemState.SKIPPED])
def test_what_was_not_decided_is_proposed_again(state: ItemState) -> None:
    later = again(SILENT, prior=all_of(FIRST, state))
    assert writes(later) == writes(FIRST)


NO_WORD = [ItemState.SKIPPED, ItemState.SUPERSEDED, ItemState.PROPOSED]


@pytest.mark.parametrize("state", NO_WORD)
def test_a_deferral_stands_until_somebody_decides(state: ItemState) -> None:
    """The review after it was cancelled, or took its proposals back."""
    deferred = all_of(FIRST, ItemState.DEFERRED, by="ben", at=ago(9))
    nothing = all_of(FIRST, state, by=None, at=ago(3))
    later = again(SILENT, prior=(*deferred, *nothing))
    assert {c.deferred.by for c in later.proposed_changes if c.deferred} == {"ben"}
    decided = all_of(FIRST, ItemState.REJECTED, at=ago(1))
    assert not again(SILENT, prior=(*deferred, *nothing, *decided)).proposed_changes


@pytest.mark.parametrize("state", NO_WORD)
def test_put_off_events_come_back_after_a_cancelled_review(state: ItemState) -> None:
    now, first = events()
    prior = (*all_of(first, ItemState.DEFERRED, at=ago(9)), *all_of(first, state, at=ago(3)))
    assert {c.change_id for c in again(now, prior=prior).proposed_changes} == {
        c.change_id for c in first.proposed_changes
    }


@pytest.mark.parametrize(("state", "stands"), [("skipped", True), ("superseded", False)])
def test_a_deferral_ends_with_its_evidence(state: str, *, stands: bool) -> None:
    deferred = all_of(FIRST, ItemState.DEFERRED, at=ago(9), evidence_hash="of other facts")
    later = again(SILENT, prior=(*deferred, *all_of(FIRST, ItemState(state), at=ago(3))))
    assert later.proposed_changes
    assert any(c.deferred for c in later.proposed_changes) is stands


@pytest.mark.parametrize("state", NO_WORD)
def test_a_refusal_outlives_a_review_that_says_nothing(state: ItemState) -> None:
    prior = (*all_of(FIRST, ItemState.REJECTED, at=ago(9)), *all_of(FIRST, state, at=ago(3)))
    assert again(SILENT, prior=prior).proposed_changes == ()


@pytest.mark.parametrize(("days", "quiet"), [(29, True), (30, False)])
def test_quiet_days_are_counted_by_the_clock_of_the_rules(days: int, *, quiet: bool) -> None:
    """The day on which somebody decided is another one when the rules look at an older import."""
    on_the_wall = AS_OF + timedelta(days=400)
    prior = all_of(FIRST, ItemState.REJECTED, at=on_the_wall, clock_at=ago(days))
    assert (again(SILENT, prior=prior).proposed_changes == ()) is quiet


def test_the_last_word_counts() -> None:
    rejected = all_of(FIRST, ItemState.REJECTED, at=ago(9))
    deferred = all_of(FIRST, ItemState.DEFERRED, at=ago(3))
    assert again(SILENT, prior=(*deferred, *rejected)).proposed_changes
    assert not again(
        SILENT, prior=(*all_of(FIRST, ItemState.REJECTED, at=ago(1)), *deferred)
    ).proposed_changes


def events() -> tuple[AccountSnapshot, Analysis]:
    """An account to which three things happened since its last review."""
    now = snapshot(
        account=account(owner_id="ben"),
        owner=BEN,
        activities=(activity(2, ActivityType.DEMO, "demo-1"),),
        contacts=(contact(owner_id="ben"), contact(2, created_at=ago(1), owner_id="ben")),
        deals=(deal(owner_id="ben"),),
    )
    return now, review(now, earlier(snapshot()))


def test_put_off_events_come_back_though_they_are_over() -> None:
    now, first = events()
    assert set(ids(first)) == {"ACC-1-chg-001", "ACC-1-chg-006", "ACC-1-chg-007"}
    assert again(now).proposed_changes == ()
    later = again(now, prior=all_of(first, ItemState.DEFERRED))
    assert {c.change_id for c in later.proposed_changes} == {
        c.change_id for c in first.proposed_changes
    }


def test_refused_events_are_over() -> None:
    now, first = events()
    later = again(now, prior=all_of(first, ItemState.REJECTED, at=ago(40)))
    assert later.proposed_changes == ()
    assert later.quiet == ()


def names(changes: tuple[ProposedChange, ...]) -> set[str]:
    return {change.change_id for change in changes}


@pytest.mark.parametrize("days", [1, 2, 5])
def test_equal_facts_give_equal_changes_tomorrow(days: int) -> None:
    later: datetime = AS_OF + timedelta(days=days)
    tomorrow = again(SILENT, as_of=later)
    assert names(tomorrow.proposed_changes) == names(FIRST.proposed_changes)
    assert {c.evidence_hash for c in tomorrow.proposed_changes} == {
        c.evidence_hash for c in FIRST.proposed_changes
    }


def test_quiet_survives_a_new_record_version_and_a_moving_window() -> None:
    weak = snapshot(
        account=account(last_activity_at=ago(35)),
        activity_marks=(),
        deals=(deal(1, 50),),
        owner=ANNA,
    )
    first = again(weak)
    touched = weak.model_copy(update={"account": weak.account.model_copy(update={"version": "8"})})
    prior = tuple(
        outcome(each, ItemState.REJECTED, first.risk.level) for each in first.proposed_changes
    )
    assert again(touched, prior=prior).proposed_changes == ()
