"""Transactions over plain connections, against a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from account_reviews.domain.errors import UnreachableError
from account_reviews.store.statements import Statements
from account_reviews.store.transactions import Transactions

LOCK = "select pg_advisory_xact_lock(7)"
IS_FREE = "select pg_try_advisory_xact_lock(7)"
PID = "select pg_backend_pid() as pid"
KILL = "select pg_terminate_backend(:pid, 5000)"


@pytest.fixture
async def transactions(database_url: str) -> AsyncIterator[Transactions]:
    found = Transactions(database_url, application_name="tests")
    yield found
    await found.close()


@pytest.fixture
async def others(database_url: str) -> AsyncIterator[Statements]:
    found = Statements(database_url, application_name="tests")
    yield found
    await found.close()


async def test_what_is_locked_stays_locked_until_the_end(
    transactions: Transactions, others: Statements
) -> None:
    async with transactions.held() as ask:
        await ask(LOCK)
        assert not await others.scalar(IS_FREE)
        assert (await ask("select cast(:n as int) as n", n=1)) == [{"n": 1}]
        assert not await others.scalar(IS_FREE)
    assert await others.scalar(IS_FREE)


async def test_an_error_inside_ends_it_too(transactions: Transactions, others: Statements) -> None:
    async def breaks() -> None:
        async with transactions.held() as ask:
            await ask(LOCK)
            raise KeyError

    with pytest.raises(KeyError):
        await breaks()
    assert await others.scalar(IS_FREE)


async def test_one_that_is_given_up_ends_and_leaves_the_next_usable(
    transactions: Transactions, others: Statements
) -> None:
    begun = asyncio.Event()

    async def holds() -> None:
        async with transactions.held() as ask:
            await ask(LOCK)
            begun.set()
            await ask("select pg_sleep(60)")

    holding = asyncio.ensure_future(holds())
    await begun.wait()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert await others.scalar(IS_FREE)
    async with transactions.held() as ask:
        assert await ask("select 1 as n") == [{"n": 1}]


async def test_the_next_one_uses_the_connection_again(transactions: Transactions) -> None:
    pids = []
    for _ in range(3):
        async with transactions.held() as ask:
            pids += [row["pid"] for row in await ask(PID)]
    assert len(set(pids)) == 1


async def test_those_at_once_have_connections_of_their_own(transactions: Transactions) -> None:
    async with transactions.held() as one, transactions.held() as another:
        assert await one(PID) != await another(PID)


async def test_what_the_database_has_as_its_default_makes_no_difference(database_url: str) -> None:
    given = f"{database_url}{'&' if '?' in database_url else '?'}"
    url = f"{given}default_transaction_isolation=serializable"
    transactions = Transactions(url, application_name="tests")
    async with transactions.held() as ask:
        assert await ask("show default_transaction_isolation") == [
            {"default_transaction_isolation": "serializable"}
        ]
        assert await ask("show transaction_isolation") == [
            {"transaction_isolation": "read committed"}
        ]
    await transactions.close()


async def test_nothing_runs_outside_of_a_transaction_that_was_lost(
    transactions: Transactions, others: Statements
) -> None:
    async with transactions.held() as ask:
        (row,) = await ask(PID)
        await others.scalar(KILL, pid=row["pid"])
        for _ in range(2):
            with pytest.raises(UnreachableError):
                await ask("select 1")
    async with transactions.held() as ask:
        (again,) = await ask(PID)
    assert again != row


async def test_what_was_done_before_a_connection_was_lost_is_done(
    transactions: Transactions, others: Statements
) -> None:
    done = False
    async with transactions.held() as ask:
        (row,) = await ask(PID)
        await others.scalar(KILL, pid=row["pid"])
        done = True
    assert done


async def test_nobody_listens() -> None:
    nowhere = Transactions("postgresql://u:secret@127.0.0.1:1/db", application_name="t")
    with pytest.raises(UnreachableError, match="Connection refused"):
        async with nowhere.held():
            pytest.fail("there is no connection")
