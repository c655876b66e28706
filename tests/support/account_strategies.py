"""Generated accounts, for properties."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from account_reviews.domain.records import (
    AccountSnapshot,
    AccountStatus,
    Activity,
    ActivityType,
    DealStage,
)
from tests.support.build import (
    ALL,
    ANNA,
    BEN,
    account,
    ago,
    contact,
    deal,
    marks,
    snapshot,
)

ages: st.SearchStrategy[float] = st.floats(0, 120, allow_nan=False)
amounts = st.none() | st.decimals(0, 500_000, places=2).map(Decimal)
people = st.sampled_from(["anna", "ben", "gone"])


@st.composite
def accounts(draw: st.DrawFn, ages: st.SearchStrategy[float]) -> Any:
    return account(
        name=draw(st.text(min_size=1, max_size=200)),
        owner_id=draw(st.none() | people),
        status=draw(st.none() | st.sampled_from(AccountStatus)),
        annual_revenue=draw(amounts),
        contract_end=draw(st.none() | ages.map(lambda days: ago(20 - days).date())),
        last_activity_at=draw(st.none() | ages.map(ago)),
        custom=draw(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=5))),
    )


@st.composite
def snapshots(draw: st.DrawFn, ages: st.SearchStrategy[float] = ages) -> AccountSnapshot:
    kinds = st.sampled_from(ActivityType)
    activities = tuple(
        Activity(id=f"A-{number}", version="1", account_id="ACC-1", type=draw(kinds), at=ago(days))
        for number, days in enumerate(draw(st.lists(ages, max_size=5)))
    )
    deals = tuple(
        deal(
            number,
            days,
            stage=draw(st.sampled_from(DealStage)),
            amount=draw(amounts),
            owner_id=draw(people),
            stage_changed_at=draw(st.sampled_from([None, ago(days)])),
        )
        for number, days in enumerate(draw(st.lists(ages, max_size=5)))
    )
    contacts = tuple(
        contact(number, owner_id=draw(people)) for number in range(draw(st.integers(0, 4)))
    )
    owner = draw(st.sampled_from([None, ANNA, BEN, ANNA.model_copy(update={"active": False})]))
    return snapshot(
        account=draw(accounts(ages)),
        owner=owner,
        previous_owner=draw(st.sampled_from([None, ANNA, BEN])),
        contacts=contacts,
        deals=deals,
        activities=activities,
        activity_marks=marks(*draw(st.lists(ages, max_size=12))),
        modules=draw(st.frozensets(st.sampled_from(sorted(ALL)))),
    )
