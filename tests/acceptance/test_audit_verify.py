"""`reviews audit verify` on a real review: sealed rows, and rows that only the history protects."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.local.stack import LocalStack
from account_reviews.store.database import create_engine
from tests.support.commands import Answer, Reviews, rows

KEYS = {
    *("ok", "rows", "first_bad", "missing", "extra", "differing", "bad_seals", "seals_checked"),
    *("guards", "keys", "unsealed", "unanchored", "histories", "histories_gone", "warnings"),
}
OF_REVIEW = "select * from audit.audit_events where review_id = :review and source = 'history' "
LOCK = text("select pg_advisory_lock(hashtextextended('audit-seal', 0))")
OTHER_HOLDER = text(
    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted "
    "and ((classid::int8 << 32) | objid::int8) = hashtextextended('audit-seal', 0) "
    "and pid <> :mine"
)


@asynccontextmanager
async def tampered(engine: AsyncEngine, review: str, *statements: str) -> AsyncIterator[None]:
    """The owner changes rows of a review with the guards off; afterwards they are as before."""
    keep = "create table public.kept as select * from audit.audit_events where review_id = :review"
    back = (
        "delete from audit.audit_events where review_id = :review",
        "insert into audit.audit_events select * from public.kept",
        "drop table public.kept",
    )

    async def run(*some: str) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("set local session_replication_role = replica"))
            for statement in some:
                await connection.execute(text(statement), {"review": review})

    await run(keep, *statements)
    try:
        yield
    finally:
        await run(*back)


@asynccontextmanager
async def unsealed(engine: AsyncEngine) -> AsyncIterator[None]:
    """No row is sealed meanwhile: the sealer of the worker lets go, and we hold its lock.

    A row that a worker brings again, because it found it deleted, goes when it is put back. Had it
    been sealed, the seal would lack it for ever.
    """
    async with engine.connect() as connection:
        mine = await connection.scalar(text("select pg_backend_pid()"))
        waiting = asyncio.create_task(connection.execute(LOCK))
        async with engine.begin() as other:
            await other.execute(OTHER_HOLDER, {"mine": mine})
        await waiting
        try:
            yield
        finally:
            await connection.invalidate()


def verify(reviews: Reviews, *words: str) -> tuple[int, dict[str, Any]]:
    answer: Answer = reviews.quick("audit", "verify", *words, "-o", "json")
    document: dict[str, Any] = json.loads(answer.out)
    assert set(document) == KEYS
    return answer.code, document


async def closed(reviews: Reviews, engine: AsyncEngine, account: str) -> list[dict[str, Any]]:
    """Review an account to its end; the rows of its history once all are there."""
    reviews.json("start", account, "--wait=closed")
    review = f"review/{account}"
    while True:
        found = await rows(engine, OF_REVIEW + "order by at, seq", review=review)
        if found and found[-1]["event_type"] == "session_ended":
            return found
        await asyncio.sleep(0.1)


async def test_a_sealed_review_and_what_is_done_to_it(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    history = await closed(reviews, stack_engine, "ac-014")
    reviews.until(
        "audit", "verify", "--review", "ac-014", holds=lambda found: found["unsealed"] == 0
    )
    code, whole = verify(reviews, "--review", "ac-014")
    assert code == 0
    assert whole["ok"]
    assert whole["rows"] >= len(history)
    assert whole["histories"] >= 1
    assert whole["warnings"] == []
    row = history[3]
    assert whole_trail(reviews)["rows"] >= whole["rows"]
    edit = f"update audit.audit_events set actor = 'mallory' where event_id = '{row['event_id']}'"
    async with tampered(stack_engine, row["review_id"], edit):
        code, found = verify(reviews, "--review", row["review_id"])
        assert (code, found["ok"]) == (1, False)
        assert found["first_bad"]["event_id"] == row["event_id"]
        assert found["first_bad"]["kind"] == "differing"
        assert (found["first_bad"]["xid"], found["first_bad"]["seq"]) == (row["xid"], row["seq"])
        verdict = reviews.quick("audit", "verify", "--review", "ac-014")
        assert verdict.code == 1
        assert "NOT as it was written" in verdict.out
        assert f"first bad: {row['event_id']}" in verdict.out
    cut = f"delete from audit.audit_events where event_id = '{row['event_id']}'"
    async with unsealed(stack_engine), tampered(stack_engine, row["review_id"], cut):
        assert reviews.quick("audit", "reconcile").code == 0
        code, found = verify(reviews, "--review", "ac-014")
        assert code == 1
        missing = {one["event_id"] for one in found["missing"]}
        assert None in missing, "the seal lacks a row"
        assert missing == {None}, "and the row that was brought again does not stand in its place"
    assert verify(reviews, "--review", "ac-014")[0] == 0


def whole_trail(reviews: Reviews) -> dict[str, Any]:
    """The whole trail, which every test of this stack adds to."""
    code, found = verify(reviews)
    assert code == 0, found
    verdict = reviews.quick("audit", "verify", "--since", "2026-01-01")
    assert verdict.code == 0
    assert "whole and unaltered" in verdict.out
    return found


async def test_rows_that_no_seal_covers_are_proved_by_the_history(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    async with unsealed(stack_engine):
        history = await closed(reviews, stack_engine, "ac-015")
        await asyncio.sleep(6)  # younger events may still be on their way
        code, whole = verify(reviews, "--review", "ac-015")
        assert (code, whole["seals_checked"]) == (0, 1), "the newest, to know what is unsealed"
        assert whole["unsealed"] >= len(history)
        one, two = history[2]["event_id"], history[5]["event_id"]
        where = f"where event_id = '{one}'"
        columns = "source, tenant, event_type, severity, actor, action, resource, review_id, "
        columns += "workflow_id, run_id, details"
        last = history[-1]["event_id"]
        swapped = "set action = o.action, event_type = o.event_type, details = o.details"
        both = f"(('{one}', '{two}'), ('{two}', '{one}'))"
        ways = {
            f"update audit.audit_events set details = '{{}}' {where}": ("differing", one),
            f"delete from audit.audit_events {where}": ("missing", one),
            f"delete from audit.audit_events where event_id = '{last}'": ("missing", last),
            f"insert into audit.audit_events (event_id, at, {columns}) "
            f"select event_id || '00', at, {columns} from audit.audit_events {where}": (
                *("extra", f"{one}00"),
            ),
            f"update audit.audit_events e {swapped} from audit.audit_events o "
            f"where (e.event_id, o.event_id) in {both}": ("differing", one),
        }
        for statement, (kind, event_id) in ways.items():
            async with tampered(stack_engine, history[0]["review_id"], statement):
                code, found = verify(reviews, "--review", "ac-015")
            assert code == 1, statement
            assert event_id in {row["event_id"] for row in found[kind]}, (statement, found)
        assert verify(reviews, "--review", "ac-015")[0] == 0


BAD = {
    "--since yesterday": (2, "--since"),
    "--since 2026-11-21T10:00:00": (2, "zone"),
    "--since 0001-01-01": (2, "--since: '0001-01-01' is not between 1970 and 2199"),
    "--since 2026-01-01 --review ac-014": (2, "do not go together"),
    "--offline x --since 2026-01-01": (2, "the whole file"),
    "--offline /nowhere/export.json": (2, "cannot be read"),
    "--key /nowhere/key.pem": (2, "cannot be read"),
    "--review nobody": (3, "no row of the review"),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input(reviews: Reviews, words: str) -> None:
    code, said = BAD[words]
    assert said in reviews.quick("audit", "verify", *words.split()).sentence(code)


def test_without_what_it_needs(
    reviews: Reviews, stack: LocalStack, tmp_path: Path, short_dir: Path
) -> None:
    away = f"postgresql://postgres@/audit?host={short_dir}/nowhere"
    said = reviews.quick("audit", "verify", REVIEWS_AUDIT_DATABASE_URL=away).sentence(5)
    assert "\n" not in said
    alone = {"TEMPORAL_ADDRESS": "127.0.0.1:9", "REVIEWS_AUDIT_SEALS": str(tmp_path / "none")}
    found = reviews.json("audit", "verify", **alone)
    assert found["ok"]
    assert found["histories"] is None
    assert found["unanchored"] == found["seals_checked"]
    assert any("completeness was not checked" in one for one in found["warnings"])
    other = {"REVIEWS_AUDIT_SIGNING_KEY": str(tmp_path / "key.pem")}
    answer = reviews.quick("audit", "verify", "-o", "json", **other)
    assert answer.code == 1, "nobody's signature is believed here"
    assert "not known here" in json.loads(answer.out)["bad_seals"][0]["why"]
    assert not (tmp_path / "key.pem").exists(), "looking makes no key"
    (tmp_path / "keys.json").write_text("{}")
    words = ("audit", "verify", "--since", "2199-01-01", "-o", "json")
    assert reviews.quick(*words).code == 0
    answer = reviews.quick(*words, "--key", str(tmp_path / "keys.json"))
    assert answer.code == 1, "no key was given, so none is believed"


def test_months_go_by_the_login_of_the_owner(reviews: Reviews, stack: LocalStack) -> None:
    said = reviews.quick("audit", "retain").sentence(2)
    assert "only the owner of the trail drops months" in said
    owner = {"REVIEWS_AUDIT_OWNER_URL": stack.database_url}
    assert reviews.json("audit", "retain", **owner) == {"dropped": [], "kept": [], "notes": []}
    assert reviews.quick("audit", "retain", **owner).out == "dropped nothing\n"
    url = make_url(stack.database_url).set(username="worker").render_as_string()
    said = reviews.quick("audit", "retain", REVIEWS_AUDIT_OWNER_URL=url).sentence(2)
    assert "worker does not own the trail" in said


async def test_no_worker_owns_what_it_writes_to(
    stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    """Whoever owns the trail can switch its guards off and drop months of it."""
    async with stack_engine.connect() as connection:
        workers = await connection.scalars(
            text(
                "select distinct usename from pg_stat_activity "
                "where application_name like 'reviews-worker%'"
            )
        )
        owned = await connection.scalars(
            text(
                "select c.oid::regclass::text from pg_class c join pg_roles r on "
                "pg_has_role(r.oid, c.relowner, 'usage') where r.rolname = 'worker' "
                "and c.relnamespace = any(array['audit', 'reviews', 'crm']::regnamespace[])"
            )
        )
        assert (set(workers), list(owned)) == ({"worker"}, [])
    worker = create_engine(
        make_url(stack.database_url).set(username="worker").render_as_string(), application_name="w"
    )
    try:
        for statement in (
            "alter table audit.audit_events disable trigger user",
            "set session_replication_role = replica",
            "select audit.cleanup_audit_partitions('2555 days')",
            "delete from reviews.alembic_version",
        ):
            with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                async with worker.begin() as connection:
                    await connection.execute(text(statement))
    finally:
        await worker.dispose()
