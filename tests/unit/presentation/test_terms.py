"""No value of the program is met by people."""

import importlib
import pkgutil
from collections.abc import Iterator
from enum import StrEnum
from types import SimpleNamespace

import pytest

from account_reviews import domain
from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.proposals import Action, ItemState
from account_reviews.domain.records import AccountStatus, ActivityType, DealStage
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.presentation.terms import LEGEND, outcome_of, term_of


def every_enum() -> list[type[StrEnum]]:
    for module in pkgutil.walk_packages(domain.__path__, f"{domain.__name__}."):
        importlib.import_module(module.name)

    def below(kind: type[StrEnum]) -> Iterator[type[StrEnum]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    found = {one for one in below(StrEnum) if one.__module__.startswith(domain.__name__)}
    return sorted(found, key=lambda one: (one.__module__, one.__name__))


ENUMS = every_enum()
CODES = {str(word) for kind in ENUMS for word in kind if "_" in word}


@pytest.mark.parametrize("kind", ENUMS, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_every_word_has_a_term_that_is_no_code(kind: type[StrEnum]) -> None:
    for word in kind:
        said = term_of(word)
        assert said
        assert "_" not in said
        assert said not in CODES
        assert said == said.strip()


def test_all_enums_are_looked_at() -> None:
    assert {Action, ItemState, Phase, Outcome, HealthBand, RiskLevel} <= set(ENUMS)


@pytest.mark.parametrize("kind", [Action, ItemState, Phase, HealthBand, RiskLevel, Outcome])
def test_two_words_of_one_kind_are_told_apart(kind: type[StrEnum]) -> None:
    assert len({term_of(word) for word in kind}) == len(kind)


@pytest.mark.parametrize("kind", [AccountStatus, DealStage, ActivityType])
def test_words_of_the_crm_stay_as_they_are(kind: type[StrEnum]) -> None:
    assert [term_of(word) for word in kind] == [word.value for word in kind]


def test_at_risk_is_only_a_status_of_the_crm() -> None:
    words = [term_of(word) for kind in ENUMS for word in kind if kind is not AccountStatus]
    assert not [word for word in words if word.casefold() == "at risk"]
    assert term_of(HealthBand.AT_RISK) == "fragile"
    assert list(LEGEND) == ["Risk", "Health", 'Status "At Risk"']


@pytest.mark.parametrize(
    ("outcome", "plan_only", "said"),
    [
        (Outcome.NOTHING_TO_DO, True, "planned"),
        ("nothing_to_do", True, "planned"),
        (Outcome.NOTHING_TO_DO, False, "nothing to do"),
        (Outcome.FAILED, True, "failed"),
        (Outcome.DEFERRED, False, "put off"),
        (None, True, None),
    ],
)
def test_a_plan_ends_as_planned(outcome: str | None, said: str | None, *, plan_only: bool) -> None:
    from datetime import UTC, datetime

    from account_reviews.presentation.words import Words

    assert outcome_of(outcome, plan_only=plan_only) == said
    row = SimpleNamespace(outcome=outcome, plan_only=plan_only)
    assert Words(now=datetime(2026, 10, 1, tzinfo=UTC)).outcome(row) == said
