"""Ids of schedules and of what they start, and back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.temporal import names

ENTRIES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", fullmatch=True)
TENANTS = st.text(min_size=1, max_size=20).filter(lambda text: max(text) < "\ud800")


@given(entry=ENTRIES, tenant=TENANTS)
def test_ids_have_inverses(entry: str, tenant: str) -> None:
    assert names.parse_schedule_id(names.schedule_id(entry, tenant)) == (entry, tenant)
    started = names.scheduled_cycle_id(entry, tenant)
    assert names.parse_scheduled_id(started) == ("cycle", entry, tenant, None)
    at = datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    started = f"{names.upkeep_id(entry, tenant)}-2027-03-28T01:00:00Z"
    assert names.parse_scheduled_id(started) == ("upkeep", entry, tenant, at)


def test_the_default_tenant_is_left_out() -> None:
    assert names.schedule_id("weekly") == "weekly"
    assert names.scheduled_cycle_id("weekly") == "cycle/weekly"
    assert names.upkeep_id("weekly", "a/b") == "upkeep/a%2Fb/weekly"


@pytest.mark.parametrize("text", ["review/a", "cycle", "cycle/", "cycle/a/b/c", "upkeep//a"])
def test_what_no_schedule_started(text: str) -> None:
    with pytest.raises(ValueError, match=r"was not started by|is not a schedule id"):
        names.parse_scheduled_id(text)
