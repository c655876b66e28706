"""Ids of schedules and of what they start, and back."""

from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from account_reviews.domain.errors import BadInputError
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


@given(run=st.uuids().map(str) | TENANTS, change=TENANTS)
def test_an_undo_is_named_by_the_write_it_takes_back(run: str, change: str) -> None:
    found = names.undo_id(run, change)
    assert names.parse_undo_id(found) == (run, change)
    assert names.is_review_id(found)
    assert names.account_of(found) is None
    with pytest.raises(ValueError, match="is not a review id"):
        names.parse_review_id(found)


def test_reviews_and_undos_are_told_apart() -> None:
    assert names.is_review_id("review/acme")
    assert names.account_of("review/acme") == "acme"
    for text in ("undo", "undo/run", "undo/run/", "undo/a/b/c", "cycle/weekly", "acme"):
        assert not names.is_review_id(text)
        with pytest.raises(ValueError, match="is not the id of an undo"):
            names.parse_undo_id(text)


def test_the_default_tenant_is_left_out() -> None:
    assert names.schedule_id("weekly") == "weekly"
    assert names.scheduled_cycle_id("weekly") == "cycle/weekly"
    assert names.upkeep_id("weekly", "a/b") == "upkeep/a%2Fb/weekly"


@pytest.mark.parametrize("text", ["review/a", "cycle", "cycle/", "cycle/a/b/c", "upkeep//a"])
def test_what_no_schedule_started(text: str) -> None:
    with pytest.raises(ValueError, match=r"was not started by|is not a schedule id"):
        names.parse_scheduled_id(text)


@given(tenant=TENANTS, other=TENANTS)
def test_a_task_queue_is_of_one_tenant(tenant: str, other: str) -> None:
    assert (names.task_queue(tenant) == names.task_queue(other)) == (tenant == other)


def test_the_default_tenant_keeps_its_task_queue() -> None:
    assert names.task_queue() == names.task_queue("default") == "account-reviews"
    assert names.task_queue("a/b ü") == "account-reviews/a%2Fb%20%C3%BC"


def test_writes_have_a_queue_beside_that_of_their_reviews() -> None:
    assert names.write_queue() == "account-reviews:write"
    assert names.write_queue("a/b") == "account-reviews:write/a%2Fb"
    assert names.write_queue_of("elsewhere") == "elsewhere:write"


@given(tenant=TENANTS, other=TENANTS)
def test_no_queue_of_writes_is_one_of_reviews(tenant: str, other: str) -> None:
    assert names.write_queue(tenant) == names.write_queue_of(names.task_queue(tenant))
    assert names.write_queue(tenant) != names.task_queue(other)
    assert (names.write_queue(tenant) == names.write_queue(other)) == (tenant == other)


def test_only_the_queue_of_all_is_left() -> None:
    assert names.queue_from("account-reviews", "acme") == "account-reviews/acme"
    assert names.queue_from("account-reviews", "default") == "account-reviews"
    assert names.queue_from("elsewhere", "acme") == "elsewhere"


@given(account=st.text(min_size=1, max_size=400), tenant=TENANTS)
def test_a_review_is_only_started_under_an_id_that_the_server_takes(
    account: str, tenant: str
) -> None:
    assume(max(account) < "\ud800")
    found = names.review_id(account, tenant)
    if len(found) <= names.MOST_OF_AN_ID:
        assert names.new_review_id(account, tenant) == found
    else:
        with pytest.raises(BadInputError, match="too long to be reviewed"):
            names.new_review_id(account, tenant)
