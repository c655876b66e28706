"""Risk, signals, health, engagement, priority: known values, unknown values, every band."""

from decimal import Decimal
from typing import Any

import pytest

from account_reviews.domain.analysis.model import (
    HealthBand,
    PreviousRisk,
    RiskLevel,
    Severity,
)
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.records import AccountStatus, ActivityType, DealStage, RecordType
from tests.support.build import (
    ALL,
    ANNA,
    BEN,
    BUSY,
    account,
    activity,
    again,
    ago,
    deal,
    earlier,
    finding,
    hit,
    idle,
    kinds,
    marks,
    policy_with,
    review,
    snapshot,
)

NO_ACTIVITIES = ALL - {RecordType.ACTIVITY, RecordType.NOTE, RecordType.TASK}


def test_a_calm_account_is_no_risk() -> None:
    analysis = again(snapshot())
    assert (analysis.risk.score, analysis.risk.level) == (0, RiskLevel.NONE)
    assert analysis.signal_level is RiskLevel.NONE
    assert (analysis.health.score, analysis.health.band) == (70, HealthBand.HEALTHY)
    assert analysis.risk.unknown == ()
    assert not analysis.needs_review


@pytest.mark.parametrize(
    ("fields", "score", "level"),
    [
        ({"status": AccountStatus.AT_RISK}, 30, RiskLevel.MEDIUM),
        ({"status": AccountStatus.INACTIVE}, 25, RiskLevel.MEDIUM),
        ({"owner_id": "ben"}, 20, RiskLevel.LOW),
        ({"owner_id": "ben", "status": AccountStatus.AT_RISK}, 50, RiskLevel.HIGH),
    ],
)
def test_risk_points(fields: dict[str, Any], score: int, level: RiskLevel) -> None:
    analysis = review(snapshot(account=account(**fields)), earlier(snapshot()))
    assert (analysis.risk.score, analysis.risk.level) == (score, level)
    assert all(part.evidence for part in analysis.risk.contributions)


def test_the_risk_score_ends_at_100() -> None:
    last = account(last_activity_at=ago(40), status=AccountStatus.AT_RISK, owner_id="ben")
    now = snapshot(account=last, deals=(), activity_marks=())
    analysis = review(now, earlier(snapshot()))
    assert sum(part.points for part in analysis.risk.contributions) == 120
    assert (analysis.risk.score, analysis.risk.level) == (100, RiskLevel.CRITICAL)


def test_contributions_cite_the_record_and_its_value() -> None:
    risk = review(idle(31)).risk
    (part,) = risk.contributions
    (cited,) = part.evidence
    assert cited.record.id == "ACC-1"
    assert cited.record.url == "https://crm.example/accounts/ACC-1"
    assert (cited.field, cited.value, cited.at) == (
        "last_activity_at",
        "2025-05-30T12:00:00Z",
        ago(31),
    )


def test_the_newest_sign_of_contact_counts() -> None:
    old_field = account(last_activity_at=ago(90))
    assert again(snapshot(account=old_field)).risk.score == 0
    newer_field = account(last_activity_at=ago(1))
    assert again(snapshot(account=newer_field, activity_marks=marks(50))).risk.score == 0


def test_the_exact_list_counts_not_the_capped_one() -> None:
    analysis = review(snapshot(activities=(activity(2),), activity_marks=marks(*BUSY)))
    interactions = analysis.health.contributions[1]
    assert interactions.rule == "many_interactions"
    assert interactions.evidence[0].value == len(BUSY) + 1


def test_the_previous_risk_is_shown() -> None:
    before = PreviousRisk(score=70, level=RiskLevel.HIGH)
    assert review(snapshot(), previous_risk=before).risk.previous == before


def test_a_crm_without_activities_is_unknown_and_never_healthy() -> None:
    analysis = again(snapshot(activity_marks=(), modules=NO_ACTIVITIES))
    assert (analysis.risk.score, analysis.risk.level) == (None, RiskLevel.UNKNOWN)
    assert (analysis.health.score, analysis.health.band) == (None, HealthBand.UNKNOWN)
    assert analysis.engagement is None
    assert analysis.signal_level is RiskLevel.UNKNOWN
    assert "last_activity" in analysis.risk.unknown
    assert {"unknown_last_activity", "unknown_engagement"} <= kinds(analysis)
    assert "engagement_drop" not in kinds(analysis)
    assert not {"inactivity", "inactive"} & {part.rule for part in analysis.risk.contributions}


