"""What the snapshot before says of one that a CRM without histories gave."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    Deal,
    DealStage,
    Owner,
    RecordType,
    SnapshotLimits,
    StageChange,
)
from account_reviews.domain.snapshot_history import DealThen, LastSeen, with_history

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
LIMITS = SnapshotLimits(lookback_days=90)
ANN = Owner(id="ann", version="1", name="Ann")
BEN = Owner(id="ben", version="1", name="Ben")
TIMES = st.timedeltas(timedelta(days=-300), timedelta(days=90)).map(lambda ago: NOW + ago)
STAGES = st.sampled_from(DealStage)


def snapshot(
    stage: DealStage = DealStage.PROPOSAL,
    *,
    modified_at: datetime | None = None,
    owner: Owner | None = ANN,
    at: datetime = NOW,
    as_of: datetime | None = None,
) -> AccountSnapshot:
    """Of a CRM that shows everything only as it stands."""
    deal = Deal(id="d", version="1", account_id="a", name="D", stage=stage, modified_at=modified_at)
    owner_id = owner.id if owner else None
    return AccountSnapshot(
        account=Account(id="a", version="1", name="A", owner_id=owner_id, modified_at=modified_at),
        owner=owner,
        deals=(deal,),
        modules=frozenset(RecordType),
        fetched_at=at,
        as_of=as_of or at,
    )


def seen(found: AccountSnapshot) -> LastSeen:
    """A snapshot as the next one looks back at it."""
    deals = tuple(DealThen.model_validate(deal.model_dump()) for deal in found.deals)
    return LastSeen(
        owner_id=found.account.owner_id,
        owner=found.owner,
        previous_owner=found.previous_owner,
        owner_changed_at=found.owner_changed_at,
        deals=deals,
    )


def test_without_a_snapshot_before_it_stays_unknown() -> None:
    first = with_history(snapshot(), None, LIMITS)
    assert first == snapshot()
    assert first.deals[0].stage_changed_at is None


def test_what_did_not_change_dates_nothing() -> None:
    found = with_history(snapshot(), seen(snapshot(at=NOW - timedelta(days=7))), LIMITS)
    assert found.deals[0].stage_changed_at is None
    assert found.previous_owner is None


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        (NOW - timedelta(days=2), NOW - timedelta(days=2)),
        (None, NOW),
        (NOW + timedelta(minutes=10), NOW),
    ],
    ids=["as the CRM dates it", "undated", "a clock that goes ahead"],
)
def test_another_stage_or_owner_changed_between_the_two(
    modified: datetime | None, expected: datetime
) -> None:
    last = seen(snapshot(DealStage.QUALIFICATION, owner=BEN, at=NOW - timedelta(days=7)))
    found = with_history(snapshot(modified_at=modified), last, LIMITS)
    assert found.deals[0].stage_changed_at == expected
    assert found.deals[0].stage_history == (StageChange(stage=DealStage.PROPOSAL, at=expected),)
    assert (found.previous_owner, found.owner_changed_at) == (BEN, expected)


def test_what_was_told_once_is_told_on_within_the_window() -> None:
    changed = NOW - timedelta(days=2)
    first = with_history(
        snapshot(modified_at=changed), seen(snapshot(DealStage.STALLED, owner=BEN)), LIMITS
    )
    for days, before in ((30, BEN), (88, BEN), (89, None)):
        later = snapshot(at=NOW + timedelta(days=days), modified_at=NOW)
        found = with_history(later, seen(first), LIMITS)
        assert found.previous_owner == before, days
        assert found.deals[0].stage_changed_at == changed
        assert found.deals[0].stage_history == first.deals[0].stage_history


def test_what_the_crm_says_itself_stays() -> None:
    own = snapshot()
    told = own.deals[0].model_copy(update={"stage_changed_at": NOW - timedelta(days=50)})
    own = own.model_copy(update={"deals": (told,), "previous_owner": BEN})
    assert with_history(own, seen(snapshot(DealStage.STALLED, owner=None)), LIMITS) == own


READINGS = st.lists(
    st.tuples(TIMES, STAGES, st.one_of(st.none(), TIMES), st.sampled_from([ANN, BEN, None])),
    min_size=1,
    max_size=6,
)


@given(readings=READINGS, back=st.integers(0, 200))
def test_a_chain_of_readings_is_in_order_and_never_ahead(
    readings: list[tuple[datetime, DealStage, datetime | None, Owner | None]], back: int
) -> None:
    last: LastSeen | None = None
    for at, stage, modified_at, owner in sorted(readings, key=lambda one: one[0]):
        found = with_history(
            snapshot(
                stage,
                at=at,
                modified_at=modified_at,
                owner=owner,
                as_of=at - timedelta(days=back),
            ),
            last,
            LIMITS,
        )
        (deal,) = found.deals
        assert all(first.at <= second.at for first, second in pairwise(deal.stage_history))
        assert all(one.at <= found.as_of for one in deal.stage_history)
        if deal.stage_changed_at is not None:
            assert deal.stage_changed_at <= found.as_of
            assert not deal.stage_history or deal.stage_history[-1].at <= deal.stage_changed_at
        if found.owner_changed_at is not None:
            begin = found.as_of - timedelta(days=LIMITS.lookback_days)
            assert begin <= found.owner_changed_at <= found.as_of
        last = seen(found)
