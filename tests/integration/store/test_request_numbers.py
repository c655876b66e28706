"""What people call a request by: its account and its number there."""

from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import BadInputError, RequestNotFoundError
from account_reviews.domain.review.decisions import propose
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.review_queries import ReviewReader
from account_reviews.store.reviews import ReviewStore
from tests.support.connections import statements_on
from tests.support.review_states import NOW, analysis_result, fresh, task_change


def asking(account: str, count: int, name: str = "", tenant: str = "default") -> ReviewState:
    """A review that has asked so many times."""
    state = fresh(account, tenant=tenant)
    state.move(Phase.INVESTIGATING, NOW)
    state.analysis = analysis_result("a" * 64, (task_change(account),))
    state.move(Phase.PLANNING, NOW)
    for number in range(count):
        change = task_change(account, f"Call {number}")
        propose(state, (change,), f"{name or uuid4().hex}{number}", NOW)
    state.move(Phase.APPROVAL, NOW)
    return state


async def numbers(engine: AsyncEngine, *ids: str, tenant: str = "default") -> list[str | None]:
    reader = ReviewReader(statements_on(engine))
    return [(await reader.find_request(tenant, one)).short_id for one in ids]


async def test_requests_of_an_account_are_counted(engine: AsyncEngine) -> None:
    account, store = f"acc-{uuid4().hex[:8]}", ReviewStore(engine)
    first, second = asking(account, 2), asking(account, 1)
    for state in (first, second, first, second):
        await store.save(state)
    ids = [one.request_id for state in (first, second) for one in state.requests]
    found = await numbers(engine, *ids)
    assert sorted(map(str, found[:2])) == [f"{account}-1", f"{account}-2"]
    assert found[2] == f"{account}-3"
    assert await store.replace(first, seen=await store.seen(first.run_id))
    assert await numbers(engine, *ids) == found
    reader = ReviewReader(statements_on(engine))
    row = await reader.find_request("default", f"{account}-3")
    assert row.request.request_id == ids[2]
    listed = await reader.list_requests(tenant="default", account=account)
    assert sorted(str(one.short_id) for one in listed.items) == sorted(map(str, found))


async def test_a_number_is_one_of_its_account_and_tenant(engine: AsyncEngine) -> None:
    account, store = f"acc-{uuid4().hex[:8]}", ReviewStore(engine)
    here, there = asking(account, 1), asking(account, 1, tenant=f"t-{uuid4().hex[:6]}")
    longer = asking(f"{account}-1", 1)
    for state in (here, there, longer):
        await store.save(state)
    reader = ReviewReader(statements_on(engine))
    for state, name in ((here, f"{account}-1"), (longer, f"{account}-1-1")):
        row = await reader.find_request("default", name)
        assert row.request.request_id == state.requests[0].request_id
    row = await reader.find_request(there.tenant, f"{account}-1")
    assert row.request.request_id == there.requests[0].request_id
    for unknown in (f"{account}-2", f"{account}-0", f"{account}-", "-1", f"{account}-99999999999"):
        with pytest.raises(RequestNotFoundError):
            await reader.find_request("default", unknown)


async def test_the_beginning_of_an_id_is_enough_where_no_other_begins_so(
    engine: AsyncEngine,
) -> None:
    name, store = uuid4().hex, ReviewStore(engine)
    state = asking(f"acc-{uuid4().hex[:8]}", 2, name)
    await store.save(state)
    reader = ReviewReader(statements_on(engine))
    with pytest.raises(BadInputError, match="more than one approval request begins with"):
        await reader.find_request("default", name[:12])
    assert (await reader.find_request("default", f"{name}1")).request.request_id == f"{name}1"
    with pytest.raises(RequestNotFoundError):
        await reader.find_request("default", name[:7])
    other = asking(f"acc-{uuid4().hex[:8]}", 1)
    await store.save(other)
    (request,) = other.requests
    found = await reader.find_request("default", request.request_id[:8])
    assert found.request.request_id == request.request_id
