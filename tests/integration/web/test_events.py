"""Server-sent events: what comes, in which form, what was missed, and how a stream ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.access.roles import Scope
from account_reviews.domain.policy.access import Role
from account_reviews.web import live as live_module
from account_reviews.web.api import events as events_module
from tests.support.waiting import PATIENCE
from tests.support.web_server import Served, served
from tests.support.web_site import Web, open_web

PATH = "/api/v1/events"
_RUN = text(
    "insert into reviews.review_runs (run_id, review_id, tenant, account_id, kind, phase, status, "
    "state, version, started_at, updated_at) values (:id, 'review/' || :account, 'default', "
    ":account, 'manual', 'approval', 'waiting', '{}', 1, now(), now())"
)


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with served(database_url, tmp_path) as found:
        yield found


async def add(engine: AsyncEngine, account: str = "ac-1") -> str:
    run_id = uuid4().hex
    async with engine.begin() as connection:
        await connection.execute(_RUN, {"id": run_id, "account": account})
    return run_id


class Stream:
    """One who watches, as a browser does."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()
        self.last_id = ""

    async def block(self) -> dict[str, str]:
        """What comes up to an empty line; a comment under an empty name."""
        found: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if not line:
                    self.last_id = found.get("id", self.last_id)
                    return found
                name, _, value = line.partition(":")
                found[name] = value.removeprefix(" ")
        raise AssertionError("the stream has ended")

    async def event(self) -> dict[str, Any]:
        while True:
            found = await self.block()
            if "data" in found:
                data = dict(json.loads(found["data"]))
                assert data["kind"] == found["event"]
                return data

    async def ended(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            async for _ in self._lines:
                pass
        return True


@pytest.fixture
async def program(server: Served) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"authorization": f"Bearer {server.token}"}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=20) as found:
        yield found


async def test_a_change_is_told_and_after_a_break_what_was_missed(
    program: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    async with program.stream("GET", PATH) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = Stream(answer)
        first = await stream.block()
        assert first["id"]
        assert first["retry"] == "2000"
        run_id = await add(engine)
        event = await stream.event()
        assert event["at"].endswith("Z")
        del event["at"]
        assert event == {
            "kind": "review", "account_id": "ac-1", "review_id": "review/ac-1", "run_id": run_id,
            "state": "waiting", "phase": "approval", "version": 1,
        }  # fmt: skip
    missed = [await add(engine), await add(engine)]
    last = stream.last_id
    for headers, params in (({"last-event-id": last}, {}), ({}, {"after": last})):
        async with program.stream("GET", PATH, headers=headers, params=params) as answer:
            again = Stream(answer)
            assert [(await again.event())["run_id"] for _ in missed] == missed


async def test_only_what_is_asked_for_is_told(
    program: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    async with program.stream("GET", f"{PATH}?review=review%2Fac-5&kind=review") as answer:
        stream = Stream(answer)
        await stream.block()
        await add(engine, "ac-4")
        wanted = await add(engine, "ac-5")
        assert (await stream.event())["run_id"] == wanted


async def test_something_comes_though_nothing_happens(
    program: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "BEAT_SECONDS", 0.1)
    async with program.stream("GET", PATH) as answer:
        stream = Stream(answer)
        await stream.block()
        beat = await stream.block()
        assert beat[""] == "still here"
        assert beat["id"]


async def test_a_stream_ends_when_its_token_is_revoked(
    program: httpx2.AsyncClient, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(events_module, "_STILL_SECONDS", 0.0)
    async with program.stream("GET", PATH) as answer:
        stream = Stream(answer)
        await stream.block()
        await stream.block()
        async with engine.begin() as connection:
            await connection.execute(text("delete from reviews.web_tokens"))
        assert await stream.ended()


async def test_streams_end_with_the_server(server: Served, program: httpx2.AsyncClient) -> None:
    async with program.stream("GET", PATH) as answer:
        stream = Stream(answer)
        await stream.block()
        server.stop.set()
        assert await stream.ended()


async def test_no_more_than_so_many_watch(
    program: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "MOST", 1)
    async with program.stream("GET", PATH) as answer:
        stream = Stream(answer)
        await stream.block()
        refused = await program.get(PATH)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0


async def test_who_may_not_read_does_not_watch(database_url: str, tmp_path: Path) -> None:
    async with open_web(database_url, tmp_path) as web:
        assert await statuses(web) == [401, 403, 422, 404]


async def statuses(web: Web) -> list[int]:
    starter = await web.program(Role.ADMIN, scopes=[Scope.START])
    admin = await web.program(Role.ADMIN, name="ann")
    return [
        (await web.browser().get(f"{PATH}?kind=no")).status_code,
        (await starter.get(f"{PATH}?kind=no")).status_code,
        (await admin.get(f"{PATH}?kind=no")).status_code,
        (await admin.get(f"{PATH}?request=ac-9-9")).status_code,
    ]
