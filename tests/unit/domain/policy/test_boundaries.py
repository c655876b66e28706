"""Which side of a limit the limit lies on: in the table, in the documentation, in the results."""

from datetime import timedelta
from decimal import Decimal

import pytest

from account_reviews.domain.analysis.facts import Facts
from account_reviews.domain.analysis.model import RiskLevel, Severity
from account_reviews.domain.policy.boundaries import BOUNDARIES, STEPS, TABLE, crosses, render_table
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import DealStage
from tests.support.build import (
    AS_OF,
    POLICY,
    account,
    ago,
    deal,
    finding,
    idle,
    ids,
    kinds,
    marks,
    policy_with,
    review,
    snapshot,
    written,
)
from tests.support.paths import ROOT

MOMENT = timedelta(seconds=1)


@pytest.mark.parametrize("boundary", TABLE, ids=lambda item: item.name)
def test_strict_tests_exclude_the_limit(boundary: object) -> None:
    row = BOUNDARIES[str(getattr(boundary, "name", ""))]
    limit, step = row.at(POLICY), STEPS[row.unit]
    below, at, above = (row.holds(value, limit) for value in (limit - step, limit, limit + step))
    expected = {
        ">": (False, False, True),
        ">=": (False, True, True),
        "<": (True, False, False),
        "<=": (True, True, False),
    }
    assert (below, at, above) == expected[row.test]


def test_names_are_unique() -> None:
    assert len(BOUNDARIES) == len(TABLE)


def test_every_boundary_is_used_by_a_rule() -> None:
    sources = [
        path.read_text()
        for path in (ROOT / "account_reviews/domain").rglob("*.py")
        if path.name != "boundaries.py"
    ]
    by_level = ("risk_", "health_healthy", "health_moderate", "health_at_risk")
    unused = [
        row.name
        for row in TABLE
        if not row.name.startswith(by_level) and not any(f'"{row.name}"' in it for it in sources)
    ]
    assert unused == []


def test_the_documentation_shows_the_table() -> None:
    assert render_table(POLICY) in (ROOT / "docs/rules.md").read_text()


def test_limits_follow_the_policy() -> None:
    strict = policy_with(risk__stalled_days=20)
    assert crosses("stalled", timedelta(days=21), strict)
    assert not crosses("stalled", timedelta(days=21), POLICY)


def test_an_unknown_boundary_is_an_error() -> None:
    with pytest.raises(KeyError):
        crosses("nonsense", 1, POLICY)


def test_fractions_are_compared_as_written() -> None:
    assert crosses("confidence_high", 0.8, POLICY)
    assert not crosses("engagement_drop", 0.5, POLICY)
    assert crosses("low_deal_value", Decimal("9999.99"), POLICY)


@pytest.mark.parametrize(
    ("days", "severity"),
    [
        (14, None),
        (15, Severity.MEDIUM),
        (29, Severity.MEDIUM),
        (30, Severity.HIGH),
        (31, Severity.HIGH),
        (60, Severity.HIGH),
        (61, Severity.CRITICAL),
    ],
)
def test_inactivity_finding(days: int, severity: Severity | None) -> None:
    analysis = review(idle(days))
    if severity is None:
        assert "inactivity_threshold" not in kinds(analysis)
    else:
        assert finding(analysis, "inactivity_threshold").severity is severity


def test_one_second_more_than_the_limit_is_more() -> None:
    assert "inactivity_threshold" not in kinds(review(idle(14)))
    assert "inactivity_threshold" in kinds(review(idle(14, since=MOMENT)))


@pytest.mark.parametrize(
    ("days", "points"), [(14, None), (15, 20), (29, 20), (30, 20), (31, 40), (61, 40)]
)
def test_inactivity_points(days: int, points: int | None) -> None:
    parts = review(idle(days)).risk.contributions
    found = [part.points for part in parts if part.rule.startswith("inactive")]
    assert found == ([] if points is None else [points])


@pytest.mark.parametrize(
    ("days", "priority"),
    [
        (29, None),
        (30, Severity.HIGH),
        (31, Severity.HIGH),
        (60, Severity.HIGH),
        (61, Severity.CRITICAL),
    ],
)
def test_engagement_rule(days: int, priority: Severity | None) -> None:
    found = {item.id: item.priority for item in review(idle(days)).recommendations}
    assert found.get("ACC-1-eng-001") == priority


