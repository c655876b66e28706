"""What only the memory in PostgreSQL can do."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import BadInputError
from account_reviews.memory import rules
from account_reviews.memory.postgres import PostgresMemory
from account_reviews.memory.protocol import MemoryItem, MemoryKind, RecallQuery

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture
def memory(engine: AsyncEngine) -> PostgresMemory:
    return PostgresMemory(engine)


async def keep(memory: PostgresMemory, account_id: str, body: str, **fields: Any) -> str:
    base: dict[str, Any] = {
        "account_id": account_id,
        "kind": MemoryKind.NOTE,
        "text": body,
        "occurred_at": AT,
        "source": {"system": "crm"},
    }
    one = MemoryItem(**base | fields)
    (ref,) = await memory.remember((one,), idempotency_key=f"k{next(_numbers)}")
    return ref.id


async def found(memory: PostgresMemory, account_id: str, words: str) -> list[str]:
    hits = await memory.recall(RecallQuery(account_id=account_id, text=words, as_of=AT))
    return [hit.id for hit in hits]


async def test_words_are_matched_by_their_stem_in_the_language_of_the_item(
    memory: PostgresMemory,
) -> None:
    english = await keep(memory, "lang", "They renewed two contracts")
    german = await keep(memory, "lang", "Zwei Verträge verlängert", language="german")
    unknown = await keep(memory, "lang", "Contracts contracts", language="klingon")
    assert await found(memory, "lang", "contract") == [english]
    assert await found(memory, "lang", "vertrag") == [german]
    assert set(await found(memory, "lang", "contracts")) == {english, unknown}


async def test_query_syntax(memory: PostgresMemory) -> None:
    one = await keep(memory, "syntax", "price increase announced")
    two = await keep(memory, "syntax", "increase of the price")
    assert await found(memory, "syntax", '"price increase"') == [one]
    assert await found(memory, "syntax", "increase -announced") == [two]
    assert set(await found(memory, "syntax", "announced or price")) == {one, two}
    assert await found(memory, "syntax", "the") == []
    assert await found(memory, "syntax", '"(&|!') == []


async def test_weights_are_title_text_attributes(memory: PostgresMemory) -> None:
    attributes = await keep(memory, "weights", "x", attributes={"a": "discount"})
    title = await keep(memory, "weights", "x", title="discount")
    body = await keep(memory, "weights", "discount")
    assert await found(memory, "weights", "discount") == [title, body, attributes]


async def test_decay_is_the_one_of_the_rules(memory: PostgresMemory) -> None:
    moments = [AT, AT.replace(year=2025), AT.replace(year=1700), AT.replace(year=2027)]
    for at in moments:
        await keep(memory, "decay", "x", occurred_at=at)
    now = datetime.now(UTC)
    hits = await memory.recall(RecallQuery(account_id="decay"))
    assert len(hits) == 4
    for hit in hits:
        assert hit.score == pytest.approx(rules.decay(now - hit.occurred_at), rel=1e-4)


async def test_very_long_text_is_kept_whole_and_found_by_its_start(memory: PostgresMemory) -> None:
    long = "opening " + " ".join(f"w{n}" for n in range(400_000)) + " closing"
    ref = await keep(memory, "long", long)
    assert await found(memory, "long", "opening") == [ref]
    (hit,) = (await memory.timeline("long")).items
    assert hit.text == long


async def test_attributes_beyond_the_index_are_refused(memory: PostgresMemory) -> None:
    huge = {"k": " ".join(f"w{n}" for n in range(400_000))}
    with pytest.raises(BadInputError, match="too many attributes"):
        await keep(memory, "huge", "x", attributes=huge)


async def test_tenants_do_not_see_each_other(engine: AsyncEngine) -> None:
    ours, theirs = PostgresMemory(engine), PostgresMemory(engine, tenant="other")
    one = MemoryItem(
        account_id="shared", kind=MemoryKind.NOTE, text="plan", occurred_at=AT,
        source={"system": "crm"},
    )  # fmt: skip
    (mine,) = await ours.remember((one,), idempotency_key="same")
    (other,) = await theirs.remember((one,), idempotency_key="same")
    assert mine != other
    assert await found(ours, "shared", "plan") == [mine.id]
    assert [hit.id for hit in await theirs.search("plan")] == [other.id]


async def test_search_spans_accounts_and_says_which(memory: PostgresMemory) -> None:
    first = await keep(memory, "span-1", "zeppelin", kind=MemoryKind.RISK)
    second = await keep(memory, "span-2", "zeppelin")
    hits = await memory.search("zeppelin")
    assert {(hit.account_id, hit.id) for hit in hits} == {("span-1", first), ("span-2", second)}
    assert [hit.id for hit in await memory.search("zeppelin", account_id="span-2")] == [second]
    assert [hit.id for hit in await memory.search("zeppelin", kinds=(MemoryKind.RISK,))] == [first]
    assert len(await memory.search("zeppelin", limit=1)) == 1
    assert await memory.search("zeppelin", since=AT.replace(year=2027)) == ()


async def test_rare_words_use_the_text_index(memory: PostgresMemory, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("set local enable_seqscan = off"))
        plan = await connection.scalars(
            text(
                "explain select id from reviews.memory_items"
                " where search @@ websearch_to_tsquery('english', 'zeppelin')"
            )
        )
        assert "memory_items_search" in "\n".join(plan)
