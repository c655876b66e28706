"""`reviews memory` as a user runs it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.memory.postgres import PostgresMemory
from account_reviews.memory.protocol import MemoryItem, MemoryKind
from tests.support.waiting import PATIENCE

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
async def url(engine: AsyncEngine, database_url: str) -> str:
    """A database that remembers three things of two accounts."""
    stories = (
        ("acme", MemoryKind.NOTE, "Renewal talks began"),
        ("acme", MemoryKind.DECISION, "Renewal discount approved"),
        ("globex", MemoryKind.RISK, "Renewal in doubt"),
    )
    items = tuple(
        MemoryItem(
            account_id=account,
            kind=kind,
            text=text,
            occurred_at=AT + timedelta(days=place),
            source={"system": "crm", "record_id": str(place)},
        )
        for place, (account, kind, text) in enumerate(stories)
    )
    await PostgresMemory(engine).remember(items, idempotency_key="stories")
    return database_url


def reviews(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "account_reviews.cli", "memory", *words],
        env=os.environ | {"REVIEWS_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_search(url: str) -> None:
    everywhere = document(reviews(url, "search", "renewals", "-o", "json"))
    assert everywhere["next_cursor"] is None
    assert {item["account_id"] for item in everywhere["items"]} == {"acme", "globex"}
    one = document(
        reviews(
            url, "search", "renewal", "--account", "acme", "--kind", "decision", "--kind", "risk",
            "--since", "2026-03-02", "-o", "json",
        )
    )["items"]  # fmt: skip
    assert [item["text"] for item in one] == ["Renewal discount approved"]
    assert one[0]["occurred_at"] == "2026-03-02T12:00:00Z"
    table = reviews(url, "search", "doubt").stdout
    assert "globex" in table
    assert "crm/2" in table


def test_timeline_in_pages(url: str) -> None:
    first = document(reviews(url, "timeline", "acme", "--limit", "1", "-o", "json"))
    cursor = first["next_cursor"]
    rest = document(reviews(url, "timeline", "acme", "--cursor", cursor, "-o", "json"))
    texts = [item["text"] for item in (*first["items"], *rest["items"])]
    assert texts == ["Renewal discount approved", "Renewal talks began"]
    assert rest["next_cursor"] is None
    assert "More rows: --page 2" in reviews(url, "timeline", "acme", "--limit", "1").stdout
    assert document(reviews(url, "timeline", "nobody", "-o", "json"))["items"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("search", "x", "--kind", "rumour"), "there is no 'rumour'"),
        (("search", "x", "--since", "yesterday"), "'yesterday' is not a time"),
        (("search", "x", "--since", "2026-03-01T08:00"), "has no time zone"),
        (("search", "x", "--limit", "0"), "--limit"),
        (("timeline", "acme", "--cursor", "x"), "--cursor is for programs"),
        (("timeline", ""), "account id ''"),
    ],
)
def test_bad_input_is_one_sentence(url: str, words: tuple[str, ...], sentence: str) -> None:
    done = reviews(url, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_database_down_and_not_set_up(postgres: EmbeddedPostgres) -> None:
    down = reviews("postgres://u@127.0.0.1:1/db", "search", "x", "-o", "json")
    assert down.returncode == 5
    assert json.loads(down.stderr)["error"]["code"] == "memory_unavailable"
    empty = reviews(postgres.url("postgres"), "search", "x")
    assert empty.returncode == 5
    assert "reviews db upgrade" in empty.stderr