def test_an_account_without_any_activity_is_unknown_and_flagged() -> None:
    analysis = again(snapshot(activity_marks=()))
    assert finding(analysis, "unknown_last_activity").requires_attention
    assert analysis.requires_attention
    assert analysis.risk.level is RiskLevel.UNKNOWN
    assert analysis.engagement == 0
    assert analysis.health.score == 30
    assert "inactivity_threshold" not in kinds(analysis)


def test_what_is_known_still_counts() -> None:
    poor = snapshot(activity_marks=(), modules=NO_ACTIVITIES, deals=())
    analysis = again(poor)
    assert (analysis.risk.score, analysis.risk.level) == (30, RiskLevel.MEDIUM)
    assert analysis.risk.unknown == ("last_activity",)


def test_nothing_known_is_unknown_even_with_a_new_owner() -> None:
    bare = account(status=None, owner_id="ben")
    now = snapshot(account=bare, owner=BEN, deals=(), activity_marks=(), modules=frozenset())
    analysis = review(now, earlier(snapshot(account=account(status=None))))
    assert (analysis.risk.score, analysis.risk.level) == (None, RiskLevel.UNKNOWN)
    assert analysis.signal_level is RiskLevel.HIGH
    assert {"unknown_deals", "unknown_status"} <= kinds(analysis)


def test_deals_without_amounts_are_unknown_until_the_rest_is_enough() -> None:
    silent = deal(2, amount=None)
    poor = again(snapshot(deals=(deal(amount=Decimal(500)), silent)))
    assert poor.risk.unknown == ("deal_value",)
    assert poor.risk.level is RiskLevel.UNKNOWN
    rich = again(snapshot(deals=(deal(amount=Decimal(50_000)), silent)))
    assert rich.risk.unknown == ()
    assert "unknown_deal_value" in kinds(rich)


def test_cut_deals_are_a_lower_bound() -> None:
    cut = snapshot(deals=(deal(amount=Decimal(5)),), totals={RecordType.DEAL: 40})
    assert again(cut).risk.unknown == ("deal_value",)
    closed = deal(2, stage=DealStage.CLOSED_LOST)
    whole = snapshot(deals=(deal(amount=Decimal(5)), closed), totals={RecordType.DEAL: 40})
    assert again(whole).risk.score == 15


def test_a_deal_without_a_stage_date_is_unknown_not_stalled() -> None:
    analysis = again(snapshot(deals=(deal(stage_changed_at=None),)))
    assert "deal_stalled" not in kinds(analysis)
    assert "unknown_deal_stage_since" in kinds(analysis)


def test_a_deal_marked_stalled_is_stalled() -> None:
    marked = deal(1, 1, stage=DealStage.STALLED)
    assert finding(again(snapshot(deals=(marked,))), "deal_stalled").severity is Severity.HIGH


def test_no_activity_before_is_no_drop() -> None:
    assert "engagement_drop" not in kinds(again(snapshot(activity_marks=marks(80))))
    ended = finding(again(idle(95)), "engagement_drop")
    assert ended.title == "Contact has ended: there is no recent activity"
    assert [(one.field, one.value) for one in ended.evidence] == [("interactions", 0)]


@pytest.mark.parametrize(
    ("now", "level"),
    [
        (snapshot(), RiskLevel.NONE),
        (snapshot(activity_marks=marks(2, 40, 41, 42)), RiskLevel.MEDIUM),
        (idle(30), RiskLevel.HIGH),
        (snapshot(deals=(deal(1, 31),)), RiskLevel.HIGH),
        (idle(61), RiskLevel.CRITICAL),
        (snapshot(account=account(status=AccountStatus.AT_RISK)), RiskLevel.CRITICAL),
        (snapshot(activity_marks=(), modules=frozenset()), RiskLevel.UNKNOWN),
    ],
)
def test_the_signal_level_is_the_worst_signal(now: Any, level: RiskLevel) -> None:
    analysis = again(now)
    assert analysis.signal_level is level


