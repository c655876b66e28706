"""What differs from the last review: everything that does, and nothing that does not."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from account_reviews.domain.analysis.findings import change_severity
from account_reviews.domain.analysis.model import DetectedChange, Severity
from account_reviews.domain.records import AccountStatus, ActivityType, DealStage, RecordType
from tests.support.build import (
    ANNA,
    AS_OF,
    BEN,
    account,
    activity,
    again,
    ago,
    contact,
    deal,
    earlier,
    finding,
    idle,
    kinds,
    review,
    snapshot,
)


def only(changes: tuple[DetectedChange, ...]) -> DetectedChange:
    assert len(changes) == 1, changes
    return changes[0]


def test_first_sight_is_a_change_and_no_news() -> None:
    """It calls for nobody by itself; what is found in the account may."""
    analysis = review(snapshot())
    assert only(analysis.changes).type == "new_account"
    assert analysis.changes_detected
    assert not analysis.requires_attention
    assert not analysis.needs_review
    assert review(idle(40)).requires_attention
    assert analysis.baseline_at is None


def test_nothing_changed() -> None:
    analysis = again(snapshot())
    assert analysis.changes == ()
    assert not analysis.changes_detected
    assert not analysis.requires_attention
    assert analysis.baseline_at == ago(7)


def test_versions_and_times_of_reading_are_no_changes() -> None:
    now = snapshot(account=account(version="8", modified_at=AS_OF, url="https://other.example"))
    assert review(now, earlier(snapshot())).changes == ()


@pytest.mark.parametrize(
    ("field", "value", "kind", "attention"),
    [
        ("owner_id", "ben", "owner_change", True),
        ("status", AccountStatus.INACTIVE, "status_change", True),
        ("annual_revenue", Decimal(9), "revenue_change", False),
        ("annual_revenue", None, "revenue_change", False),
        ("phone", "+1 555", "custom_field_modified", False),
        ("name", "Acme Ltd", "custom_field_modified", False),
        ("custom", {"cf_tier": "gold"}, "custom_field_modified", False),
    ],
)
def test_fields(field: str, value: object, kind: str, *, attention: bool) -> None:
    now = snapshot(account=account(**{field: value}))
    change = only(review(now, earlier(snapshot())).changes)
    assert (change.type, change.requires_attention) == (kind, attention)
    assert change.field == ("custom.cf_tier" if field == "custom" else field)
    assert change.before != change.after


def test_old_and_new_value_and_time() -> None:
    now = snapshot(account=account(annual_revenue=Decimal("50.50")))
    change = only(review(now, earlier(snapshot())).changes)
    assert (change.before, change.after, change.at) == ("40000", "50.5", ago(3))


def test_a_custom_field_that_is_gone_is_a_change() -> None:
    before = earlier(snapshot(account=account(custom={"cf_a": "1", "cf_b": "2"})))
    change = only(review(snapshot(account=account(custom={"cf_b": "2"})), before).changes)
    assert (change.field, change.before, change.after) == ("custom.cf_a", "1", None)


def test_a_new_contact() -> None:
    now = snapshot(contacts=(contact(), contact(2, created_at=ago(2))))
    analysis = review(now, earlier(snapshot()))
    assert only(analysis.changes).type == "contact_added"
    assert finding(analysis, "contact_added").severity is Severity.HIGH


def test_an_old_contact_that_was_cut_off_is_not_new() -> None:
    now = snapshot(contacts=(contact(), contact(2)))
    cut = earlier(snapshot(totals={RecordType.CONTACT: 2}))
    assert review(now, cut).changes == ()
    undated = snapshot(contacts=(contact(), contact(2, created_at=None)))
    assert review(undated, cut).changes == ()
    assert only(review(undated, earlier(snapshot())).changes).type == "contact_added"


def test_contacts_of_a_crm_that_held_none_are_not_new() -> None:
    held_none = earlier(snapshot(contacts=(), modules=frozenset({RecordType.DEAL})))
    now = snapshot(contacts=(contact(created_at=None),))
    assert "contact_added" not in {item.type for item in review(now, held_none).changes}


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        (DealStage.PROPOSAL, DealStage.NEGOTIATION, Severity.LOW),
        (DealStage.NEGOTIATION, DealStage.CLOSED_WON, Severity.LOW),
        (DealStage.NEGOTIATION, DealStage.PROPOSAL, Severity.HIGH),
        (DealStage.NEGOTIATION, DealStage.CLOSED_LOST, Severity.HIGH),
    ],
)
def test_a_deal_moves(before: DealStage, after: DealStage, severity: Severity) -> None:
    now = snapshot(deals=(deal(1, 2, stage=after), deal(2)))
    base = earlier(snapshot(deals=(deal(1, 40, stage=before), deal(2))))
    change = only(
        tuple(item for item in review(now, base).changes if item.type == "deal_stage_change")
    )
    assert (change.before, change.after, change.at) == (before, after, ago(2))
    assert change_severity(change) is severity


def test_a_new_deal() -> None:
    now = snapshot(deals=(deal(), deal(2, created_at=ago(1))))
    change = only(review(now, earlier(snapshot())).changes)
    assert (change.before, change.after) == (None, "Negotiation")


def test_a_high_value_activity_since_the_last_review() -> None:
    demo, call = activity(2, ActivityType.DEMO), activity(2)
    old = activity(20, ActivityType.EXECUTIVE_MEETING)
    analysis = review(snapshot(activities=(demo, call, old)), earlier(snapshot(activities=(old,))))
    found = [item for item in analysis.changes if item.type == "high_value_activity"]
    assert [item.record.id for item in found] == [demo.id]


def test_an_activity_after_as_of_is_not_known_yet() -> None:
    future = activity(-1, ActivityType.DEMO)
    assert review(snapshot(activities=(future,)), earlier(snapshot())).changes == ()


@pytest.mark.parametrize(
    ("days", "crossed"), [(14, False), (15, True), (21, True), (22, False), (36, True), (61, True)]
)
def test_inactivity_is_a_change_only_when_a_threshold_was_crossed(
    days: int, *, crossed: bool
) -> None:
    """The last review was 7 days ago; thresholds lie at 14, 30 and 60 days."""
    changes = {item.type for item in again(idle(days)).changes}
    assert changes == ({"inactivity_threshold"} if crossed else set())


@pytest.mark.parametrize(("days", "began"), [(30, False), (31, True), (37, True), (38, False)])
def test_a_deal_stalls_once(days: int, *, began: bool) -> None:
    analysis = again(snapshot(deals=(deal(1, days),)))
    assert ("deal_stalled" in {item.type for item in analysis.changes}) is began
    assert ("deal_stalled" in kinds(analysis)) is (days > 30)


def test_owner_change_names_both() -> None:
    now = snapshot(account=account(owner_id="ben"), owner=BEN, previous_owner=ANNA)
    found = finding(review(now, earlier(snapshot())), "owner_change")
    assert found.title == "The owner changed from Anna Lee to Ben Ray"
    assert found.severity is Severity.CRITICAL
    assert (found.evidence[0].before, found.evidence[0].after) == ("anna", "ben")


def test_status_at_risk_is_told_once() -> None:
    risky = snapshot(account=account(status=AccountStatus.AT_RISK))
    changed = review(risky, earlier(snapshot()))
    assert finding(changed, "status_change").severity is Severity.CRITICAL
    assert "status_at_risk" not in kinds(changed)
    assert "status_at_risk" in kinds(again(risky))


def test_detection_is_complete_and_exact_over_many_accounts() -> None:
    """Ten of fifty accounts changed: these ten are found, and no other."""
    changed = {f"ACC-{number}" for number in range(0, 50, 5)}
    found = set()
    for number in range(50):
        name = f"ACC-{number}"
        base = earlier(snapshot(account=account(id=name)))
        phone = "+1" if name in changed else None
        if review(snapshot(account=account(id=name, phone=phone)), base).changes_detected:
            found.add(name)
    assert found == changed


def test_a_baseline_of_the_same_moment_is_no_change() -> None:
    now = snapshot()
    assert review(now, earlier(now, days=0)).changes == ()
    assert review(now, now.model_copy(update={"as_of": AS_OF + timedelta(days=1)})).changes == ()


@pytest.mark.parametrize(
    ("before", "after", "title"),
    [
        (
            {"annual_revenue": Decimal(120_000)},
            {"annual_revenue": Decimal("95000.50")},
            "Annual revenue changed from 120,000 EUR to 95,000.5 EUR",
        ),
        (
            {"renewal_date": None},
            {"renewal_date": AS_OF.date()},
            "Renewal date is now 30 Jun 2025",
        ),
        ({"phone": "1 234"}, {"phone": None}, "Phone was 1 234 and is empty now"),
        ({"owner_id": "anna"}, {"owner_id": None}, "The owner changed from Anna Lee to nobody"),
    ],
)
def test_findings_say_values_as_people_write_them(
    before: dict[str, Any], after: dict[str, Any], title: str
) -> None:
    euros = {"custom": {"Currency": "eur"}}
    was = snapshot(account=account(**before, **euros), owner=ANNA)
    now = snapshot(account=account(**after, **euros), owner=None, previous_owner=ANNA)
    analysis = review(now, earlier(was))
    assert title in [one.title for one in analysis.findings]
    assert analysis.currency == "EUR"