def test_getting_in_touch_ends_where_the_engagement_rule_begins() -> None:
    assert "ACC-1-chg-005" not in ids(review(idle(14)))
    assert "ACC-1-chg-005" in ids(review(idle(15)))
    assert "ACC-1-chg-005" in ids(review(idle(29)))
    assert "ACC-1-chg-005" not in ids(review(idle(30)))


@pytest.mark.parametrize(
    ("days", "severity", "marked"),
    [
        (29, None, 0),
        (30, None, 0),
        (31, Severity.HIGH, 0),
        (45, Severity.HIGH, 0),
        (46, Severity.CRITICAL, 1),
    ],
)
def test_stalled_deals(days: int, severity: Severity | None, marked: int) -> None:
    analysis = review(snapshot(deals=(deal(1, days),)))
    found = [item.severity for item in analysis.findings if item.kind == "deal_stalled"]
    assert found == ([] if severity is None else [severity])
    assert len(written(analysis, Action.UPDATE_DEAL_STAGE)) == marked


def test_a_stage_can_have_its_own_limit() -> None:
    quick = policy_with(risk__stalled_by_stage={"Negotiation": 10})
    assert "deal_stalled" in kinds(review(snapshot(deals=(deal(1, 11),)), policy=quick))
    other = deal(1, 11, stage=DealStage.PROPOSAL)
    assert "deal_stalled" not in kinds(review(snapshot(deals=(other,)), policy=quick))


@pytest.mark.parametrize(("days", "due"), [(0, False), (1, True), (90, True), (91, False)])
def test_contract_end(days: int, *, due: bool) -> None:
    end = (AS_OF + timedelta(days=days)).date()
    assert ("ACC-1-ret-001" in ids(review(snapshot(account=account(contract_end=end))))) is due


@pytest.mark.parametrize(
    ("amount", "rule"),
    [("0", "no_deal_value"), ("1", "low_deal_value"), ("9999.99", "low_deal_value"), ("10000", "")],
)
def test_deal_value(amount: str, rule: str) -> None:
    analysis = review(snapshot(deals=(deal(amount=Decimal(amount)),)))
    assert [part.rule for part in analysis.risk.contributions] == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("before", "now", "drops"),
    [(4, 2, False), (4, 1, True), (10, 5, False), (9, 4, True), (1, 0, True), (0, 0, False)],
)
def test_engagement_drop(before: int, now: int, *, drops: bool) -> None:
    found = (*(31 + number for number in range(before)), *(30 - number for number in range(now)))
    recent = account(last_activity_at=ago(1))
    analysis = review(snapshot(account=recent, activity_marks=marks(*found, 80)))
    assert ("engagement_drop" in kinds(analysis)) is drops


def test_thirty_days_sharp_counts_as_recent() -> None:
    facts = Facts(snapshot(activity_marks=marks(30, 30.0001, 60, 60.0001)), AS_OF, POLICY)
    assert (len(facts.recent), len(facts.previous)) == (1, 2)


@pytest.mark.parametrize(("revenue", "offered"), [(49_999, False), (50_000, True)])
def test_upsell_revenue(revenue: int, *, offered: bool) -> None:
    analysis = review(snapshot(account=account(annual_revenue=Decimal(revenue))))
    assert ("ACC-1-exp-001" in ids(analysis)) is offered


@pytest.mark.parametrize(
    ("score", "level"),
    [
        (0, RiskLevel.NONE),
        (1, RiskLevel.LOW),
        (24, RiskLevel.LOW),
        (25, RiskLevel.MEDIUM),
        (49, RiskLevel.MEDIUM),
        (50, RiskLevel.HIGH),
        (79, RiskLevel.HIGH),
        (80, RiskLevel.CRITICAL),
        (None, RiskLevel.UNKNOWN),
    ],
)
def test_risk_bands(score: int | None, level: RiskLevel) -> None:
    from account_reviews.domain.analysis.risk import risk_level

    assert risk_level(score, POLICY) is level
