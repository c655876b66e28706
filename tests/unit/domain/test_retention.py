"""What is due and what is kept, whatever the times are."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.policy.model import Policy, parse_policy
from account_reviews.domain.retention import Keeping, Kept, Row, keeping

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ages = st.timedeltas(timedelta(), timedelta(days=9000))
accounts = st.sampled_from(["a", "b"])
keepings = st.builds(Keeping, st.just(NOW), ages, ages, ages, st.frozensets(accounts, max_size=2))


@given(keepings, accounts)
def test_what_is_open_is_never_due(kept: Keeping, account: str) -> None:
    assert kept.why_kept(Row("r", account, None)) is Kept.OPEN


@given(keepings, accounts, ages)
def test_a_closed_review_goes_by_its_age_and_its_hold_alone(
    kept: Keeping, account: str, age: timedelta
) -> None:
    why = kept.why_kept(Row("r", account, NOW - age))
    if age <= kept.closed:
        assert why is Kept.YOUNG
    else:
        assert why is (Kept.HELD if account in kept.held else None)
    assert (why is None) == (account not in kept.held and NOW - age < kept.before)


@given(keepings, accounts, ages, ages)
def test_what_is_due_stays_due(
    kept: Keeping, account: str, age: timedelta, more: timedelta
) -> None:
    if kept.why_kept(Row("r", account, NOW - age)) is None:
        assert kept.why_kept(Row("r", account, NOW - age - more)) is None
    for needed in (kept.needs_outcome, kept.needs_archive):
        if not needed(account, NOW - age):
            assert not needed(account, NOW - age - more)
        assert needed(account, NOW - age) or account not in kept.held


def test_an_end_sharp_at_the_limit_is_kept() -> None:
    week = timedelta(days=7)
    kept = keeping(Policy(), NOW)
    assert kept.closed == week
    assert kept.why_kept(Row("r", "a", NOW - week)) is Kept.YOUNG
    assert kept.why_kept(Row("r", "a", NOW - week - timedelta(microseconds=1))) is None


def test_outcomes_stay_as_long_as_a_rejection_is_quiet() -> None:
    policy = parse_policy(
        '[recommendations]\nquiet_days = 400\n[retention]\noutcomes = "1d"\nlegal_hold = ["h"]'
    )
    kept = keeping(policy, NOW, older_than=timedelta(days=3))
    assert kept.closed == timedelta(days=3)
    assert kept.needs_outcome("a", NOW - timedelta(days=400))
    assert not kept.needs_outcome("a", NOW - timedelta(days=401))
    assert kept.needs_outcome("h", NOW - timedelta(days=9000))
