"""Places for interactive reviews: real starters, a real database, a real Temporal."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.domain.errors import (
    BadInputError,
    HaltedError,
    LimitReachedError,
    ReviewAlreadyRunningError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import ReviewInput, ReviewState
from account_reviews.services import admission
from account_reviews.services.admission import admitted, is_under_review
from account_reviews.services.halts import starting
from account_reviews.store.transactions import Transactions
from account_reviews.temporal import names
from starter import start_review
from tests.support.commands import rows
from tests.support.waiting import until
from tests.support.world import World, make_world

MOST = 3
ROWS = "select reservation_id, workflow_id, run_id from reviews.admission where tenant = :tenant"


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As whoever knew the earlier systems sets it."""
    monkeypatch.setenv("SESSION_MAX_CONCURRENT", str(MOST))


@pytest.fixture
def world(own_client: Client, engine: AsyncEngine) -> World:
    """A world in the namespace of `parts`."""
    return make_world(own_client, engine)


async def start(parts: Parts, client: Client, account_id: str, **fields: Any) -> ReviewState:
    """As `reviews start --interactive` does."""
    given = {"tenant": parts.settings.tenant, "interactive": True, **fields}
    review = ReviewInput(account_id=account_id, **given)
    async with starting(parts) as ask, admitted(parts, client, review, ask) as one:
        _, state = await start_review(client, one, account_of(account_id))
    await parts.first_rows.open_run(state)
    return state


def account_of(account_id: str) -> Account:
    return Account(id=account_id, version="1", name=account_id, owner_id="ow-1")


async def taken(parts: Parts) -> list[dict[str, Any]]:
    return await rows(parts.engine, ROWS, tenant=parts.settings.tenant)


async def fill(parts: Parts, client: Client, count: int = MOST) -> list[ReviewState]:
    return [await start(parts, client, f"ac-{number}") for number in range(count)]


async def terminate(client: Client, state: ReviewState) -> None:
    await client.get_workflow_handle(state.review_id).terminate()


