"""Digests of the sample portfolio, on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import DocumentUnreadableError
from account_reviews.domain.reports.digest import Digest
from account_reviews.presentation.digest import render_digest
from account_reviews.services.digests import make, make_all
from account_reviews.store.digest_queries import DigestReader
from account_reviews.store.digest_writes import DigestStore
from account_reviews.store.review_queries import ReviewReader
from tests.support.connections import statements_on
from tests.support.portfolio_world import FIRST, HOUR, World

DAY = FIRST.date()
TOMORROW = DAY + timedelta(days=1)
MORNING = FIRST + 6 * HOUR
NEXT_MORNING = MORNING + 24 * HOUR
OWNERS = ["ow-1", "ow-4"]


@pytest.fixture(scope="module")
async def crm_of_first_week(engine: AsyncEngine) -> AsyncEngine:
    await World(engine).load(FIRST)
    return engine


@pytest.fixture
async def world(crm_of_first_week: AsyncEngine) -> World:
    """A tenant; the accounts of two owners were reviewed at midnight."""
    world = World(crm_of_first_week)
    rows = await world.rows(
        "select id from crm.accounts where owner_id = any(:owners) order by id", owners=OWNERS
    )
    await world.make(await world.cycle(FIRST, ids=[row["id"] for row in rows]))
    return world


def kept(world: World) -> tuple[DigestReader, DigestStore]:
    """Where digests are read from and kept."""
    return DigestReader(statements_on(world.engine)), DigestStore(world.engine)


async def digest(world: World, owner: str, now: datetime = MORNING) -> Digest:
    made: Digest = await make(
        *kept(world), world.policy, tenant=world.tenant, owner_id=owner, day=now.date(), now=now
    )
    return made


async def test_the_same_facts_give_the_same_digest(world: World) -> None:
    query = "select body, made_at from reviews.digests where tenant = :tenant"
    first = await digest(world, "ow-4")
    rows = await world.rows(query)
    assert await digest(world, "ow-4", MORNING + HOUR) == first
    assert await world.rows(query) == rows
    assert await DigestReader(statements_on(world.engine)).get(world.tenant, "ow-4", DAY) == first
    assert not first.nothing_new
    assert first.owner_name == "Oren Salvat"


async def test_it_tells_the_owners_accounts_and_no_others(world: World) -> None:
    mine = {row["account_id"] for row in await world.rows(
        "select account_id from reviews.review_runs where tenant = :tenant and owner_id = 'ow-4'"
    )}  # fmt: skip
    found = await digest(world, "ow-4")
    assert found.changed == ()  # reviewed for the first time
    waiting = {one.account_id for one in found.waiting}
    assert waiting
    assert waiting <= mine
    assert len(found.first_accounts) == 3
    assert all(one.why and one.account_id in mine for one in found.first_accounts)
    deadlines = [one.deadline for one in found.waiting]
    assert deadlines == sorted(deadlines)


async def test_the_next_morning_tells_what_decisions_did(world: World) -> None:
    await digest(world, "ow-4")
    reviews = [one for one in await world.open_reviews() if one.snapshot.owner_id == "ow-4"]  # type: ignore[union-attr]
    for review in reviews:
        await world.decide(review, "approve", MORNING + HOUR)
    found = await digest(world, "ow-4", NEXT_MORNING)
    assert found.since == MORNING
    assert not found.changed
    assert not found.waiting
    assert {one.run_id for one in found.decided} == {one.run_id for one in reviews}
    described = [change for one in found.decided for change in one.changes]
    assert {(one.state, one.by, one.verified) for one in described} == {("executed", "anna", True)}
    third = await digest(world, "ow-4", NEXT_MORNING + 24 * HOUR)
    assert third.nothing_new
    assert third.summary == f"Nothing new for Oren Salvat on {TOMORROW + timedelta(days=1)}."


async def test_a_deadline_that_passed_is_overdue(world: World) -> None:
    found = await digest(world, "ow-4", FIRST + timedelta(days=4))
    assert found.waiting
    assert all(one.overdue for one in found.waiting)


async def test_who_else_must_approve_is_told_too(world: World) -> None:
    (review, *_) = await world.open_reviews()
    request = review.pending[0].model_copy(update={"approvers": ("ow-1", "compliance")})
    review.replace_request(request)
    review.touch(FIRST)
    await world.reviews.save(review)
    found = await digest(world, "compliance")
    assert [one.request_id for one in found.waiting] == [request.request_id]
    assert found.changed == ()


async def test_an_account_that_went_to_somebody_else_is_told_there(world: World) -> None:
    (snapshot,) = (await world.snapshots(FIRST, ["ac-034"])).values()
    owner = snapshot.account.owner_id
    assert "ac-034" in {one.account_id for one in (await digest(world, owner)).waiting}
    (first,) = (one for one in await world.open_reviews() if one.account_id == "ac-034")
    await world.decide(first, "reject", MORNING)
    moved = snapshot.model_copy(
        update={"account": snapshot.account.model_copy(update={"owner_id": "ow-5"})}
    )
    await world.review(moved, MORNING + HOUR)
    later = MORNING + 2 * HOUR
    (told,) = (await digest(world, "ow-5", later)).changed
    assert told.account_id == "ac-034"
    assert "owner_change" in {one.type for one in told.changes}
    assert "ac-034" not in {one.account_id for one in (await digest(world, owner, later)).changed}


async def test_everybody_gets_one(world: World) -> None:
    made = await make_all(*kept(world), world.policy, tenant=world.tenant, day=DAY, now=MORNING)
    assert made == OWNERS
    rows = await world.rows("select owner_id, body from reviews.digests where tenant = :tenant")
    assert {row["owner_id"] for row in rows} == set(OWNERS)
    again = await make_all(*kept(world), world.policy, tenant=world.tenant, day=DAY, now=MORNING)
    assert again == made
    assert (
        await world.rows("select owner_id, body from reviews.digests where tenant = :tenant")
        == rows
    )


async def test_a_day_that_is_over_shows_what_waited_then(world: World) -> None:
    before = await digest(world, "ow-4", FIRST + 23 * HOUR)
    for review in await world.open_reviews():
        await world.decide(review, "reject", FIRST + 30 * HOUR)
    late = await make(
        *kept(world),
        world.policy,
        tenant=world.tenant,
        owner_id="ow-4",
        day=DAY,
        now=datetime.now(UTC) + timedelta(days=3650),
    )
    assert {one.request_id for one in late.waiting} == {one.request_id for one in before.waiting}
    assert late.decided == ()


async def test_an_owner_of_nothing_reviewed_has_nothing_new(world: World) -> None:
    quiet = World(world.engine)
    found = await digest(quiet, "ow-4")
    assert found.nothing_new
    assert found.summary == "Nothing new for ow-4 on 2026-10-01."


@pytest.mark.parametrize("table", ["review", "request", "analysis"])
async def test_an_unreadable_document_is_named_and_takes_no_other_with_it(
    world: World, table: str
) -> None:
    before = await digest(world, "ow-4")
    bad, *_ = [one for one in await world.open_reviews() if one.account_id in waiting_of(before)]
    if table == "review":
        await world.decide(bad, "reject", MORNING)
    odd = await world.reviews.put_document("odd", {"of_another": "release"})
    await world.write(SPOILT[table], run_id=bad.run_id, hash=odd)
    found = await digest(world, "ow-4", MORNING + HOUR)
    assert [one.account_id for one in found.unreadable] == [bad.account_id]
    assert found.summary.endswith("; 1 account not wholly readable.")
    assert waiting_of(found) >= waiting_of(before) - {bad.account_id}
    for form in ("md", "html"):
        assert "What cannot be read" in render_digest(found, form)


async def test_a_list_of_requests_goes_on_after_an_unreadable_one(world: World) -> None:
    first, *others = [one.pending[0].request_id for one in await world.open_reviews()]
    await world.write(
        "update reviews.approval_requests set body = '{}', deadline = '2020-01-01' "
        "where request_id = :request_id",
        request_id=first,
    )
    reader = ReviewReader(statements_on(world.engine))
    page = await reader.list_requests(tenant=world.tenant, limit=1)
    assert (page.items, page.unreadable) == ((), (first,))
    rest = await reader.list_requests(tenant=world.tenant, cursor=page.next_cursor)
    assert {row.request.request_id for row in rest.items} == set(others)
    with pytest.raises(DocumentUnreadableError, match=first):
        await reader.find_request(world.tenant, first)


SPOILT = {
    "review": "update reviews.review_runs set state = jsonb_build_object('odd', "
    "cast(:hash as text)) where run_id = :run_id",
    "request": "update reviews.approval_requests set body = jsonb_build_object('odd', "
    "cast(:hash as text)) where run_id = :run_id",
    "analysis": "update reviews.review_runs set analysis_hash = :hash where run_id = :run_id",
}
"""How a stored part is made one that nobody can read."""


def waiting_of(digest: Digest) -> set[str]:
    return {one.account_id for one in digest.waiting}
