"""What only the memory in Cognee does: logging in, following runs, dropping strays, healing."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import BadInputError, MemoryAuthError, MemoryUnavailableError
from account_reviews.domain.memory import MemoryItem, MemoryKind
from account_reviews.memory.cognee import CogneeMemory, node_set_of
from account_reviews.memory.cognee_client import Credentials, checked_url
from account_reviews.memory.protocol import MemorySelector, RecallQuery
from tests.support.cognee import Cognee, cognee, fault
from tests.support.waiting import until

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture
def server(engine: AsyncEngine) -> Cognee:
    return cognee(engine)


@pytest.fixture
def tenant() -> str:
    return f"t-{next(_numbers)}"


def item(account_id: str, words: str, **fields: Any) -> MemoryItem:
    base = {"kind": MemoryKind.NOTE, "occurred_at": AT, "source": {"system": "crm"}}
    return MemoryItem.model_validate({"account_id": account_id, "text": words, **base, **fields})


async def keep(memory: CogneeMemory, *items: MemoryItem, key: str = "k") -> list[str]:
    return [ref.id for ref in await memory.remember(items, idempotency_key=key)]


async def texts(memory: CogneeMemory, account_id: str, words: str | None = None) -> list[str]:
    hits = await memory.recall(RecallQuery(account_id=account_id, text=words))
    return [hit.text for hit in hits]


@pytest.mark.parametrize("verbs", ["both", "old", "new"])
async def test_it_speaks_as_the_server_does(engine: AsyncEngine, tenant: str, verbs: str) -> None:
    server = cognee(engine, verbs=verbs)
    memory = server.memory(tenant)
    (ref,) = await keep(memory, item("acc", "budget was cut"))
    assert await texts(memory, "acc", "budget") == ["budget was cut"]
    assert server.asked("/openapi.json") == 1
    new = verbs != "old"
    assert server.asked("/api/v1/remember") == int(new)
    assert server.asked("/api/v1/recall") == int(new)
    assert server.asked("/api/v1/add") == int(not new)
    (document,) = server.store.documents.values()
    assert document.node_set == {node_set_of("acc")}
    assert document.metadata is not None
    assert (document.metadata["item_id"], document.metadata["tenant"]) == (ref, tenant)


async def test_a_login_that_was_taken_back_is_renewed_once(server: Cognee, tenant: str) -> None:
    login = Credentials(username="reviews@example.com", password=server.fake.password)
    memory = server.memory(tenant, credentials=login)
    await keep(memory, item("acc", "first"))
    server.goes_wrong(fault("revoke", times=1))
    await keep(memory, item("acc", "second"), key="k2")
    assert server.asked("/api/v1/auth/login") == 2
    server.goes_wrong(fault("status", "*/recall", status=401))
    with pytest.raises(MemoryAuthError):
        await texts(memory, "acc")
    assert server.asked("/api/v1/auth/login") == 3, "once more, and not for ever"


@pytest.mark.parametrize(
    "credentials",
    [
        Credentials(api_key="nobodys"),
        Credentials(username="reviews@example.com", password="wrong"),
        Credentials(),
    ],
)
async def test_credentials_that_are_refused_are_said_as_that(
    server: Cognee, tenant: str, credentials: Credentials
) -> None:
    memory = server.memory(tenant, credentials=credentials)
    with pytest.raises(MemoryAuthError, match="it answers 40") as caught:
        await keep(memory, item("acc", "x"))
    assert not caught.value.retryable
    assert "nobodys" not in f"{caught.value} {credentials!r}"
    assert not (await memory.health()).ok


@pytest.mark.parametrize("action", ["drop_before", "drop_after", "commit_late"])
async def test_a_lost_answer_makes_nothing_twice(server: Cognee, tenant: str, action: str) -> None:
    memory = server.memory(tenant)
    server.goes_wrong(fault(action, "*/remember", times=1, delay_ms=20))
    both = (item("acc", "one"), item("acc", "two"))
    with pytest.raises(MemoryUnavailableError):
        await keep(memory, *both)
    await server.app.finish()
    await asyncio.sleep(0.05)  # so that it shows what it took
    await keep(memory, *both)
    assert sorted(await texts(memory, "acc")) == ["one", "two"]
    assert len(server.store.documents) == 2
    assert server.asked("/api/v1/remember") == (2 if action == "drop_before" else 1)


async def test_a_worker_that_was_killed_leaves_its_work_to_others(
    server: Cognee, tenant: str, engine: AsyncEngine
) -> None:
    server.goes_wrong(fault("index_lag", "*/remember", delay_ms=60_000, times=1))
    first = asyncio.create_task(keep(server.memory(tenant), item("acc", "one")))

    async def taken() -> bool:
        return bool(server.store.documents)

    await until(taken)
    first.cancel()
    await asyncio.wait([first])
    other = server.memory(tenant, run_seconds=0.1)
    with pytest.raises(MemoryUnavailableError, match="another worker"):
        await keep(other, item("acc", "one"))
    async with engine.begin() as connection:
        await connection.execute(text("update reviews.memory_places set claimed_until = now()"))
    await keep(server.memory(tenant), item("acc", "one"))
    assert len(server.store.documents) == 1
    assert await texts(other, "acc") == ["one"]


async def test_a_run_that_fails_is_an_error_and_is_tried_again(server: Cognee, tenant: str) -> None:
    memory = server.memory(tenant)
    server.store.failing_runs = 1
    with pytest.raises(MemoryUnavailableError, match="run failed"):
        await keep(memory, item("acc", "one"))
    assert await texts(memory, "acc") == []
    await keep(memory, item("acc", "one"))
    assert await texts(memory, "acc") == ["one"]
    assert len(server.store.documents) == 1


async def test_a_run_that_takes_too_long_is_given_up_and_found_later(
    engine: AsyncEngine, tenant: str
) -> None:
    server = cognee(engine, run_ms=300)
    hasty = server.memory(tenant, run_seconds=0.1)
    with pytest.raises(MemoryUnavailableError, match=r"within 0\.1 s"):
        await keep(hasty, item("acc", "one"))
    await keep(server.memory(tenant), item("acc", "one"))
    assert await texts(hasty, "acc") == ["one"]
    assert len(server.store.documents) == 1


@pytest.mark.parametrize("status", [404, 500, 403, 409])
async def test_a_dataset_that_is_gone_is_known_by_whatever_code(
    engine: AsyncEngine, tenant: str, status: int
) -> None:
    server = cognee(engine, missing_status=status)
    memory = server.memory(tenant)
    await keep(memory, item("acc", "old"))
    server.store.datasets.clear()
    server.store.documents.clear()
    with pytest.raises(MemoryUnavailableError, match="gone") as caught:
        await texts(memory, "acc")
    assert "memory sync full" in str(caught.value.hint)
    await keep(memory, item("acc", "new"), key="k2")
    assert await texts(memory, "acc") == ["new"]
    assert "lacks 1 items" in (await memory.health()).detail
    assert await memory.catch_up() == 1
    assert sorted(await texts(memory, "acc")) == ["new", "old"]


async def test_hits_of_others_are_dropped_and_told(server: Cognee, tenant: str) -> None:
    ours, theirs = server.memory(tenant), server.memory(f"{tenant}-other")
    (mine,) = await keep(ours, item("acc", "pricing"))
    (other,) = await keep(ours, item("acc-2", "pricing"), key="k2")
    (foreign,) = await keep(theirs, item("acc", "pricing of theirs"))
    data_ids = {one.label: one.id for one in server.store.documents.values()}
    server.store.leaks = True
    hits = await ours.recall(RecallQuery(account_id="acc", text="pricing"))
    assert [hit.id for hit in hits] == [mine]
    told = {(stray.kind, stray.reference) for stray in server.strays}
    assert told == {("account", data_ids[other]), ("tenant", data_ids[foreign])}
    assert {(stray.tenant, stray.account_id) for stray in server.strays} == {(tenant, "acc")}
    server.strays.clear()
    everywhere = await ours.search("pricing")
    assert {hit.id for hit in everywhere} == {mine, other}
    assert [stray.kind for stray in server.strays] == ["tenant"]


async def test_other_accounts_do_not_crowd_out_what_is_asked_for(
    server: Cognee, tenant: str
) -> None:
    memory = server.memory(tenant)
    await keep(memory, *(item(f"acc-{n}", "pricing pricing pricing") for n in range(40)))
    await keep(memory, item("acc", "a word about prices"), key="k2")
    assert await texts(memory, "acc", "pricing") == ["a word about prices"]
    assert server.strays == []


async def test_what_is_forgotten_is_gone_there_too(server: Cognee, tenant: str) -> None:
    memory = server.memory(tenant)
    await keep(memory, item("acc", "Zoë Quint is keen"), item("acc", "about nobody"))
    server.goes_wrong(fault("commit_late", "*/remember", delay_ms=100))
    with pytest.raises(MemoryUnavailableError):
        await keep(memory, item("acc", "Zoë Quint again"), key="k2")
    selector = MemorySelector(subject=("Zoë Quint",))
    with pytest.raises(MemoryUnavailableError, match="on its way"):
        await memory.forget(selector, reason="asked for", requested_by="dpo")
    await server.app.finish()
    await asyncio.sleep(0.05)
    server.goes_wrong(fault("status", method="DELETE", status=500))
    with pytest.raises(MemoryUnavailableError, match="does not forget"):
        await memory.forget(selector, reason="asked for", requested_by="dpo")
    server.goes_wrong()
    assert (await memory.forget(selector, reason="asked for", requested_by="dpo")).removed == 2
    assert [one.text.splitlines()[0] for one in server.store.documents.values()] == ["about nobody"]
    assert len((await memory.timeline("acc")).items) == 1


async def test_a_server_that_is_away_is_left_alone_for_a_while(server: Cognee, tenant: str) -> None:
    memory = server.memory(tenant)
    server.goes_wrong(fault("status", status=503))
    for _ in range(5):
        with pytest.raises(MemoryUnavailableError, match="answers 503"):
            await texts(memory, "acc")
    asked = len(server.app.log.lines)
    with pytest.raises(MemoryUnavailableError, match="left alone") as caught:
        await texts(memory, "acc")
    assert len(server.app.log.lines) == asked
    assert (caught.value.retry_after or 0) > 50


async def test_a_limit_is_told_with_its_wait(server: Cognee, tenant: str) -> None:
    server.goes_wrong(fault("status", status=429, headers={"Retry-After": "7"}))
    with pytest.raises(MemoryUnavailableError, match="answers 429") as caught:
        await texts(server.memory(tenant), "acc")
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("body", "words"),
    [("<html>Bad gateway</html>", "no JSON"), ('{"detail": ', "no JSON"), ([], "gives no dataset")],
)
async def test_answers_that_are_none(server: Cognee, tenant: str, body: Any, words: str) -> None:
    server.goes_wrong(fault("malformed", "*/datasets", body=body))
    with pytest.raises(MemoryUnavailableError, match=words):
        await keep(server.memory(tenant), item("acc", "x"))


async def test_emoji_and_scripts_of_both_directions_come_back(server: Cognee, tenant: str) -> None:
    memory = server.memory(tenant)
    words = "🚀 مرحبا שלום\r\n--boundary\r\nContent-Disposition: form-data"
    await keep(memory, item("акк/ø 1", words))
    assert await texts(memory, "акк/ø 1", "🚀") == [words]


async def test_a_very_long_text_is_kept_whole_and_crowds_out_nothing(
    server: Cognee, tenant: str
) -> None:
    memory = server.memory(tenant)
    long = "pricing " * 650_000
    await keep(memory, item("acc", long), item("acc", "a word about prices"))
    assert set(await texts(memory, "acc")) == {long, "a word about prices"}
    assert max(len(one.text) for one in server.store.documents.values()) < 21_000


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("cognee+http://cognee.example.com", "must be https"),
        ("cognee+https://me:secret@cognee.example.com", "an address with a name or password"),
        ("cognee+https://", "must be https"),
        ("cognee+ftp://cognee.example.com", "must be https"),
        ("cognee://cognee.example.com", "names no Cognee server"),
        ("cognee+https://host:port", "must be https"),
    ],
)
def test_addresses_that_cannot_be_used(url: str, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        checked_url(url)
    assert "secret" not in str(caught.value)


def test_addresses_that_can_be_used() -> None:
    assert checked_url("cognee+http://127.0.0.1:8000/") == "http://127.0.0.1:8000"
    assert checked_url("COGNEE+https://c.example.com/memory/") == "https://c.example.com/memory"