async def test_of_fifty_who_race_for_the_last_places_as_many_win_as_there_are(
    parts: Parts, own_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSION_MAX_CONCURRENT", "7")
    await fill(parts, own_client, 2)
    race = (start(parts, own_client, f"racer-{number}") for number in range(50))
    ended = await asyncio.gather(*race, return_exceptions=True)
    won = [one for one in ended if isinstance(one, ReviewState)]
    lost = [one for one in ended if isinstance(one, LimitReachedError)]
    assert (len(won), len(lost)) == (5, 45), ended
    assert {one.message for one in lost} == {"Maximum concurrent reviews (7) reached"}
    assert {row["run_id"] for row in await taken(parts)} >= {one.run_id for one in won}
    assert len(await taken(parts)) == 7


async def test_processes_of_their_own_race_as_well(
    parts: Parts, own_client: Client, database_url: str
) -> None:
    async def one(number: int) -> ReviewState:
        settings = Settings.load(
            data_dir=parts.settings.data_dir,
            database_url=database_url,
            tenant=parts.settings.tenant,
        )
        async with open_parts(settings, application="tests") as own:
            return await start(own, own_client, f"ac-{number}")

    ended = await asyncio.gather(*(one(number) for number in range(20)), return_exceptions=True)
    assert sum(isinstance(one, ReviewState) for one in ended) == MOST
    assert sum(isinstance(one, LimitReachedError) for one in ended) == 20 - MOST


async def test_a_place_is_free_at_once_when_a_review_closes(parts: Parts, world: World) -> None:
    tenant = parts.settings.tenant
    await fill(parts, world.client, MOST - 1)
    account_id = world.account.id
    async with world.worker(), starting(parts) as ask:
        review = ReviewInput(
            account_id=account_id, tenant=tenant, interactive=True, execution=world.execution
        )
        async with admitted(parts, world.client, review, ask) as one:
            handle, state = await start_review(
                world.client, one, world.account, task_queue=world.task_queue
            )
        with pytest.raises(LimitReachedError):
            await start(parts, world.client, "late")
        await handle.signal("cancel_review", {"by": "ann"})
        await until(lambda: _is_free(parts, state.review_id))
    assert (await start(parts, world.client, "late")).account_id == "late"


async def _is_free(parts: Parts, review_id: str) -> bool:
    return review_id not in {row["workflow_id"] for row in await taken(parts)}


async def test_the_first_save_says_whose_place_it_is_and_a_later_one_does_not_take_it_away(
    parts: Parts, own_client: Client
) -> None:
    (state,) = await fill(parts, own_client, 1)
    (row,) = await taken(parts)
    assert row["run_id"] == state.run_id
    assert row["reservation_id"] == state.reservation_id
    await parts.store.save(state.model_copy(update={"version": 9}))
    assert await taken(parts) == [row]


async def test_an_open_review_that_lost_its_row_takes_a_place_again_and_an_old_save_does_not(
    parts: Parts, own_client: Client
) -> None:
    (state,) = await fill(parts, own_client, 1)
    before = await taken(parts)
    async with parts.engine.begin() as connection:
        await connection.execute(text("delete from reviews.admission"))
    await parts.store.save(state)
    assert await taken(parts) == [], "no newer than what is there"
    await parts.store.save(state.model_copy(update={"version": 9}))
    assert await taken(parts) == before


async def test_a_start_that_is_refused_gives_its_place_back(
    parts: Parts, own_client: Client
) -> None:
    (state,) = await fill(parts, own_client, 1)
    with pytest.raises(ReviewAlreadyRunningError):
        await start(parts, own_client, state.account_id)
    with pytest.raises(BadInputError):
        await start(parts, own_client, "x" * 2000)
    await parts.halts.halt(parts.settings.tenant, "ann", "stop")
    with pytest.raises(HaltedError):
        await start(parts, own_client, "another")
    assert len(await taken(parts)) == 1


async def test_a_plain_review_takes_no_place(parts: Parts, own_client: Client) -> None:
    await fill(parts, own_client)
    assert (await start(parts, own_client, "plain", interactive=False)).reservation_id is None
    assert len(await taken(parts)) == MOST


async def test_a_starter_that_died_before_its_start_leaks_nothing(
    parts: Parts, own_client: Client
) -> None:
    await fill(parts, own_client, MOST - 1)
    review_id = names.review_id("never", parts.settings.tenant)
    async with starting(parts) as ask:
        await parts.admission.hold(ask, "lost")
        assert await parts.admission.take("lost", review_id, most=MOST)
        with pytest.raises(LimitReachedError):  # it is at work
            await start(parts, own_client, "next")
    assert (await start(parts, own_client, "next")).account_id == "next"
    assert "lost" not in {row["reservation_id"] for row in await taken(parts)}


async def test_one_that_died_while_another_review_of_the_account_is_open_leaks_nothing(
    parts: Parts, own_client: Client
) -> None:
    plain = await start(parts, own_client, "plain", interactive=False)
    await fill(parts, own_client, MOST - 1)
    assert await parts.admission.take("lost", plain.review_id, most=MOST)
    assert (await start(parts, own_client, "next")).account_id == "next"


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("Temporal does not answer"),
        RPCError("deadline", RPCStatusCode.DEADLINE_EXCEEDED, b""),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_start_whose_answer_is_unknown_keeps_its_place_until_temporal_says(
    parts: Parts, own_client: Client, error: BaseException
) -> None:
    await fill(parts, own_client, MOST - 1)
    review = ReviewInput(account_id="unsure", tenant=parts.settings.tenant, interactive=True)

    async def begin() -> None:
        async with starting(parts) as ask, admitted(parts, own_client, review, ask) as one:
            await start_review(own_client, one, account_of("unsure"))
            raise error

    with pytest.raises(type(error)):
        await begin()
    with pytest.raises(LimitReachedError):
        await start(parts, own_client, "next")
    await own_client.get_workflow_handle(names.review_id("unsure", review.tenant)).terminate()
    assert (await start(parts, own_client, "next")).account_id == "next"


async def test_a_start_that_is_not_answered_in_time_is_unknown(
    parts: Parts, own_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "START_SECONDS", 0.2)
    review = ReviewInput(account_id="slow", tenant=parts.settings.tenant, interactive=True)

    async def begin() -> None:
        async with starting(parts) as ask, admitted(parts, own_client, review, ask):
            await asyncio.sleep(60)

    with pytest.raises(UnreachableError, match="the review of slow may still be started"):
        await begin()
    assert [row["workflow_id"] for row in await taken(parts)] == [
        names.review_id("slow", parts.settings.tenant)
    ]


async def test_what_temporals_own_tools_ended_makes_room(parts: Parts, own_client: Client) -> None:
    first, *_ = await fill(parts, own_client)
    with pytest.raises(LimitReachedError):
        await start(parts, own_client, "next")
    await terminate(own_client, first)
    assert (await start(parts, own_client, "next")).account_id == "next"
    assert len(await taken(parts)) == MOST


async def test_a_limit_that_was_lowered_lets_nobody_in_and_throws_nobody_out(
    parts: Parts,
    own_client: Client,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = await fill(parts, own_client)
    monkeypatch.setenv("SESSION_MAX_CONCURRENT", "1")
    settings = Settings.load(
        data_dir=parts.settings.data_dir, database_url=database_url, tenant=parts.settings.tenant
    )
    async with open_parts(settings, application="tests") as later:
        with pytest.raises(LimitReachedError, match=r"Maximum concurrent reviews \(1\) reached"):
            await start(later, own_client, "next")
    assert len(await taken(parts)) == len(opened)


async def test_tenants_have_places_of_their_own(
    parts: Parts, own_client: Client, database_url: str
) -> None:
    await fill(parts, own_client)
    settings = Settings.load(
        data_dir=parts.settings.data_dir, database_url=database_url, tenant=uuid4().hex
    )
    async with open_parts(settings, application="tests") as theirs:
        assert (await start(theirs, own_client, "ac-0")).tenant == settings.tenant


async def test_without_the_database_nothing_interactive_starts(
    parts: Parts, own_client: Client
) -> None:
    parts.admission._transactions = Transactions(
        "postgresql://nobody@127.0.0.1:1/none", application_name="tests"
    )
    with pytest.raises(UnreachableError):
        await start(parts, own_client, "ac-1")
    review = ReviewInput(account_id="ac-1", tenant=parts.settings.tenant)
    assert not await is_under_review(own_client, review)


async def test_a_full_house_and_a_temporal_that_is_away(
    parts: Parts, own_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(parts, own_client)

    async def away(*_: object) -> None:
        raise RPCError("no route", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr("account_reviews.services.admission.describe", away)
    with pytest.raises(ReviewsError) as raised:
        await start(parts, own_client, "next")
    assert raised.value.exit_code == 5
    assert len(await taken(parts)) == MOST
