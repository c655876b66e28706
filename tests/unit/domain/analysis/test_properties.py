"""What holds for every account, found by generated ones."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from account_reviews.domain.analysis.analysis import AnalysisInputs, analyse
from account_reviews.domain.analysis.model import Analysis, HealthBand, RiskLevel
from account_reviews.domain.fields import check_fields
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.records import (
    AccountSnapshot,
)
from account_reviews.domain.reports.brief import build_brief
from account_reviews.presentation.brief import render_brief
from tests.support.account_strategies import snapshots
from tests.support.build import (
    AS_OF,
    POLICY,
    again,
    deal,
    earlier,
    hit,
    idle,
    policy_with,
    review,
    snapshot,
)

QUICK = settings(max_examples=60)

WIDE = policy_with(recommendations__max=50)


@st.composite
def analyses(draw: st.DrawFn) -> Analysis:
    now = draw(snapshots())
    baseline = draw(st.none() | snapshots().map(earlier))
    memory = draw(st.sampled_from([None, (), (hit(), hit(MemoryKind.RISK, 20, "mem-2"))]))
    stale = draw(st.none() | st.integers(0, 40 * 86_400))
    inputs = AnalysisInputs(
        snapshot=now, baseline=baseline, memory=memory, as_of=AS_OF, stale_seconds=stale
    )
    return analyse(inputs, POLICY)


@QUICK
@given(analyses())
def test_scores_are_bounded(analysis: Analysis) -> None:
    assert analysis.risk.score is None or 0 <= analysis.risk.score <= 100
    assert analysis.health.score is None or 0 <= analysis.health.score <= 100
    assert analysis.engagement is None or 0 <= analysis.engagement <= 1
    assert 0 <= analysis.priority_score <= 100
    for item in analysis.recommendations:
        parts = item.confidence
        for value in (
            parts.overall,
            parts.data_recency,
            parts.pattern_strength,
            parts.evidence_quality,
            parts.historical_accuracy,
        ):
            assert 0 <= value <= 1


@QUICK
@given(analyses())
def test_unknown_is_never_healthy_and_never_zero(analysis: Analysis) -> None:
    if analysis.risk.unknown:
        assert analysis.risk.level is not RiskLevel.NONE
        assert analysis.risk.score != 0
    if "interactions" in analysis.health.unknown:
        assert analysis.health.band is HealthBand.UNKNOWN
        assert analysis.health.score is None
        assert analysis.engagement is None
    assert (analysis.risk.score is None) is (analysis.risk.level is RiskLevel.UNKNOWN)


@QUICK
@given(analyses())
def test_recommendations_are_few_certain_and_cite(analysis: Analysis) -> None:
    policy = POLICY.recommendations
    assert len(analysis.recommendations) <= policy.max
    assert len({item.id for item in analysis.recommendations}) == len(analysis.recommendations)
    for item in analysis.recommendations:
        assert item.references
        assert len(item.rationale) >= 20
        assert item.confidence.overall >= policy.min_confidence
        assert item.expires_at > item.generated_at == AS_OF
    for finding in analysis.findings:
        assert finding.evidence
    for part in analysis.risk.contributions:
        assert part.evidence
        assert part.points > 0


@QUICK
@given(analyses())
def test_writes_are_valid_and_belong_to_a_recommendation(analysis: Analysis) -> None:
    named = {name for item in analysis.recommendations for name in item.change_ids}
    updated = [
        (change.record.type, change.record.id)
        for change in analysis.proposed_changes
        if not change.action.creates
    ]
    assert named == {change.change_id for change in analysis.proposed_changes}
    assert len(updated) == len(set(updated))
    for change in analysis.proposed_changes:
        assert check_fields(change.action, change.after) == change.after
        assert change.before != change.after


@QUICK
@given(analyses())
def test_an_analysis_survives_json(analysis: Analysis) -> None:
    assert Analysis.model_validate_json(analysis.model_dump_json()) == analysis
    assert Analysis.model_validate(analysis.model_dump()) == analysis


@QUICK
@given(analyses())
def test_every_analysis_makes_a_brief(analysis: Analysis) -> None:
    brief = build_brief(analysis, POLICY)
    assert brief.no_updates is not analysis.changes_detected
    assert render_brief(brief, "md").startswith("# ")
    assert render_brief(brief, "html").rstrip().endswith("</html>")


@QUICK
@given(snapshots(), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(now: AccountSnapshot, random: Any) -> None:
    def shuffled(records: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(random.sample(records, len(records)))

    mixed = now.model_copy(
        update={
            name: shuffled(getattr(now, name))
            for name in ("deals", "contacts", "activities", "activity_marks")
        }
    )
    assert review(mixed) == review(now)
    assert review(now) == review(now)


@QUICK
@given(snapshots(st.sampled_from([0.5, 5, 12, 20, 25, 35, 42, 50, 70, 85, 100])))
def test_equal_facts_give_equal_changes_the_next_day(now: AccountSnapshot) -> None:
    """Ages that are not about to cross a limit."""
    first = again(now, policy=WIDE)
    second = again(now, policy=WIDE, as_of=AS_OF + timedelta(days=1))
    assert {change.change_id: change.evidence_hash for change in first.proposed_changes} == {
        change.change_id: change.evidence_hash for change in second.proposed_changes
    }


@QUICK
@given(st.floats(0, 90), st.floats(0, 90))
def test_longer_silence_never_lowers_the_risk(one: float, other: float) -> None:
    shorter, longer = sorted((one, other))
    less, more = again(idle(shorter)), again(idle(longer))
    assert (less.risk.score or 0) <= (more.risk.score or 0)
    assert (less.health.score or 0) >= (more.health.score or 0)
    assert (less.engagement or 0) >= (more.engagement or 0)


@QUICK
@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_more_deal_value_never_raises_the_risk(one: int, other: int) -> None:
    poor, rich = (
        again(snapshot(deals=(deal(amount=Decimal(value)),))) for value in sorted((one, other))
    )
    assert (poor.risk.score or 0) >= (rich.risk.score or 0)
    assert poor.priority_score <= rich.priority_score + 30


@QUICK
@given(snapshots())
def test_a_crm_that_holds_nothing_never_looks_safe(now: AccountSnapshot) -> None:
    empty = {"deals": (), "activities": (), "activity_marks": (), "modules": frozenset()}
    analysis = again(now.model_copy(update=empty))
    assert analysis.risk.level is not RiskLevel.NONE
    assert analysis.signal_level is not RiskLevel.NONE
    assert analysis.health.band is HealthBand.UNKNOWN
    assert {"unknown_deals", "unknown_engagement"} <= {item.kind for item in analysis.findings}
