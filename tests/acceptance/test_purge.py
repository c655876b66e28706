"""`reviews purge` as a person uses it, and killed in the middle."""

import asyncio
import signal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.canonical import canonical_json, content_hash
from tests.support.commands import Reviews, rows

COPIES = """
insert into reviews.review_runs
select (jsonb_populate_record(
  r,
  jsonb_build_object(
    'run_id', 'copy-' || n,
    'state', r.state || jsonb_build_object('run_id', 'copy-' || n, 'workflow_run_id', 'copy-' || n),
    'closed_at', now() - interval '30 days'
  )
)).*
from reviews.review_runs r, generate_series(1, 1500) n
where r.run_id = :run
"""
COUNTS = """
select
  (select count(*) from reviews.review_runs where starts_with(run_id, 'copy-')) as kept,
  (select count(*) from reviews.archives where starts_with(run_id, 'copy-')) as archived,
  (select count(*) from reviews.review_runs join reviews.archives using (run_id)) as twice
"""
ENTRIES = """
select body->'details'->>'hash' as hash from reviews.audit_outbox
where body->>'event_type' = 'review_archived' and body->>'run_id' = :run
union
select details->>'hash' from audit.audit_events
where event_type = 'review_archived' and run_id = :run
"""


async def test_a_purged_review_is_archived_and_the_waiting_one_stays(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    waiting = reviews.request("ac-048")
    done = reviews.request("ac-017")
    reviews.json("approvals", "approve", done["request_id"], "--as", "ann")
    before = reviews.closed("ac-017")
    assert reviews.json("purge", "--older-than", "7d") == {
        "removed": 0, "archived": 0, "cycles": 0, "digests": 0, "documents": 0, "outcomes": 0,
        "archives_removed": 0, "held": 0, "dry_run": False,
    }  # fmt: skip
    await asyncio.sleep(1.1)
    found = reviews.json("purge", "--older-than", "1s", "--dry-run")
    assert (found["removed"], found["dry_run"]) == (1, True)
    assert reviews.json("show", "ac-017", "--run", before["run_id"])["source"] == "projection"
    told = reviews.quick("purge", "--older-than", "1s", "--as", "olga")
    assert (told.code, told.out) == (0, "archived 1 review and removed their rows\n")
    after = reviews.json("show", "ac-017", "--run", before["run_id"])
    assert after["source"] == "archive"
    differing = {key for key in before if before[key] != after[key]}
    assert differing <= {"source", "age_seconds", "archived"}
    said = reviews.quick("show", "ac-017", "--run", before["run_id"])
    assert "archived " in said.out
    assert reviews.quick("brief", "ac-017", "--run", before["run_id"]).code == 0
    assert reviews.json("history", "ac-017", "--run", before["run_id"])["items"]
    assert reviews.quick("cancel", "ac-017", "--as", "ann").code == 0
    (archive,) = await rows(stack_engine, "select * from reviews.archives")
    assert archive["hash"] == after["archived"]["hash"] == content_hash(archive["body"])
    entries = await rows(stack_engine, ENTRIES, run=before["run_id"])
    assert entries == [{"hash": archive["hash"]}]
    report = reviews.json("db", "rebuild")
    assert (report["rebuilt"], report["purged"]) == (1, 1)
    assert [one["account_id"] for one in reviews.json("list")["items"]] == ["ac-048"]
    shown = reviews.json("approvals", "show", waiting["request_id"])
    assert shown["state"] == "pending"
    verified = reviews.quick("audit", "verify", "-o", "json")
    assert verified.code == 0, verified.out


TAMPERED = {
    'update reviews.archives set body = body || \'{"outcome": "completed", "brief": null}\'': (
        "is not what its hash says"
    ),
    "update reviews.archives set hash = 'x', body = '{}'": "is not what its hash says",
}
AGED = "update reviews.archives set archived_at = archived_at - interval '1 hour'"


async def archive_one(reviews: Reviews, engine: AsyncEngine) -> None:
    """Let there be an archive; whichever test comes first makes it."""
    if await rows(engine, "select 1 from reviews.archives"):
        return
    done = reviews.request("ac-019")
    reviews.json("approvals", "reject", done["request_id"], "--as", "ann", "--reason", "no")
    reviews.closed("ac-019")
    await asyncio.sleep(1.1)
    assert reviews.json("purge", "--older-than", "1s")["removed"] >= 1


@pytest.mark.parametrize("change", TAMPERED)
async def test_an_archive_that_was_changed_is_found(
    reviews: Reviews, stack_engine: AsyncEngine, change: str
) -> None:
    await archive_one(reviews, stack_engine)
    async with stack_engine.begin() as connection:
        await connection.execute(text(AGED))
        await connection.execute(text("create table kept as table reviews.archives"))
    assert reviews.quick("audit", "verify").code == 0
    async with stack_engine.begin() as connection:
        await connection.execute(text(change.replace(":", "\\:")))
    try:
        verified = reviews.quick("audit", "verify", "-o", "json")
        assert verified.code == 1
        assert TAMPERED[change] in verified.out
    finally:
        async with stack_engine.begin() as connection:
            await connection.execute(text("delete from reviews.archives"))
            await connection.execute(text("insert into reviews.archives table kept"))
            await connection.execute(text("drop table kept"))


async def test_an_archive_with_a_hash_of_its_own_is_another_than_the_trail_has(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    await archive_one(reviews, stack_engine)
    (archive,) = await rows(stack_engine, "select run_id, hash, body from reviews.archives limit 1")
    async with stack_engine.begin() as connection:
        await connection.execute(text(AGED))
    body = {**archive["body"], "decisions": [{"by": "mallory"}]}
    put = (
        "update reviews.archives set hash = :hash, body = cast(:body as jsonb) where run_id = :run"
    )
    for content in (body, archive["body"]):
        values = {"body": canonical_json(content).decode(), "hash": content_hash(content)}
        async with stack_engine.begin() as connection:
            await connection.execute(text(put), {**values, "run": archive["run_id"]})
        verified = reviews.quick("audit", "verify", "-o", "json")
        if content is body:
            assert (verified.code, "is another than the trail has" in verified.out) == (1, True)
    assert verified.code == 0, verified.out


def test_an_age_that_is_none_is_refused_in_one_sentence(reviews: Reviews) -> None:
    for wrong in ("7 days", "-1d", "0d", "", "1e9d", "7"):
        said = reviews.quick("purge", "--older-than", wrong).sentence(2)
        assert f"--older-than is {wrong!r}" in said
        error = reviews.quick("purge", "--older-than", wrong, "-o", "json").error(2)
        assert error["code"] == "bad_input"


async def test_a_purge_that_is_killed_loses_nothing_and_is_finished_by_the_next(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    done = reviews.request("ac-031")
    reviews.json("approvals", "reject", done["request_id"], "--as", "ann", "--reason", "no")
    run_id = reviews.closed("ac-031")["run_id"]
    async with stack_engine.begin() as connection:
        await connection.execute(text(COPIES), {"run": run_id})
    killed = 0
    while killed < 3:
        before = await counts(stack_engine)
        process = reviews.begin("purge")
        while process.poll() is None:
            now = await counts(stack_engine)
            if now["archived"] > before["archived"]:
                process.send_signal(signal.SIGKILL)
                break
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was done before it was killed"
        killed += 1
        now = await counts(stack_engine)
        assert (now["kept"] + now["archived"], now["twice"]) == (1500, 0)
        assert now["kept"] > 0
    left = (await counts(stack_engine))["kept"]
    assert reviews.json("purge")["removed"] == left
    assert await counts(stack_engine) == {"kept": 0, "archived": 1500, "twice": 0}


async def counts(engine: AsyncEngine) -> dict[str, Any]:
    (found,) = await rows(engine, COUNTS)
    return found
