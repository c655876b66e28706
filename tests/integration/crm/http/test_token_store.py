"""The token that all workers share, over real PostgreSQL."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.http.limits import key_of
from account_reviews.crm.http.token_store import Fetched, SharedTokens
from account_reviews.domain.errors import (
    CrmAuthError,
    CrmTokensRevokedError,
    CrmUnavailableError,
)

API = "https://api.example.test"


class Accounts:
    """Gives tokens, and counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self.began = asyncio.Event()
        self.expires_in = 3600.0
        self.error: Callable[[], Exception] | None = None

    async def fetch(self) -> Fetched:
        self.asked += 1
        self.began.set()
        await asyncio.sleep(0.05)
        if self.error is not None:
            raise self.error()
        return Fetched(f"token-{self.asked}", f"{API}/", self.expires_in)


@pytest.fixture
def secret() -> str:
    return uuid4().hex


def workers(engine: AsyncEngine, accounts: Accounts, secret: str, count: int) -> list[SharedTokens]:
    return [
        SharedTokens(engine, service="shop", secret=secret, fetch=accounts.fetch)
        for _ in range(count)
    ]


async def forward(engine: AsyncEngine, secret: str, interval: str) -> None:
    """All that stands in the row happened so much earlier."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "update reviews.api_tokens set expires_at = expires_at - i, "
                "asked_at = array(select one - i from unnest(asked_at) as one), "
                "given_at = array(select one - i from unnest(given_at) as one), "
                "asking_until = asking_until - i, refused_at = refused_at - i "
                "from (select cast(cast(:i as text) as interval)) as by (i) where key = :key"
            ),
            {"i": interval, "key": key_of(secret)},
        )


async def test_one_asks_and_all_have_it(engine: AsyncEngine, secret: str) -> None:
    accounts = Accounts()
    all_workers = workers(engine, accounts, secret, 4)
    tokens = await asyncio.gather(*(one.token() for one in all_workers for _ in range(5)))
    assert accounts.asked == 1
    assert {(token.value, token.api_url) for token in tokens} == {("token-1", API)}
    assert all_workers[0].header(tokens[0]) == {"authorization": "Bearer token-1"}
    assert "token-1" not in repr(tokens[0])


async def test_one_token_per_life(engine: AsyncEngine, secret: str) -> None:
    accounts = Accounts()
    for _ in range(3):
        (worker,) = workers(engine, accounts, secret, 1)
        await worker.token()
        await forward(engine, secret, "30 minutes")
    assert accounts.asked == 2


async def test_a_refused_token_is_renewed_once(engine: AsyncEngine, secret: str) -> None:
    accounts = Accounts()
    all_workers = workers(engine, accounts, secret, 4)
    first = await all_workers[0].token()
    renewed = await asyncio.gather(*(one.renewed(first) for one in all_workers))
    assert accounts.asked == 2
    assert {token.value for token in renewed} == {"token-2"}


async def test_a_service_that_takes_tokens_back_is_asked_twice_in_ten_minutes(
    engine: AsyncEngine, secret: str
) -> None:
    accounts = Accounts()
    one, other = workers(engine, accounts, secret, 2)
    second = await one.renewed(await one.token())
    for worker in (one, other, *workers(engine, accounts, secret, 1)):
        with pytest.raises(CrmTokensRevokedError, match="credentials") as caught:
            await worker.renewed(second)
        assert caught.value.retry_after is not None
        assert 500 < caught.value.retry_after <= 600
        assert caught.value.code == "crm_auth"
        with pytest.raises(CrmTokensRevokedError):
            await worker.token()
    assert accounts.asked == 2
    await forward(engine, secret, "11 minutes")
    assert (await other.token()).value == "token-3"


async def test_a_refused_credential_is_not_shown_again_at_once(
    engine: AsyncEngine, secret: str
) -> None:
    accounts = Accounts()
    accounts.error = lambda: CrmAuthError("shop answers: invalid_code", hint="see the shop")
    for worker in workers(engine, accounts, secret, 3):
        with pytest.raises(CrmAuthError) as caught:
            await worker.token()
        assert caught.value.message == "shop answers: invalid_code"
        assert caught.value.hint == "see the shop"
    assert accounts.asked == 1
    await forward(engine, secret, "2 minutes")
    accounts.error = None
    (worker,) = workers(engine, accounts, secret, 1)
    assert (await worker.token()).value == "token-2"


async def test_never_more_than_ten_in_ten_minutes(engine: AsyncEngine, secret: str) -> None:
    accounts = Accounts()
    accounts.error = lambda: CrmUnavailableError("shop is away")
    (worker,) = workers(engine, accounts, secret, 1)
    for _ in range(60):
        with pytest.raises((CrmUnavailableError, CrmAuthError)) as caught:
            await worker.token()
        if isinstance(caught.value, CrmUnavailableError):
            assert not caught.value.sent
        await forward(engine, secret, "10 seconds")
    assert 5 <= accounts.asked <= 10


async def test_the_old_token_serves_while_there_is_no_new_one(
    engine: AsyncEngine, secret: str
) -> None:
    accounts = Accounts()
    (worker,) = workers(engine, accounts, secret, 1)
    await worker.token()
    await forward(engine, secret, "59 minutes 10 seconds")
    accounts.error = lambda: CrmUnavailableError("shop is away")
    (restarted,) = workers(engine, accounts, secret, 1)
    assert (await restarted.token()).value == "token-1"
    await forward(engine, secret, "1 minute")
    (restarted,) = workers(engine, accounts, secret, 1)
    with pytest.raises(CrmUnavailableError):
        await restarted.token()


async def test_a_worker_that_was_killed_while_it_asked_keeps_nobody_waiting_for_ever(
    engine: AsyncEngine, secret: str
) -> None:
    accounts = Accounts()
    dead, alive = workers(engine, accounts, secret, 2)
    asking = asyncio.create_task(dead.token())
    await accounts.began.wait()
    assert dead._task is not None
    dead._task.cancel()
    asking.cancel()
    await forward(engine, secret, "1 minute")
    assert (await alive.token()).value == "token-2"


async def test_the_database_does_not_hold_what_opens_a_token(
    engine: AsyncEngine, secret: str
) -> None:
    accounts = Accounts()
    (worker,) = workers(engine, accounts, secret, 1)
    await worker.token()
    async with engine.connect() as connection:
        rows = (await connection.execute(text("select t::text from reviews.api_tokens t"))).all()
    stored = str(rows)
    assert secret not in stored
    assert b"token-1".hex() not in stored
    assert "token-1" not in stored
