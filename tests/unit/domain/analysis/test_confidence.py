"""The evidence model by hand-computed values, and every level of it."""

import pytest

from account_reviews.domain.analysis.confidence import (
    Pattern,
    assess_confidence,
    data_recency,
    evidence_quality,
    historical_accuracy,
    pattern_strength,
    wilson_lower,
)
from account_reviews.domain.analysis.model import (
    Confidence,
    ConfidenceLevel,
    PriorOutcome,
    Reference,
    RiskLevel,
    Severity,
)
from account_reviews.domain.proposals import ItemState
from tests.support.build import AS_OF, POLICY, ago

MODEL = POLICY.confidence


def source(days: float = 0, system: str = "crm", kind: str = "account") -> Reference:
    return Reference(
        source_type=system, source_id="1", entity_type=kind, entity_id="1", timestamp=ago(days)
    )


def past(state: ItemState, times: int) -> tuple[PriorOutcome, ...]:
    one = PriorOutcome(
        change_id="c", rule="risk", recommendation_type="risk_mitigation", state=state,
        at=AS_OF, risk_level=RiskLevel.LOW, evidence_hash="e",
    )  # fmt: skip
    return (one,) * times


def assess(
    references: tuple[Reference, ...],
    *,
    priority: Severity = Severity.MEDIUM,
    pattern: Pattern | None = None,
    prior: tuple[PriorOutcome, ...] = (),
) -> Confidence:
    return assess_confidence(
        "risk_mitigation", priority, references, pattern, prior=prior, as_of=AS_OF, policy=POLICY
    )


@pytest.mark.parametrize(
    ("ages", "expected"), [((0,), 1), ((14,), 0.5), ((28,), 0.25), ((0, 14), 0.75), ((-9,), 1)]
)
def test_recency_halves_every_fortnight(ages: tuple[float, ...], expected: float) -> None:
    references = tuple(source(days) for days in ages)
    assert data_recency(references, AS_OF, MODEL) == pytest.approx(expected)


def test_undated_sources_are_not_recent() -> None:
    undated = source().model_copy(update={"timestamp": None})
    assert data_recency((undated,), AS_OF, MODEL) == 0


def test_patterns() -> None:
    assert pattern_strength(None, MODEL) == 0.5
    assert pattern_strength(Pattern(6, 1, 1), MODEL) == pytest.approx(1)
    assert pattern_strength(Pattern(60, 1, 1), MODEL) == pytest.approx(1)
    assert pattern_strength(Pattern(0, 0, 0), MODEL) == 0


def test_evidence() -> None:
    assert evidence_quality((), 0, MODEL) == 0
    assert evidence_quality((source(),), 1, MODEL) == pytest.approx(0.2 + 0.2 / 3 + 0.4)
    many = (source(), source(system="memory", kind="note"), source(kind="deal"))
    assert evidence_quality(many, 1, MODEL) == pytest.approx(1)


def test_history() -> None:
    assert historical_accuracy("risk_mitigation", (), MODEL) == 0.5
    assert historical_accuracy("other", past(ItemState.EXECUTED, 9), MODEL) == 0.5
    assert historical_accuracy("risk_mitigation", past(ItemState.DEFERRED, 9), MODEL) == 0.5
    mixed = (*past(ItemState.EXECUTED, 4), *past(ItemState.REJECTED, 1))
    assert historical_accuracy("risk_mitigation", mixed, MODEL) == pytest.approx(0.8)
    few = past(ItemState.APPROVED, 4)
    assert historical_accuracy("risk_mitigation", few, MODEL) == pytest.approx(0.5965, abs=1e-3)


def test_the_wilson_bound_lies_below_the_share() -> None:
    assert wilson_lower(0, 3, 1.645) == 0
    assert 0 < wilson_lower(0.5, 4, 1.645) < 0.5
    assert wilson_lower(1, 1000, 1.645) > 0.99


def test_the_sum() -> None:
    found = assess((source(),))
    assert found.overall == pytest.approx(0.25 + 0.125 + 0.2 + 0.1, abs=1e-4)
    assert (found.level, found.formula) == (ConfidenceLevel.MEDIUM, "evidence")


def test_every_level_is_reached() -> None:
    two_systems = (source(), source(system="memory", kind="note"), source(kind="deal"))
    high = assess(two_systems, prior=past(ItemState.EXECUTED, 5))
    assert high.level is ConfidenceLevel.HIGH
    assert assess((source(),)).level is ConfidenceLevel.MEDIUM
    low = assess((source(9),))
    assert low.level is ConfidenceLevel.LOW
    assert low.overall >= POLICY.recommendations.min_confidence


def test_notes() -> None:
    assert assess((source(),), priority=Severity.CRITICAL).notes == (
        "may require additional validation",
    )
    assert "exploratory" in assess((source(9),), priority=Severity.LOW).notes
    assert assess((source(),)).notes == ()