def test_the_signals_can_be_the_risk_rule() -> None:
    by_signals = policy_with(risk__rule="signals")
    risk = again(idle(61), policy=by_signals).risk
    assert (risk.rule, risk.level, risk.score) == ("signals", RiskLevel.CRITICAL, 80)
    assert [part.rule for part in risk.contributions] == ["inactivity"]
    unknown = again(snapshot(activity_marks=(), modules=frozenset()), policy=by_signals).risk
    assert (unknown.level, unknown.score) == (RiskLevel.UNKNOWN, None)
    assert again(snapshot(), policy=by_signals).risk.score == 0


@pytest.mark.parametrize(
    ("activities", "score", "band"),
    [
        (11, 70, HealthBand.HEALTHY),
        (10, 60, HealthBand.MODERATE),
        (6, 60, HealthBand.MODERATE),
        (5, 50, HealthBand.AT_RISK),
        (1, 50, HealthBand.AT_RISK),
        (0, 30, HealthBand.CRITICAL),
    ],
)
def test_every_health_band_is_reached(activities: int, score: int, band: HealthBand) -> None:
    now = snapshot(activity_marks=marks(*range(1, activities + 1)))
    health = again(now).health
    assert (health.score, health.band) == (score, band)


def test_signals_lower_the_health() -> None:
    health = again(snapshot(deals=(deal(1, 31), deal(2, 40)))).health
    assert health.score == 60
    assert sum(part.points for part in health.contributions) == 60


def test_memories_of_contact_count_once() -> None:
    four = snapshot(activity_marks=marks(1, 2, 3, 4, 5))
    hits = (hit(name="mem-1"), hit(MemoryKind.COMMITMENT, name="mem-2"))
    assert again(four, memory=hits).health.score == 60
    ours = (hit(MemoryKind.REVIEW), hit(MemoryKind.DECISION), hit(MemoryKind.FACT))
    assert again(four, memory=ours).health.score == 50
    assert again(four, memory=(hit(days=91),)).health.score == 50
    known = hit()
    same = known.model_copy(
        update={"source": known.source.model_copy(update={"record_id": "M-0-1"})}
    )
    assert again(four, memory=(same,)).health.score == 50


def test_engagement_parts() -> None:
    calls = marks(0, 1, 2, 3, 4)
    assert again(snapshot(activity_marks=calls)).engagement == pytest.approx(0.4 + 0.15)
    demos = marks(*range(10), kind=ActivityType.DEMO)
    assert again(snapshot(activity_marks=demos)).engagement == 1
    assert again(snapshot(activity_marks=marks(15))).engagement == pytest.approx(0.23)
    assert again(idle(31)).engagement == 0


def test_priority_score() -> None:
    assert again(snapshot()).priority_score == 20
    rich = snapshot(deals=(deal(amount=Decimal(100_001)),))
    assert again(rich).priority_score == 30
    middle = snapshot(deals=(deal(amount=Decimal(50_001)),), activity_marks=marks(1, 2, 3))
    assert again(middle).priority_score == 20
    unknown = snapshot(activity_marks=(), modules=NO_ACTIVITIES)
    assert again(unknown).priority_score == 30


def test_needs_review_follows_risk_and_attention() -> None:
    high = snapshot(account=account(status=AccountStatus.INACTIVE), deals=())
    analysis = again(high)
    assert analysis.risk.level is RiskLevel.HIGH
    assert analysis.needs_review
    assert not analysis.requires_attention


def test_missing_sources_degrade() -> None:
    analysis = again(snapshot(), memory=None, stale_seconds=7200)
    assert analysis.degraded
    assert analysis.missing_sources == ("crm", "memory")
    assert analysis.stale_seconds == 7200
    assert analysis.health.unknown == ("memory",)
    assert not again(snapshot()).degraded


def test_an_inactive_owner_is_a_finding() -> None:
    gone = ANNA.model_copy(update={"active": False})
    assert finding(again(snapshot(owner=gone)), "inactive_owner").requires_attention


def test_values_after_as_of_are_not_known_yet() -> None:
    future = account(last_activity_at=ago(-5))
    analysis = again(snapshot(account=future, activity_marks=marks(-1, 40)))
    assert finding(analysis, "inactivity_threshold").severity is Severity.HIGH
