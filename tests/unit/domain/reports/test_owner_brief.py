"""The brief of an owner: every rule of it."""

from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from account_reviews.domain.analysis.model import RiskLevel, Severity
from account_reviews.domain.cycle.state import AccountState
from account_reviews.domain.reports import owner_brief
from account_reviews.domain.reports.owner_brief import (
    BriefBuilder,
    OwnerBrief,
    ReviewedAccount,
    is_critical,
    period_start,
)
from account_reviews.domain.review.phases import Outcome, Status
from tests.support.accounts import (
    CYCLE,
    LARA,
    brief_of,
    review_facts,
    reviewed,
    some_accounts,
    with_risk,
)
from tests.support.build import AS_OF, POLICY, policy_with, snapshot

few = settings(max_examples=25)


def of_owner(accounts: list[ReviewedAccount], owner: str = "anna") -> list[ReviewedAccount]:
    return [one for one in accounts if one.owner_id == owner]


@few
@given(some_accounts())
def test_every_account_stands_in_exactly_one_brief(accounts: list[ReviewedAccount]) -> None:
    owners = {one.owner_id for one in accounts}
    briefs = [brief_of(*of_owner(accounts, owner), owner=owner) for owner in owners]
    listed = [line.account_id for brief in briefs for line in brief.accounts]
    assert sorted(listed) == sorted(one.account_id for one in accounts)
    assert sum(brief.accounts_total for brief in briefs) == len(accounts)


@few
@given(some_accounts())
def test_counts_follow_from_the_accounts(accounts: list[ReviewedAccount]) -> None:
    brief = brief_of(*accounts)
    analyses = [one.analysis for one in accounts if one.analysis]
    changed = sum(one.changes_detected for one in analyses)
    assert brief.accounts_reviewed == len(analyses)
    assert brief.accounts_with_changes == len(brief.updates) == changed
    assert brief.no_updates == (changed == 0)
    assert ("No updates" in brief.summary) == (changed == 0)
    assert brief.estimated_review_time_minutes == 3 * changed + (len(analyses) - changed)
    assert brief.total_recommendations == len(brief.recommendations)
    assert brief.critical_recommendations == sum(
        one.priority in ("critical", "high") for one in brief.recommendations
    )
    assert {one.account_id for one in brief.failed_accounts} == {
        one.account_id for one in accounts if one.state is AccountState.FAILED
    }
    assert {one.account_id for one in brief.high_priority_accounts} == {
        one.account_id for one in accounts if one.score is not None and one.score > 70
    }


