"""Recommendations and the exact writes that follow from them."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from account_reviews.domain.analysis import rules as rules_package
from account_reviews.domain.analysis.model import Analysis, Severity
from account_reviews.domain.analysis.recommendations import compose, still_valid, urgency
from account_reviews.domain.analysis.rules import RULES
from account_reviews.domain.fields import check_fields
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.proposals import Action, change_id, proposal_hash
from account_reviews.domain.records import AccountStatus, ActivityType, DealStage, Owner
from tests.support.build import (
    ANNA,
    AS_OF,
    BEN,
    BUSY,
    POLICY,
    account,
    activity,
    again,
    ago,
    contact,
    deal,
    earlier,
    hit,
    idle,
    ids,
    marks,
    policy_with,
    review,
    snapshot,
    written,
)

WIDE = policy_with(recommendations__max=50)


def handed_over(**fields: object) -> Analysis:
    """An account that went from Anna to Ben since the last review."""
    values = {"owner": BEN, "previous_owner": ANNA, **fields}
    now = snapshot(account=account(owner_id="ben"), **values)
    return review(now, earlier(snapshot()), policy=WIDE)


def test_a_calm_account_gets_no_recommendation() -> None:
    analysis = again(snapshot())
    assert analysis.recommendations == ()
    assert analysis.proposed_changes == ()
    assert analysis.quiet == ()


def test_one_row_and_one_file_per_rule() -> None:
    assert rules_package.__file__ is not None
    files = {path.stem for path in Path(rules_package.__file__).parent.glob("*.py")}
    assert files - {"__init__", "base"} == {rule.name for rule in RULES}
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_engagement() -> None:
    found = again(idle(40)).recommendations
    item = next(item for item in found if item.id == "ACC-1-eng-001")
    assert item.title == "Schedule Executive Business Review"
    assert "40 days ago" in item.rationale
    assert len(item.next_steps) == 4
    assert item.expires_at == AS_OF + timedelta(days=3)
    assert item.generated_at == AS_OF


def test_expansion() -> None:
    rich = account(annual_revenue=Decimal(200_000))
    analysis = again(snapshot(account=rich))
    (item,) = analysis.recommendations
    assert (item.id, item.type, item.priority) == (
        "ACC-1-exp-001",
        "upsell_opportunity",
        Severity.MEDIUM,
    )
    assert "potential worth 60,000" in item.rationale
    assert again(snapshot(account=rich, activity_marks=marks(1, 2))).recommendations == ()
    assert again(snapshot(account=account(annual_revenue=None))).recommendations == ()


def test_retention() -> None:
    ending = account(contract_end=None, renewal_date=(AS_OF + timedelta(days=30)).date())
    (item,) = again(snapshot(account=ending)).recommendations
    assert (item.id, item.type, item.priority) == (
        "ACC-1-ret-001",
        "renewal_reminder",
        Severity.HIGH,
    )
    assert "2025-07-30, in 30 days" in item.rationale


def test_low_health_starts_the_churn_protocol() -> None:
    analysis = again(snapshot(activity_marks=()))
    assert "ACC-1-risk-001" in ids(analysis)
    assert "ACC-1-risk-001" not in ids(again(snapshot(activity_marks=marks(1))))


def test_a_high_risk_sets_the_status() -> None:
    analysis = again(idle(31, deals=()))
    assert analysis.risk.score == 70
    (update,) = written(analysis, Action.UPDATE_ACCOUNT)
    assert (update.before, update.after) == ({"status": "Active"}, {"status": "At Risk"})
    assert (update.record.id, update.record.version) == ("ACC-1", "7")
    assert update.recommendation_id == "ACC-1-risk-002"
    (note,) = written(analysis, Action.ADD_NOTE)
    assert "no contact for more than 30 days; no open deal" in str(note.after["content"])


def test_the_status_of_an_account_at_risk_stays() -> None:
    risky = account(status=AccountStatus.AT_RISK, last_activity_at=ago(40))
    analysis = again(snapshot(account=risky, activity_marks=()))
    assert "ACC-1-risk-002" in ids(analysis)
    assert written(analysis, Action.UPDATE_ACCOUNT) == []


def test_stalled_deals_are_marked_when_critical() -> None:
    deals = (deal(1, 46), deal(2, 40), deal(3, 90, stage=DealStage.STALLED), deal(4, 2))
    analysis = again(snapshot(deals=deals))
    item = next(item for item in analysis.recommendations if item.id == "ACC-1-chg-004")
    assert item.priority is Severity.CRITICAL
    assert item.rationale == "3 of 4 open deals do not move: Deal 1, Deal 2, Deal 3."
    (update,) = written(analysis, Action.UPDATE_DEAL_STAGE)
    assert (update.record.id, update.before, update.after) == (
        "D-1",
        {"stage": "Negotiation"},
        {"stage": "Stalled"},
    )


def test_few_records_per_recommendation_the_largest_first() -> None:
    deals = tuple(deal(number, 50, amount=Decimal(number)) for number in range(1, 9))
    found = written(again(snapshot(deals=deals)), Action.UPDATE_DEAL_STAGE)
    assert [change.record.id for change in found] == ["D-8", "D-7", "D-6"]


def test_a_new_owner_takes_over() -> None:
    analysis = handed_over(
        deals=(deal(1), deal(2, owner_id="ben"), deal(3, stage=DealStage.CLOSED_WON)),
        contacts=(contact(1), contact(2, owner_id="other"), contact(3, active=False)),
    )
    assert {"ACC-1-chg-001", "ACC-1-chg-002"} <= set(ids(analysis))
    (owner,) = written(analysis, Action.CHANGE_OWNER)
    assert (owner.record.id, owner.before, owner.after) == (
        "D-1",
        {"owner_id": "anna"},
        {"owner_id": "ben"},
    )
    (person,) = written(analysis, Action.UPDATE_CONTACT)
    assert (person.record.id, person.after) == ("C-1", {"owner_id": "ben"})


def test_leftovers_of_the_previous_owner_are_found_later_too() -> None:
    now = snapshot(account=account(owner_id="ben"), owner=BEN, previous_owner=ANNA)
    analysis = again(now)
    assert analysis.changes == ()
    assert ids(analysis) == ["ACC-1-chg-002"]
    assert again(now.model_copy(update={"previous_owner": None})).recommendations == ()


def test_nothing_is_handed_to_an_owner_who_left() -> None:
    gone = BEN.model_copy(update={"active": False})
    analysis = handed_over(owner=gone)
    assert "ACC-1-chg-002" not in ids(analysis)
    (change,) = written(analysis, Action.CHANGE_OWNER)
    assert (change.record.id, change.after) == ("ACC-1", {"owner_id": "max"})


def test_an_account_of_an_inactive_owner_goes_to_the_manager() -> None:
    gone = ANNA.model_copy(update={"active": False})
    analysis = again(snapshot(owner=gone))
    assert ids(analysis) == ["ACC-1-chg-003"]
    (change,) = written(analysis, Action.CHANGE_OWNER)
    assert (change.before, change.after) == ({"owner_id": "anna"}, {"owner_id": "max"})
    alone = gone.model_copy(update={"manager_id": None})
    assert again(snapshot(owner=alone)).recommendations == ()


def test_nobody_is_proposed_who_has_left_too() -> None:
    gone = ANNA.model_copy(update={"active": False})
    left = Owner(id="max", version="1", name="Max Ort", active=False, manager_id="anna")
    analysis = again(idle(40, owner=gone, manager=left))
    assert written(analysis, Action.CHANGE_OWNER) == []
    tasks = written(analysis, Action.CREATE_TASK)
    assert tasks
    assert all("owner_id" not in change.after for change in tasks)
    higher = left.model_copy(update={"id": "zoe", "active": True})
    analysis = again(idle(40, owner=gone, manager=higher))
    (change,) = written(analysis, Action.CHANGE_OWNER)
    assert change.after == {"owner_id": "zoe"}
    owners = {change.after["owner_id"] for change in written(analysis, Action.CREATE_TASK)}
    assert owners == {"zoe"}


def test_tasks_go_to_the_manager_of_an_inactive_owner() -> None:
    gone = ANNA.model_copy(update={"active": False})
    analysis = again(idle(40, owner=gone))
    owners = {change.after["owner_id"] for change in written(analysis, Action.CREATE_TASK)}
    assert owners == {"max"}


def test_names_of_any_length_make_writes_that_fit() -> None:
    long = "Migration of all the things " * 43
    deals = tuple(deal(number, 90, name=f"{number} {long}") for number in range(1, 6))
    owner = Owner(id="o" * 300, version="1", name=long, manager_id="m" * 300)
    now = snapshot(
        account=account(name=long, owner_id=owner.id), owner=owner, deals=deals,
        contacts=(contact(1, name=long, created_at=ago(1)),),
    )  # fmt: skip
    for who in (owner, owner.model_copy(update={"active": False})):
        analysis = review(now.model_copy(update={"owner": who}), earlier(snapshot()))
        assert written(analysis, Action.CREATE_TASK)
        for change in analysis.proposed_changes:
            assert check_fields(change.action, change.after) == change.after
            assert len(change.title) <= 150
            assert len(change.rationale) < 2000


def test_two_meetings_of_one_day_make_one_task() -> None:
    demos = (activity(2, ActivityType.DEMO, "demo-1"), activity(2, ActivityType.DEMO, "demo-2"))
    analysis = review(snapshot(activities=demos), earlier(snapshot()))
    (item,) = analysis.recommendations
    (change,) = analysis.proposed_changes
    assert item.change_ids == (change.change_id,)
    cited = {reference.entity_id for reference in item.references}
    assert cited == {"demo-1", "demo-2"}


def test_two_new_contacts_of_one_name_make_one_task() -> None:
    pair = tuple(contact(number, name="Ann Low", created_at=ago(1)) for number in (2, 3))
    analysis = review(snapshot(contacts=(contact(), *pair)), earlier(snapshot()))
    (item,) = analysis.recommendations
    assert len(set(item.change_ids)) == len(item.change_ids) == 1


def test_events_are_followed_up() -> None:
    demo = activity(2, ActivityType.DEMO, "demo-1")
    now = snapshot(activities=(demo,), contacts=(contact(), contact(2, created_at=ago(1))))
    analysis = review(now, earlier(snapshot()))
    assert set(ids(analysis)) == {"ACC-1-chg-006", "ACC-1-chg-007"}
    subjects = {change.after["subject"] for change in analysis.proposed_changes}
    assert subjects == {
        "Follow up on the Demo of 2025-06-28: Acme Corporation",
        "Meet the new contact Contact 2: Acme Corporation",
    }
    assert again(now).recommendations == ()


def test_one_update_per_record() -> None:
    analysis = handed_over(deals=(deal(1, 50),))
    updates = [change for change in analysis.proposed_changes if not change.action.creates]
    records = [(change.record.type, change.record.id) for change in updates]
    assert len(records) == len(set(records))
    assert [change.action for change in updates if change.record.id == "D-1"] == [
        Action.CHANGE_OWNER
    ]
    named = {item for each in analysis.recommendations for item in each.change_ids}
    assert named == {change.change_id for change in analysis.proposed_changes}


def test_task_due_dates_by_priority() -> None:
    critical = written(again(idle(61)), Action.CREATE_TASK)
    assert {change.after["due_at"] for change in critical} == {"2025-07-01T12:00:00Z"}
    (task,) = written(again(idle(20)), Action.CREATE_TASK)
    assert task.after["due_at"] == "2025-07-07T12:00:00Z"


def test_due_dates_of_tasks_count_from_their_writing() -> None:
    critical = written(again(idle(61)), Action.CREATE_TASK)
    assert {change.due_in_seconds for change in critical} == {24 * 3600}
    assert {change.shown["due_at"] for change in critical} == {"24h after it is written"}
    (medium,) = written(again(idle(20)), Action.CREATE_TASK)
    assert medium.due_in_seconds == 7 * 24 * 3600
    for change in (*critical, medium):
        assert change.exact == {k: v for k, v in change.after.items() if k != "due_at"}
        assert change.written_at(AS_OF) == change.after


def test_writes_are_exact_and_valid() -> None:
    analysis = handed_over(deals=(deal(1, 50), deal(2, 40)))
    assert {change.action for change in analysis.proposed_changes} >= {
        Action.CREATE_TASK,
        Action.CHANGE_OWNER,
        Action.UPDATE_CONTACT,
    }
    for change in analysis.proposed_changes:
        assert check_fields(change.action, change.after) == change.after
        assert change.before.keys() == (set() if change.action.creates else change.after.keys())
        assert change.before != change.after
        assert change.hash == proposal_hash(
            change.action, change.record, change.before, change.after
        )
        assert change.change_id == change_id(
            change.action, change.record, "ACC-1", change.rule, change.after
        )
        assert (change.record.id is None) is change.action.creates


def test_no_more_than_allowed_and_the_most_urgent() -> None:
    now = idle(61, deals=(deal(1, 50),), owner=BEN, previous_owner=ANNA)
    now = now.model_copy(update={"account": now.account.model_copy(update={"owner_id": "ben"})})
    everything = review(now, earlier(snapshot()), policy=WIDE)
    five = review(now, earlier(snapshot()))
    assert len(everything.recommendations) > 5
    assert ids(five) == ids(everything)[:5]
    urgencies = [item.urgency for item in everything.recommendations]
    assert urgencies == sorted(urgencies, reverse=True)
    none = review(now, policy=policy_with(recommendations__max=0))
    assert none.recommendations == ()
    assert none.proposed_changes == ()


def test_what_is_too_uncertain_is_dropped() -> None:
    old = again(idle(40), stale_seconds=60 * 86_400)
    assert old.recommendations == ()
    assert old.findings
    assert again(idle(40), stale_seconds=3600).recommendations


def test_references() -> None:
    hits = (hit(MemoryKind.COMMITMENT, days=40, name="mem-9"),)
    item = next(
        item for item in again(idle(40), memory=hits).recommendations if item.id == "ACC-1-eng-001"
    )
    sources = {(source.source_type, source.entity_type): source for source in item.references}
    assert sources["crm", "account"].entity_id == "ACC-1"
    assert sources["crm", "account"].fresh
    assert sources["memory", "commitment"].source_id == "mem-9"
    assert sources["memory", "commitment"].fresh is False


def test_a_rule_without_evidence_recommends_nothing() -> None:
    from dataclasses import replace

    from account_reviews.domain.analysis.analysis import AnalysisInputs, _read

    row = next(rule for rule in RULES if rule.name == "engagement")
    context = _read(AnalysisInputs(snapshot=idle(40), as_of=AS_OF), POLICY)
    (draft,) = row.propose(context)
    bare = replace(draft, evidence=(), writes=(), memory=())
    silent = replace(row, propose=lambda _: [bare])
    assert compose(context, (), AS_OF, (silent,)).recommendations == ()
    assert compose(context, (), AS_OF, (row,)).recommendations != ()


def test_the_same_recommendation_twice_is_one() -> None:
    from account_reviews.domain.analysis.analysis import AnalysisInputs, _read

    context = _read(AnalysisInputs(snapshot=idle(40), as_of=AS_OF), POLICY)
    row = next(rule for rule in RULES if rule.name == "engagement")
    assert len(compose(context, (), AS_OF, (row, row)).recommendations) == 1


def test_expired_recommendations_are_not_valid() -> None:
    (item,) = again(idle(20)).recommendations
    assert still_valid([item], item.generated_at) == (item,)
    assert still_valid([item], item.expires_at) == ()


@pytest.mark.parametrize(
    ("kind", "priority", "confidence", "days", "expected"),
    [
        ("create_task", Severity.CRITICAL, 1.0, 1, 100.0),
        ("escalation", Severity.CRITICAL, 1.0, 1, 120.0),
        ("risk_mitigation", Severity.HIGH, 0.5, 3, 77.62),
        ("renewal_reminder", Severity.MEDIUM, 0.5, 7, 55.0),
        ("upsell_opportunity", Severity.LOW, 0.5, 8, 30.88),
        ("re_engagement", Severity.MEDIUM, 0.5, 7, 45.0),
    ],
)
def test_urgency(
    kind: str, priority: Severity, confidence: float, days: int, expected: float
) -> None:
    found = urgency(
        kind,
        priority,
        confidence,
        expires_at=AS_OF + timedelta(days=days),
        as_of=AS_OF,
        policy=POLICY,
    )
    assert found == pytest.approx(expected, abs=0.01)


def test_names_from_the_crm_cannot_break_a_task() -> None:
    odd = account(name="Acme\n\t" + "x" * 300, last_activity_at=ago(40))
    analysis = again(snapshot(account=odd, activity_marks=()))
    for change in written(analysis, Action.CREATE_TASK):
        subject = str(change.after["subject"])
        assert len(subject) <= 150
        assert "\n" not in subject


def test_busy_is_busy() -> None:
    """The fixture of the calm account is one: a guard for the other tests."""
    assert len(BUSY) > POLICY.health.many_interactions
