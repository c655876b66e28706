"""Phases, ids and hashes."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.canonical import canonical_json, content_hash, money
from account_reviews.domain.proposals import Action, change_id
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.phases import (
    ALLOWED,
    FINAL,
    IllegalPhaseError,
    Outcome,
    Phase,
    check_move,
)
from account_reviews.temporal import names

ids = st.text(min_size=1, max_size=30)


@pytest.mark.parametrize("current", [*Phase])
@pytest.mark.parametrize("target", [*Phase])
def test_only_listed_moves_are_allowed(current: Phase, target: Phase) -> None:
    if target in ALLOWED[current]:
        check_move(current, target)
    else:
        with pytest.raises(IllegalPhaseError):
            check_move(current, target)


def test_a_final_phase_is_left_by_nobody() -> None:
    assert {phase for phase in Phase if phase.is_final} == {
        Phase.COMPLETED,
        Phase.FAILED,
        Phase.ABANDONED,
    }
    assert all(FINAL[outcome][0].is_final for outcome in Outcome)


@given(ids, ids)
def test_review_ids_have_an_inverse(account: str, tenant: str) -> None:
    built = names.review_id(account, tenant)
    assert names.parse_review_id(built) == (account, tenant)
    assert built.isascii()
    assert built.count("/") == (1 if tenant == names.DEFAULT_TENANT else 2)


@pytest.mark.parametrize("wrong", ["", "review", "review/", "cycle/x", "review//x", "review/a/b/c"])
def test_other_ids_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a review id"):
        names.parse_review_id(wrong)


def test_canonical_json_does_not_depend_on_order_or_spelling() -> None:
    left = {"b": Decimal("1.50"), "a": datetime(2026, 1, 1, tzinfo=UTC), "s": frozenset({2, 1})}
    right = {"s": [1, 2], "a": "2026-01-01T00:00:00Z", "b": "1.5"}
    assert canonical_json(left) == canonical_json(right)
    assert content_hash(left) == content_hash(right)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_money_keeps_its_value(value: Decimal) -> None:
    assert Decimal(money(value)) == value
    assert "E" not in money(value)


def test_a_computed_date_does_not_change_the_change_id() -> None:
    record = RecordRef(type=RecordType.TASK)
    first = change_id(Action.CREATE_TASK, record, "a", "r", {"subject": "x", "due_at": "1"})
    second = change_id(Action.CREATE_TASK, record, "a", "r", {"subject": "x", "due_at": "2"})
    other = change_id(Action.CREATE_TASK, record, "b", "r", {"subject": "x", "due_at": "2"})
    assert first == second != other
    assert len(first) == 16
