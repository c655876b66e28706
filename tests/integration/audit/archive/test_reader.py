"""Finding rows: filters, pages without holes, and following what commits late."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.archive.reader import AuditReader, Filters, Row
from account_reviews.audit.seals.leaves import BEGINNING, COLUMNS, Position, position_of
from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import AuditEvent, EventType, Severity, Source
from account_reviews.domain.errors import BadInputError, UnreachableError
from account_reviews.store.database import create_engine
from tests.support.connections import statements_on
from tests.support.trail_of_rows import (
    FIRST,
    OLD,
    SECOND,
    START,
    Trail,
    fill,
    read,
    row,
)


@pytest.fixture(scope="module")
async def reader(engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory) -> AuditReader:
    trail = Trail(engine, tmp_path_factory.mktemp("keys"))
    await fill(trail)
    odd = {"reason": '50 % "off" \\ for_you', "name": "Łódź"}
    await trail.record(
        row("odd/1", EventType.REVIEW_NOTE, START, "ac-7", details=odd, action="Said SO"),
        row("odd/2", EventType.REVIEW_NOTE, START, "ac-7", resource="crm/deal-1"),
        row("odd/3", EventType.ERROR_OCCURRED, START, "ac-7", severity=Severity.CRITICAL),
    )
    return AuditReader(statements_on(engine))


async def ids(reader: AuditReader, **wanted: Any) -> list[str]:
    page = await reader.page(Filters(**{"tenant": "default", **wanted}), limit=1000)
    assert page.next_cursor is None
    return [one["event_id"] for one in page.items]


async def test_newest_first_and_every_column(reader: AuditReader) -> None:
    page = await reader.page(Filters(tenant="default"))
    assert len(page.items) == 35
    assert all(set(one) == set(COLUMNS) for one in page.items)
    times = [datetime.fromisoformat(one["at"]) for one in page.items]
    assert times == sorted(times, reverse=True)
    assert all(one["at"].endswith("Z") for one in page.items)
    assert all(one["tenant"] == "default" for one in page.items)


@pytest.mark.parametrize("limit", [1, 3, 7, 34, 35, 36])
async def test_pages_have_no_holes(reader: AuditReader, limit: int) -> None:
    """Also between rows of one moment, of which the trail has many."""
    wanted = Filters(tenant="default")
    expected = await ids(reader)
    found: list[str] = []
    cursor, pages = None, 0
    while True:
        page = await reader.page(wanted, limit=limit, cursor=cursor)
        found += [one["event_id"] for one in page.items]
        cursor, pages = page.next_cursor, pages + 1
        if cursor is None:
            break
        assert len(page.items) == limit
    assert found == expected
    assert pages == -(-len(expected) // limit)


async def test_each_filter(reader: AuditReader) -> None:
    assert await ids(reader, tenant="emea", review_id="review/ac-1") == []
    assert len(await ids(reader, tenant="emea")) == 2
    assert len(await ids(reader, review_id="review/ac-1")) == 25
    assert len(await ids(reader, account_id="ac-2")) == 3
    assert await ids(reader, account_id="ac-") == []
    assert len(await ids(reader, run_ids=(FIRST, SECOND))) == 17
    assert len(await ids(reader, actor="bob@desk")) == 4
    assert len(await ids(reader, types=(EventType.SESSION_ENDED,))) == 3
    both = (EventType.SESSION_ENDED, EventType.TOOL_SUCCESS)
    assert len(await ids(reader, types=both)) == 4
    assert await ids(reader, severity=Severity.CRITICAL) == ["odd/3"]
    assert await ids(reader, severity=Severity.WARNING) == [f"timeline/{FIRST}/1", "odd/3"]
    assert len(await ids(reader, severity=Severity.INFO)) == 35
    assert len(await ids(reader, source=Source.ATTEMPT)) == 2
    assert len(await ids(reader, since=START, until=START + timedelta(seconds=1))) == 3
    assert len(await ids(reader, until=START - timedelta(hours=1), run_ids=(OLD,))) == 5
    together = {"review_id": "review/ac-1", "source": Source.FACT, "severity": Severity.ERROR}
    assert await ids(reader, **together) == [f"timeline/{FIRST}/1"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("said so", ["odd/1"]),
        ("CRM/deal", ["odd/2"]),
        ('50 % "off"', ["odd/1"]),
        ("for_you", ["odd/1"]),
        ("\\ for", ["odd/1"]),
        ("Łódź", ["odd/1"]),
        ("%", ["odd/1"]),
        ("f_r", []),
        ("'; drop table audit.audit_events", []),
    ],
)
async def test_words_are_found_as_they_are(
    reader: AuditReader, words: str, found: list[str]
) -> None:
    assert await ids(reader, text=words) == found
    assert await ids(reader, text=words, account_id="ac-1") == []


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_limits_are_held(reader: AuditReader, limit: int) -> None:
    with pytest.raises(BadInputError, match=f"the limit is {limit}, but must be from 1 to 1000"):
        await reader.page(Filters(tenant="default"), limit=limit)


@pytest.mark.parametrize(
    "cursor", ["", "x", "WzEsMl0=", "WyIyMDI2LTEwLTAxVDAwOjAwOjAwWiIsIngiXQ=="]
)
async def test_a_bad_cursor_is_said_so(reader: AuditReader, cursor: str) -> None:
    with pytest.raises(BadInputError, match="not a cursor of this list"):
        await reader.page(Filters(tenant="default"), cursor=cursor)


async def follower(reader: AuditReader) -> tuple[Callable[[], Awaitable[list[str]]], Position]:
    position = Position(await reader.final_below(), 0)
    places = [position]

    async def more() -> list[str]:
        rows, places[0] = await reader.following(Filters(tenant="late"), places[0])
        return [one["event_id"] for one in rows]

    return more, position


def late(word: str) -> AuditEvent:
    return read(word, datetime.now(UTC), tenant="late")


async def test_what_commits_late_is_not_missed(reader: AuditReader, engine: AsyncEngine) -> None:
    """The older transaction ends after the younger: both are read, in their order, each once."""
    more, _ = await follower(reader)
    async with engine.connect() as slow:
        await insert(slow, [late("slow")])
        await insert(engine, [late("quick")])
        assert await more() == []
        assert await more() == []
        await slow.commit()
    assert await more() == ["read/slow", "read/quick"]
    assert await more() == []
    async with engine.connect() as slow:
        await insert(slow, [late("taken back")])
        await insert(engine, [late("third")])
        await slow.rollback()
    assert await more() == ["read/third"]


async def test_following_in_small_steps_tells_all(reader: AuditReader) -> None:
    """What a step has no room for comes with the next."""
    wanted, position, found = Filters(tenant="default"), BEGINNING, []
    while True:
        rows, position = await reader.following(wanted, position, limit=4)
        found += rows
        if len(rows) < 4:
            break
    assert [position_of(one) for one in found] == sorted(position_of(one) for one in found)
    assert len(found) == 35
    assert await reader.following(wanted, position) == ([], position)


async def test_a_stretch_ends_where_it_is_asked_to(
    reader: AuditReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("account_reviews.audit.archive.reader.BATCH_ROWS", 5)
    wanted = Filters(tenant="default", review_id="review/ac-1")
    every = [
        one
        async for batch in reader.stretch(wanted, BEGINNING, Position(2**62, 0))
        for one in batch
    ]
    assert len(every) == 25
    after, until = position_of(every[3]), position_of(every[20])
    some: list[Row] = []
    async for batch in reader.stretch(wanted, after, until):
        assert len(batch) <= 5
        some += batch
    assert some == every[4:21]


async def test_runs_are_known_by_their_first_events(reader: AuditReader) -> None:
    runs = await reader.runs_of("default", "review/ac-1")
    assert [(first, run) for first, run, _ in runs] == [(OLD, OLD), (FIRST, FIRST), (FIRST, SECOND)]
    assert await reader.runs_of("emea", "review/ac-1") == []


async def test_a_trail_that_is_away_is_said_so() -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/nothing", application_name="tests")
    with pytest.raises(UnreachableError):
        await AuditReader(statements_on(engine)).page(Filters(tenant="default"))
    await engine.dispose()
