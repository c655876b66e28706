"""One contract for every memory of ours."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import BadInputError, MemoryUnavailableError, NotFoundError
from account_reviews.memory.in_memory import InMemoryMemory
from account_reviews.memory.postgres import PostgresMemory
from account_reviews.memory.protocol import (
    ForgetReport,
    MemoryBackend,
    MemoryCapabilities,
    MemoryHit,
    MemoryItem,
    MemoryKind,
    MemoryRef,
    MemorySelector,
    RecallQuery,
)
from account_reviews.store.database import create_engine
from tests.support.cognee import cognee, fault

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture(params=["in_memory", "postgres", "cognee"], scope="module")
def memory(request: pytest.FixtureRequest, engine: AsyncEngine) -> MemoryBackend:
    made: dict[str, Callable[[], MemoryBackend]] = {
        "in_memory": InMemoryMemory,
        "postgres": lambda: PostgresMemory(engine),
        "cognee": lambda: cognee(engine).memory("in-cognee"),
    }
    return made[request.param]()


@pytest.fixture(scope="module")
async def able(memory: MemoryBackend) -> MemoryCapabilities:
    """What it says it can do, which is asked before anything is expected."""
    return await memory.capabilities()


@pytest.fixture(params=["in_memory", "postgres", "cognee"])
async def unavailable(
    request: pytest.FixtureRequest, engine: AsyncEngine, database_url: str
) -> AsyncIterator[MemoryBackend]:
    if request.param == "in_memory":
        memory = InMemoryMemory()
        memory.available = False
        yield memory
        return
    if request.param == "cognee":
        server = cognee(engine)
        server.goes_wrong(fault("drop_before"))
        yield server.memory()
        return
    engine = create_engine(database_url.replace("/test_", "/gone_"), application_name="tests")
    yield PostgresMemory(engine)
    await engine.dispose()


def account() -> str:
    return f"acc-{next(_numbers)}"


def item(account_id: str, text: str = "a note", **fields: Any) -> MemoryItem:
    base: dict[str, Any] = {
        "account_id": account_id,
        "kind": MemoryKind.NOTE,
        "text": text,
        "occurred_at": AT,
        "source": {"system": "crm", "record_id": "n1", "url": "https://crm.example/n1"},
    }
    return MemoryItem(**base | fields)


async def keep(memory: MemoryBackend, *items: MemoryItem) -> list[str]:
    refs = await memory.remember(items, idempotency_key=f"key-{next(_numbers)}")
    return [ref.id for ref in refs]


async def texts(memory: MemoryBackend, account_id: str, **query: Any) -> list[str]:
    hits = await memory.recall(RecallQuery(account_id=account_id, **query))
    return [hit.text for hit in hits]


async def whole_timeline(memory: MemoryBackend, account_id: str, limit: int) -> list[MemoryHit]:
    found: list[MemoryHit] = []
    cursor = None
    while True:
        page = await memory.timeline(account_id, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_what_is_remembered_comes_back_whole(memory: MemoryBackend) -> None:
    acc = account()
    kept = item(
        acc,
        "Budget was cut",
        title="Call",
        kind=MemoryKind.RISK,
        attributes={"amount": "1200.50", "n": 3, "open": True, "none": None, "share": 0.25},
    )
    (ref,) = await keep(memory, kept)
    (found,) = await memory.recall(RecallQuery(account_id=acc, text="budget"))
    assert found.id == ref
    assert found.model_dump(exclude={"id", "score"}) == kept.model_dump(
        include={"kind", "title", "text", "source", "occurred_at", "attributes"}
    )
    assert (await memory.timeline(acc)).items[0].id == ref


async def test_same_key_gives_the_same_references_and_stores_once(memory: MemoryBackend) -> None:
    acc = account()
    items = (item(acc, "one"), item(acc, "two"))
    first = await memory.remember(items, idempotency_key=f"{acc}/k")
    again = await memory.remember(items, idempotency_key=f"{acc}/k")
    other = await memory.remember((item(acc, "three"),), idempotency_key=f"{acc}/k")
    assert first == again == other
    assert len(set(first)) == 2
    assert sorted(hit.text for hit in await whole_timeline(memory, acc, 10)) == ["one", "two"]


async def test_same_key_at_the_same_time_stores_once(memory: MemoryBackend) -> None:
    acc = account()
    batches = [tuple(item(acc, f"{n}/{m}") for m in range(3)) for n in range(6)]
    answers = await asyncio.gather(
        *(memory.remember(batch, idempotency_key=f"{acc}/k") for batch in batches)
    )
    assert len(set(answers)) == 1
    found = {hit.text for hit in await whole_timeline(memory, acc, 10)}
    assert found in [{one.text for one in batch} for batch in batches]


async def test_nothing_to_remember(memory: MemoryBackend) -> None:
    acc = account()
    assert await memory.remember((), idempotency_key=f"{acc}/k") == ()
    assert len(await memory.remember((item(acc),), idempotency_key=f"{acc}/k")) == 1
    assert len(await memory.remember((), idempotency_key=f"{acc}/k")) == 1


async def test_accounts_do_not_see_each_other(memory: MemoryBackend) -> None:
    ours, theirs = account(), account()
    both = (item(ours, "secret plan"), item(theirs, "secret plan"), item(ours.upper(), "secret"))
    ids = await keep(memory, *both)
    assert [hit.id for hit in await memory.recall(RecallQuery(account_id=ours, text="secret"))] == [
        ids[0]
    ]
    assert [hit.id for hit in await whole_timeline(memory, theirs, 1)] == [ids[1]]
    assert await texts(memory, f"{ours}' or true --") == []
    assert await texts(memory, "%") == []


async def test_all_words_must_occur_in_title_text_or_attributes(
    memory: MemoryBackend, able: MemoryCapabilities
) -> None:
    acc = account()
    await keep(
        memory,
        item(acc, "pricing came up", title="Renewal", attributes={"by": "Okafor"}),
        item(acc, "pricing came up"),
    )
    both = await memory.recall(RecallQuery(account_id=acc, text="RENEWAL pricing okafor"))
    assert both[0].title == "Renewal"
    if not able.semantic:
        assert len(both) == 1
        assert await texts(memory, acc, text="pricing unicorn") == []
    assert len(await texts(memory, acc, text="  \x00 ")) == 2


async def test_title_counts_more_than_text(memory: MemoryBackend, able: MemoryCapabilities) -> None:
    acc = account()
    await keep(
        memory, item(acc, "in the text: churn"), item(acc, "other", title="churn", occurred_at=AT)
    )
    found = await texts(memory, acc, text="churn")
    assert sorted(found) == ["in the text: churn", "other"]
    assert able.semantic or found[0] == "other"


async def test_newer_counts_more(memory: MemoryBackend) -> None:
    acc = account()
    old, new = item(acc, "churn", occurred_at=AT - timedelta(days=400)), item(acc, "churn")
    ids = await keep(memory, old, new)
    hits = await memory.recall(RecallQuery(account_id=acc, text="churn", as_of=AT))
    assert [hit.id for hit in hits] == ids[::-1]
    assert hits[0].score > hits[1].score > 0


async def test_equal_items_come_in_the_order_of_their_ids(memory: MemoryBackend) -> None:
    acc = account()
    ids = await keep(memory, *(item(acc, "twin") for _ in range(8)))
    for text in ("twin", None):
        hits = await memory.recall(RecallQuery(account_id=acc, text=text, as_of=AT))
        assert [hit.id for hit in hits] == sorted(ids)


async def test_without_words_the_newest_come_first(memory: MemoryBackend) -> None:
    acc = account()
    times = [AT - timedelta(days=days) for days in (3, 1, 2, 40000)]
    await keep(memory, *(item(acc, f"{at:%Y-%m-%d}", occurred_at=at) for at in times))
    expected = [f"{at:%Y-%m-%d}" for at in sorted(times, reverse=True)]
    assert await texts(memory, acc) == expected
    assert await texts(memory, acc, limit=2) == expected[:2]


async def test_kinds_since_and_until(memory: MemoryBackend) -> None:
    acc = account()
    await keep(
        memory,
        item(acc, "a", kind=MemoryKind.DECISION, occurred_at=AT),
        item(acc, "b", kind=MemoryKind.RISK, occurred_at=AT + timedelta(days=1)),
        item(acc, "c", occurred_at=AT + timedelta(days=2)),
    )
    assert await texts(memory, acc, kinds=(MemoryKind.DECISION, MemoryKind.RISK)) == ["b", "a"]
    assert await texts(memory, acc, since=AT + timedelta(days=1)) == ["c", "b"]
    assert await texts(memory, acc, until=AT + timedelta(days=1)) == ["a"]


async def test_as_of_gives_what_had_happened_and_was_valid_then(memory: MemoryBackend) -> None:
    acc = account()
    day = timedelta(days=1)
    await keep(
        memory,
        item(acc, "always"),
        item(acc, "later", occurred_at=AT + day),
        item(acc, "closed", valid_to=AT),
        item(acc, "not yet", valid_from=AT + day),
        item(acc, "valid", valid_from=AT, valid_to=AT + day),
    )
    assert sorted(await texts(memory, acc, as_of=AT)) == ["always", "valid"]
    assert sorted(await texts(memory, acc, as_of=AT + day)) == ["always", "later", "not yet"]
    assert sorted(await texts(memory, acc)) == ["always", "later", "not yet"]
    assert len(await whole_timeline(memory, acc, 2)) == 5


async def test_token_budget(memory: MemoryBackend) -> None:
    acc = account()
    await keep(
        memory,
        item(acc, "x" * 40, occurred_at=AT),
        item(acc, "y" * 400, occurred_at=AT - timedelta(days=1)),
        item(acc, "z" * 20, occurred_at=AT - timedelta(days=2)),
    )
    assert await texts(memory, acc, token_budget=15) == ["x" * 40, "z" * 20]
    assert await texts(memory, acc, token_budget=9) == ["z" * 20]
    assert await texts(memory, acc, token_budget=1) == []


@pytest.mark.parametrize("limit", [1, 3, 7, 50])
async def test_timeline_pages_hold_everything_once(memory: MemoryBackend, limit: int) -> None:
    acc = account()
    items = [item(acc, str(n), occurred_at=AT + timedelta(microseconds=n // 3)) for n in range(10)]
    ids = await keep(memory, *items)
    found = await whole_timeline(memory, acc, limit)
    assert sorted(hit.id for hit in found) == sorted(ids)
    places = [(hit.occurred_at, hit.id) for hit in found]
    assert places == sorted(places, reverse=True)


async def test_timeline_goes_on_where_it_was_when_news_arrive(memory: MemoryBackend) -> None:
    acc = account()
    await keep(memory, item(acc, "b"), item(acc, "a", occurred_at=AT - timedelta(days=1)))
    page = await memory.timeline(acc, limit=1)
    await keep(memory, item(acc, "c", occurred_at=AT + timedelta(days=1)))
    rest = await memory.timeline(acc, cursor=page.next_cursor, limit=5)
    assert [hit.text for hit in (*page.items, *rest.items)] == ["b", "a"]
    assert rest.next_cursor is None


async def test_bad_cursor_and_bad_ids(memory: MemoryBackend) -> None:
    with pytest.raises(BadInputError, match="cursor"):
        await memory.timeline("a", cursor="nonsense")
    with pytest.raises(BadInputError, match="account id"):
        await memory.recall(RecallQuery(account_id="a\x00b"))
    with pytest.raises(BadInputError, match="account id"):
        await keep(memory, item("", "x"))
    with pytest.raises(BadInputError, match="idempotency key"):
        await memory.remember((item("a"),), idempotency_key="")


async def test_a_refused_batch_leaves_nothing(memory: MemoryBackend) -> None:
    acc = account()
    with pytest.raises(BadInputError):
        await keep(memory, item(acc, "fine"), item("\x00", "not"))
    assert await whole_timeline(memory, acc, 5) == []


odd_text = st.text(st.characters(exclude_categories=()), max_size=40)


@settings(max_examples=40)
@given(body=odd_text, title=st.none() | odd_text, words=odd_text, language=odd_text)
async def test_odd_text_is_stored_and_searched_for(
    memory: MemoryBackend, body: str, title: str | None, words: str, language: str
) -> None:
    acc = account()
    kept = item(acc, body, title=title, attributes={"said": words}, language=language)
    (ref,) = await keep(memory, kept)
    assert [hit.id for hit in await memory.recall(RecallQuery(account_id=acc))] == [ref]
    hits = await memory.recall(RecallQuery(account_id=acc, text=words))
    assert {hit.id for hit in hits} <= {ref}


async def test_health_and_capabilities(memory: MemoryBackend, able: MemoryCapabilities) -> None:
    assert (await memory.health()).ok
    assert able.name
    assert able.temporal
    assert able.delete
    assert able.local != able.semantic, "what is asked over a network answers by meaning"
    batch = tuple(item(account()) for _ in range(able.max_batch))
    assert len(await keep(memory, *batch)) == able.max_batch


async def test_unavailable(unavailable: MemoryBackend) -> None:
    able = await unavailable.capabilities()
    with pytest.raises(MemoryUnavailableError):
        await unavailable.recall(RecallQuery(account_id="a"))
    with pytest.raises(MemoryUnavailableError):
        await unavailable.remember((item("a"),), idempotency_key="k")
    with pytest.raises(MemoryUnavailableError):
        await unavailable.search("a")
    assert not (await unavailable.health()).ok
    if able.local:  # else our own table may have the answer
        with pytest.raises(MemoryUnavailableError):
            await unavailable.timeline("a")
        with pytest.raises(MemoryUnavailableError):
            await forget(unavailable, account_id="a")
        ref = MemoryRef(id="6f0d1c8e-52a7-5b0c-9a35-0c1f6b7a4e21")
        with pytest.raises(MemoryUnavailableError):
            await unavailable.supersede(ref, item("a"))


async def test_a_search_spans_accounts_and_says_which(memory: MemoryBackend) -> None:
    first, second = account(), account()
    word = f"zeppelin{first.replace('-', '')}"
    ids = await keep(memory, item(first, word, kind=MemoryKind.RISK), item(second, word))
    hits = await memory.search(word, limit=2)
    assert {(hit.account_id, hit.id) for hit in hits} == {(first, ids[0]), (second, ids[1])}
    assert [hit.id for hit in await memory.search(word, account_id=second)] == [ids[1]]
    assert [hit.id for hit in await memory.search(word, kinds=(MemoryKind.RISK,), limit=1)] == [
        ids[0]
    ]
    assert await memory.search(word, since=AT.replace(year=2027)) == ()


async def test_nothing_is_missing_of_what_was_remembered(memory: MemoryBackend) -> None:
    await keep(memory, item(account()))
    while await memory.catch_up():
        pass
    assert await memory.catch_up(limit=1) == 0


async def test_a_call_may_name_its_tenant(memory: MemoryBackend, able: MemoryCapabilities) -> None:
    own = "in-cognee" if able.name == "cognee" else "default"
    acc, key = account(), f"key-{next(_numbers)}"
    (ours,) = await memory.remember((item(acc, "ours"),), idempotency_key=key, tenant="acme")
    (theirs,) = await memory.remember((item(acc, "theirs"),), idempotency_key=key)
    assert await memory.remember((), idempotency_key=key, tenant="acme") == (ours,)
    assert await texts(memory, acc, tenant="acme") == ["ours"]
    assert await texts(memory, acc) == await texts(memory, acc, tenant=own) == ["theirs"]
    assert ours != theirs


async def test_what_is_superseded_was_true_until_then_and_is_kept(memory: MemoryBackend) -> None:
    acc, day = account(), timedelta(days=1)
    (old,) = await keep(memory, item(acc, "the sponsor is Ann", kind=MemoryKind.FACT))
    newer = item(acc, "the sponsor is Bo", kind=MemoryKind.FACT, occurred_at=AT + day)
    ref = await memory.supersede(MemoryRef(id=old), newer)
    assert await memory.supersede(MemoryRef(id=old), newer) == ref, "a repeat changes nothing"
    assert await memory.supersede(MemoryRef(id=old), item(acc, "or Cy")) == ref
    assert await texts(memory, acc) == ["the sponsor is Bo"]
    assert await texts(memory, acc, as_of=AT) == ["the sponsor is Ann"]
    assert await texts(memory, acc, as_of=AT + day) == ["the sponsor is Bo"]
    assert [hit.id for hit in await whole_timeline(memory, acc, 5)] == [ref.id, old]


async def test_a_successor_is_valid_from_when_it_says(memory: MemoryBackend) -> None:
    acc, day = account(), timedelta(days=1)
    (old,) = await keep(memory, item(acc, "before"))
    await memory.supersede(MemoryRef(id=old), item(acc, "after", valid_from=AT + 2 * day))
    assert await texts(memory, acc, as_of=AT + day) == ["before"]
    assert await texts(memory, acc, as_of=AT + 2 * day) == ["after"]


@pytest.mark.parametrize("ref", ["6f0d1c8e-52a7-5b0c-9a35-0c1f6b7a4e21", "nonsense", ""])
async def test_nothing_supersedes_what_is_not_there(memory: MemoryBackend, ref: str) -> None:
    acc = account()
    with pytest.raises(NotFoundError, match="the memory has no item"):
        await memory.supersede(MemoryRef(id=ref), item(acc))
    (other,) = await memory.remember((item(acc),), idempotency_key=f"{acc}/k", tenant="acme")
    with pytest.raises(NotFoundError):
        await memory.supersede(other, item(acc))
    assert await texts(memory, acc) == []


async def forget(memory: MemoryBackend, *, dry_run: bool = False, **chosen: Any) -> ForgetReport:
    selector = MemorySelector(**chosen)
    return await memory.forget(selector, reason="asked for", requested_by="dpo", dry_run=dry_run)


async def test_an_account_is_forgotten_whole_and_only_once(memory: MemoryBackend) -> None:
    acc, other = account(), account()
    await keep(memory, item(acc, kind=MemoryKind.DECISION), item(acc), item(other, f"of {acc}"))
    key = f"{acc}/acme"
    await memory.remember((item(acc, "of acme"),), idempotency_key=key, tenant="acme")
    counted = await forget(memory, account_id=acc, dry_run=True)
    assert (counted.removed, counted.dry_run) == (2, True)
    assert len(await texts(memory, acc)) == 2
    report = await forget(memory, account_id=acc)
    assert report == ForgetReport(
        removed=2, by_kind={MemoryKind.DECISION: 1, MemoryKind.NOTE: 1}, dry_run=False
    )
    assert await whole_timeline(memory, acc, 5) == []
    assert await texts(memory, other) == [f"of {acc}"]
    assert await texts(memory, acc, tenant="acme") == ["of acme"]
    assert (await forget(memory, account_id=acc)).removed == 0


async def test_items_are_forgotten_by_their_references(memory: MemoryBackend) -> None:
    acc = account()
    first, second = await keep(memory, item(acc, "one"), item(acc, "two"))
    assert (await forget(memory, items=(first, "nonsense"))).removed == 1
    assert [hit.id for hit in await whole_timeline(memory, acc, 5)] == [second]


async def test_a_person_is_forgotten_wherever_he_or_she_is_named(memory: MemoryBackend) -> None:
    acc = account()
    name = f"Zoë Quint-{acc}"
    await keep(
        memory,
        item(acc, f"talked to {name.upper()}, who is keen"),
        item(acc, "title", title=f"Call with {name}"),
        item(acc, "attribute", attributes={"by": name, "n": 3}),
        item(acc, "source", source={"system": "crm", "record_id": name}),
        item(acc, f"about {name}son, another person"),
        item(acc, "about nobody"),
    )
    report = await forget(memory, subject=(name, "zoe@quint.example"))
    assert report.removed == 4
    assert set(await texts(memory, acc)) == {"about nobody", f"about {name}son, another person"}


def test_a_selector_names_one_thing() -> None:
    for wrong in ({}, {"items": ("a",), "account_id": "b"}, {"account_id": "a", "subject": ("b",)}):
        with pytest.raises(ValueError, match="only one of them"):
            MemorySelector.model_validate(wrong)