@few
@given(some_accounts(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_neither_order_nor_pages_matter(
    accounts: list[ReviewedAccount], random: Random, size: int
) -> None:
    whole = brief_of(*accounts)
    mixed = list(accounts)
    random.shuffle(mixed)
    builder = BriefBuilder(CYCLE, "anna", POLICY)
    for start in range(0, len(mixed), size):
        builder.add(mixed[start : start + size])
    assert builder.finish() == whole


@few
@given(some_accounts())
def test_recommendations_are_sorted_by_urgency(accounts: list[ReviewedAccount]) -> None:
    urgency = [one.urgency for one in brief_of(*accounts).recommendations]
    assert urgency == sorted(urgency, reverse=True)


@few
@given(some_accounts())
def test_a_brief_survives_its_storage(accounts: list[ReviewedAccount]) -> None:
    brief = brief_of(*accounts)
    assert OwnerBrief.model_validate_json(brief.model_dump_json()) == brief


def test_without_changes_there_is_a_brief_all_the_same() -> None:
    brief = brief_of(reviewed("A"), reviewed("B"))
    assert brief.no_updates
    assert brief.updates == ()
    assert brief.summary.startswith("No updates since the last review. 2 accounts reviewed")
    assert brief.estimated_review_time_minutes == 2
    assert brief.status == "generated"


def test_an_owner_without_accounts_in_the_cycle_gets_one_too() -> None:
    brief = BriefBuilder(CYCLE, "anna", POLICY).finish("Anna Lee")
    assert brief.owner_name == "Anna Lee"
    assert brief.no_updates
    assert brief.accounts == ()
    assert brief.figures.revenue.value == Decimal(0)


@pytest.mark.parametrize(("score", "listed"), [(70, False), (71, True), (None, False)])
def test_high_priority_is_above_the_policys_risk(score: int | None, listed: bool) -> None:
    brief = brief_of(with_risk(reviewed(), score, RiskLevel.HIGH))
    assert bool(brief.high_priority_accounts) == listed


def test_the_minutes_come_from_the_policy() -> None:
    policy = policy_with(brief__minutes_changed=10, brief__minutes_unchanged=4)
    builder = BriefBuilder(CYCLE, "anna", policy)
    brief = builder.add([reviewed("A", first=True), reviewed("B")]).finish()
    assert brief.estimated_review_time_minutes == 14


def test_critical_or_high_counts_as_critical() -> None:
    assert [one for one in Severity if is_critical(one)] == [Severity.CRITICAL, Severity.HIGH]


def test_unknown_risk_is_null_and_never_first() -> None:
    unknown = with_risk(reviewed("A", first=True), None, RiskLevel.UNKNOWN)
    grave = with_risk(reviewed("B", first=True), 80, RiskLevel.CRITICAL)
    brief = brief_of(unknown, grave)
    assert [(one.account_id, one.risk) for one in brief.updates] == [("B", 80), ("A", None)]
    assert [line.account_id for line in brief.accounts] == ["B", "A"]


def test_an_update_tells_old_and_new() -> None:
    (update,) = brief_of(reviewed("A", first=True)).updates
    assert update.detected_at == AS_OF
    assert not update.requires_attention
    (change,) = update.changes
    assert (change.type, change.old, change.new) == ("new_account", None, "ACC-1")


def test_failed_accounts_are_named_with_their_reason() -> None:
    lost = ReviewedAccount(
        account_id="A",
        account_name="Lost",
        owner_id="anna",
        state=AccountState.FAILED,
        reason="no_data: the CRM is down",
        risk_level=RiskLevel.HIGH,
        risk_score=60,
    )
    facts = review_facts("B", status=Status.FAILED, outcome=Outcome.FAILED, reason="conflict")
    broken = reviewed("B", review=facts)
    brief = brief_of(lost, broken)
    assert [(one.account_name, one.reason) for one in brief.failed_accounts] == [
        ("Lost", "no_data: the CRM is down"),
        ("Account B", "conflict"),
    ]
    assert (brief.accounts_total, brief.accounts_reviewed) == (2, 1)
    assert brief.accounts[0].changed is None
    assert brief.accounts[0].risk_score == 60
    assert "2 accounts could not be reviewed" in brief.summary


def test_missing_sources_and_old_data_are_said() -> None:
    one = reviewed("A", review=review_facts("A", missing_sources=("memory",)))
    assert one.analysis is not None
    stale = one.analysis.model_copy(update={"stale_seconds": 7200, "missing_sources": ("crm",)})
    brief = brief_of(one.model_copy(update={"analysis": stale}), missing_sources=("web",))
    assert brief.degraded
    assert brief.missing_sources == ("crm", "memory", "web")
    assert [(it.account_id, it.stale_seconds) for it in brief.stale_accounts] == [("A", 7200)]
    assert not brief_of(reviewed()).degraded


def test_what_is_no_longer_valid_is_left_out() -> None:
    silent = reviewed("A", "silent")
    assert brief_of(silent).total_recommendations > 0
    later = AS_OF + timedelta(days=30)
    brief = brief_of(silent, as_of=later)
    assert brief.total_recommendations == brief.critical_recommendations == 0


def test_stalled_deals_are_counted() -> None:
    assert brief_of(reviewed("A", "stalled"), reviewed("B")).stalled_deals == 1


def test_the_owner_is_known_by_his_accounts() -> None:
    now = snapshot(owner=LARA, account=snapshot().account.model_copy(update={"owner_id": "lara"}))
    brief = brief_of(reviewed("A", snapshot=now, owner_id="lara"), owner="lara")
    assert (brief.owner_name, brief.owner_email) == ("Lara Lund", "lara@vendor.example")
    other = brief_of(reviewed("A", snapshot=now), owner="unassigned")
    assert (other.owner_name, other.owner_email) == (None, None)


def test_lists_are_bounded_and_totals_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_brief, "LISTED", 3)
    calm = [reviewed(f"A{n}", "silent", first=True) for n in range(3)]
    grave = with_risk(reviewed("Z", "silent", first=True), 99, RiskLevel.CRITICAL)
    brief = brief_of(*calm, grave)
    whole = brief.total_recommendations
    assert len(brief.recommendations) == len(brief.updates) == 3
    assert whole > 3
    assert brief.accounts_with_changes == 4
    assert brief.updates[0].account_id == "Z"


def test_the_period_begins_with_the_cycle_before() -> None:
    before = AS_OF - timedelta(days=7)
    assert period_start(before, AS_OF, 86_400) == before
    assert period_start(None, AS_OF, 86_400) == AS_OF - timedelta(days=1)
    assert period_start(None, AS_OF, None) is None
