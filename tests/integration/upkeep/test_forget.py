"""What is erased from the tables, place by place, and what an erasure leaves behind."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.canonical import canonical_json, content_hash
from account_reviews.domain.erasure import ErasureKind, subject_of
from account_reviews.domain.errors import ConflictError
from account_reviews.domain.records import SnapshotRef
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.store import event_tables, memory_sync_tables, tables
from account_reviews.store.account_erasure import TABLES, AccountErasure
from account_reviews.store.erasures import ErasureStore
from account_reviews.store.person_erasure import PLACES, PersonErasure, contacts_named
from account_reviews.store.reviews import ReviewStore
from tests.support.review_states import fresh
from tests.support.waiting import until

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN = {"id": "co-1", "name": "Ann Lee", "email": "ann@acme.example", "phone": "+49 30 1234567"}
SUBJECT = subject_of([ANN["email"]], [ANN])
ROWS = {
    "outcomes": "insert into reviews.proposal_outcomes (run_id, change_id, tenant, account_id, "
    "rule, recommendation_type, state, by, at, reason, risk_level, evidence_hash) values "
    "(:run, 'c', :tenant, 'a', 'r', 't', 'rejected', 'ann  LEE', now(), 'x', 'low', 'e')",
    "approval_requests": "insert into reviews.approval_requests (request_id, run_id, review_id, "
    "tenant, account_id, state, requested_at, deadline, body, version) values "
    "(:run, :run, 'r', :tenant, 'a', 'rejected', now(), now(), '{\"by\": \"Ann Lee\"}', 1)",
    "archives": "insert into reviews.archives (run_id, hash, review_id, workflow_run_id, tenant, "
    "account_id, started_at, closed_at, body) values (:run, 'h', 'r', :run, :tenant, 'a', now(), "
    "now(), jsonb_build_object('run_id', cast(:run as text), 'review_id', 'r', 'account_id', 'a', "
    "'state', '{}'::jsonb, 'timeline', 'Ann Lee'))",
    "memory_outbox": "insert into reviews.memory_outbox (run_id, tenant, account_id, items) "
    "values (:run, :tenant, 'a', '[{\"text\": \"of Ann Lee\"}]')",
    "notifications": "insert into reviews.notification_deliveries (key, tenant, kind, about, "
    "channel, recipient, state, attempts, begun_at, held_until) values (:run, :tenant, 'request', "
    "'r', 'email', 'Ann@acme.example', 'sent', 1, now(), now())",
    "writes": "insert into reviews.crm_operations (operation_id, tenant, account_id, change_id, "
    "action, before, after, result, settled_at) values (:run, :tenant, 'a', 'c', "
    "'add_note', '{}', '{\"content\": \"Ann Lee called\"}', '{\"status\": \"applied\"}', now())",
    "portfolios": "insert into reviews.cycles (run_id, cycle_id, tenant, kind, status, started_by, "
    "as_of, version, started_at, updated_at, portfolio) values (:run, 'c', :tenant, 'weekly', "
    "'completed', 'x', now(), 1, now(), now(), '{\"worst\": \"Ann Lee\"}')",
    "cycle_accounts": "insert into reviews.cycle_accounts (run_id, account_id, position, "
    "account_name, risk_level, state) values (:run, 'a', 0, 'Ann Lee', 'low', 'done')",
    "cycle_briefs": "insert into reviews.cycle_briefs (run_id, owner_id, body) values "
    "(:run, 'o', '{\"text\": \"call 0049301234567 or +49 (30) 123 4567\"}')",
    "digests": "insert into reviews.digests (tenant, owner_id, day, body) values "
    "(:tenant, 'o', '2026-11-21', '{\"summary\": \"Ann\\nLee waits\"}')",
}
"""A row of each place that names the person; reviews and documents are saved by the store."""


@pytest.fixture
def store(engine: AsyncEngine) -> ReviewStore:
    return ReviewStore(engine)


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


async def saved(store: ReviewStore, tenant: str, *, closed: bool = True) -> ReviewState:
    """A review whose snapshot and timeline name Ann Lee."""
    state = fresh(at=NOW, tenant=tenant)
    contact = {**ANN, "account_id": state.account_id, "version": "1", "title": "CFO"}
    body = {"account": {"id": state.account_id}, "contacts": [contact], "of": state.run_id}
    stored = await store.put_document("snapshot", body)
    state.snapshot = SnapshotRef(
        hash=stored, account_name="Acme", owner_id=None, owner_name=None, fetched_at=NOW
    )
    state.move(Phase.INVESTIGATING, NOW)
    state.record(NOW, "note", "Ann Lee called", "ANN LEE")
    if closed:
        state.close(Outcome.NOTHING_TO_DO, NOW)
    await store.save(state)
    return state


async def fill(engine: AsyncEngine, tenant: str) -> None:
    run = uuid4().hex
    async with engine.begin() as connection:
        for statement in ROWS.values():
            if ":tenant" in statement:
                await connection.execute(text(statement), {"run": run, "tenant": tenant})
            else:
                await connection.execute(text(statement), {"run": run})


async def rows(engine: AsyncEngine, query: str, **values: Any) -> Sequence[Any]:
    async with engine.connect() as connection:
        return (await connection.execute(text(query), values)).all()


async def test_every_place_that_names_a_person_does_so_no_more(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    other = f"{tenant}-other"
    for whose in (tenant, other):
        await saved(store, whose)
        await fill(engine, whose)
    erasure = PersonErasure(engine, tenant, SUBJECT)
    assert dict(await erasure.count()) == dict.fromkeys(PLACES, 1)
    changed = await erasure.erase("dpo", NOW)
    assert {name: changed[name] for name in PLACES} == dict.fromkeys(PLACES, 1)
    assert set((await erasure.count()).values()) == {0}
    again = await erasure.erase("dpo", NOW)
    assert again.total() == 0
    untouched = PersonErasure(engine, other, SUBJECT)
    assert dict(await untouched.count()) == dict.fromkeys(PLACES, 1)


async def test_references_stay_readable_and_the_trail_knows_the_new_archive(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    state = await saved(store, tenant)
    await fill(engine, tenant)
    await PersonErasure(engine, tenant, SUBJECT).erase("dpo", NOW)
    assert state.snapshot is not None
    body = await ReviewStore(engine).get_document(state.snapshot.hash)
    assert body["contacts"][0] == {
        "id": "co-1", "name": "(erased)", "email": None, "phone": None, "title": None,
        "account_id": state.account_id, "version": "1",
    }  # fmt: skip
    (row,) = await rows(
        engine, "select state, erased_at from reviews.review_runs where run_id = :r", r=state.run_id
    )
    read = ReviewState.model_validate(row.state)
    assert [line.text for line in read.timeline if line.kind == "note"] == ["(erased) called"]
    assert row.erased_at is not None
    (archive,) = await rows(engine, "select * from reviews.archives where tenant = :t", t=tenant)
    assert archive.hash == content_hash(archive.body)
    (entry,) = await rows(
        engine,
        "select body->'details'->>'hash' as hash from reviews.audit_outbox "
        "where body->>'run_id' = :r and body->>'event_type' = 'review_archived'",
        r=archive.run_id,
    )
    assert entry.hash == archive.hash
    assert await store.was_removed(state.workflow_run_id), "a rebuild leaves it as it is"


async def test_a_person_is_found_by_the_contacts_of_stored_snapshots(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    state = await saved(store, tenant)
    for wanted in ("co-1", "ann lee", "ANN@acme.example", "+49301234567"):
        (found,) = await contacts_named(engine, tenant, wanted)
        assert found == {**ANN, "account_id": state.account_id}
    for wanted in ("co-2", "Ann Leeds", "lee"):
        assert await contacts_named(engine, tenant, wanted) == []
    assert await contacts_named(engine, "another", "co-1") == []


async def test_reviews_that_name_a_person_are_told_open_ones_first(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    closed, is_open = await saved(store, tenant), await saved(store, tenant, closed=False)
    found = await PersonErasure(engine, tenant, SUBJECT).affected()
    assert [(one.run_id, one.is_open, one.in_history) for one in found] == [
        (is_open.run_id, True, True),
        (closed.run_id, False, True),
    ]
    nobody = PersonErasure(engine, tenant, subject_of(["Nobody Atall"]))
    assert await nobody.affected() == []


async def test_an_account_is_not_erased_under_a_review_that_began_meanwhile(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    state = await saved(store, tenant, closed=False)
    erasure = AccountErasure(engine, tenant, state.account_id)
    with pytest.raises(ConflictError, match="has begun meanwhile"):
        await erasure.erase("e-1")
    assert len(await erasure.runs()) == 1
    state.close(Outcome.CANCELLED, NOW)
    await store.save(state)
    counted = await erasure.count()
    gone = await erasure.erase("e-1")
    assert (gone["reviews"], gone["documents"]) == (1, 1)
    assert counted["reviews"] == 1
    assert (await erasure.erase("e-1")).total() == 0
    assert await store.was_removed(state.workflow_run_id)
    (mark,) = await rows(
        engine, "select erasure_id from reviews.erased_runs where run_id = :r", r=state.run_id
    )
    assert mark.erasure_id == "e-1"


async def test_an_erasure_waits_for_a_purge_and_takes_its_archive(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    state = await saved(store, tenant)
    archive = text(
        "insert into reviews.archives (run_id, hash, review_id, workflow_run_id, tenant, "
        "account_id, started_at, closed_at, body) values (:run, 'h', 'r', :run, :tenant, :account, "
        "now(), now(), '{}')"
    )
    values = {"run": state.run_id, "tenant": tenant, "account": state.account_id}
    async with engine.begin() as purging:
        await purging.execute(text("delete from reviews.review_runs where run_id = :run"), values)
        await purging.execute(archive, values)
        erasing = asyncio.create_task(AccountErasure(engine, tenant, state.account_id).erase("e-3"))
        await until(lambda: rows(engine, WAITING))
        assert not erasing.done()
    gone = await erasing
    assert (gone["reviews"], gone["archives"]) == (0, 1)
    assert await store.was_removed(state.run_id)


WAITING = """
select 1 from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock' and query like '%for update%'
"""


async def test_a_rebuild_that_asked_before_does_not_bring_a_person_back(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    state = await saved(store, tenant)
    seen = await store.seen(state.run_id)
    await PersonErasure(engine, tenant, SUBJECT).erase("dpo", NOW)
    assert not await store.replace(state, seen=seen)
    assert (await PersonErasure(engine, tenant, SUBJECT).count()).total() == 0


def test_every_table_about_accounts_is_erased_from() -> None:
    rooms = (tables, event_tables, memory_sync_tables)
    known = [table for room in rooms for table in room.metadata.sorted_tables]
    about = {table.name for table in known if "account_id" in table.c}
    otherwise = {"cycle_accounts", "crm_operations"}
    assert about == {*TABLES.values(), *otherwise}, "say in account_erasure.py what becomes of it"


async def test_a_document_that_somebody_else_names_stays(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    state = await saved(store, tenant)
    assert state.snapshot is not None
    other = fresh(state.account_id, at=NOW, tenant=f"{tenant}-other")
    other.snapshot = state.snapshot
    await store.save(other)
    gone = await AccountErasure(engine, tenant, state.account_id).erase("e-2")
    assert (gone["reviews"], gone["documents"]) == (1, 0)
    assert await ReviewStore(engine).get_document(state.snapshot.hash)


async def test_an_erasure_that_was_killed_goes_on_as_the_same(
    engine: AsyncEngine, tenant: str
) -> None:
    store = ErasureStore(engine)
    begin = {"by": "dpo", "reason": "art. 17"}
    first = await store.begin(tenant, ErasureKind.PERSON, "ann lee", **begin)
    await store.note(first, {"reviews": 2, "memory": 0})
    other = await store.begin(tenant, ErasureKind.PERSON, "bo li", **begin)
    account = await store.begin(tenant, ErasureKind.ACCOUNT, "ann lee", **begin)
    again = await store.begin(tenant, ErasureKind.PERSON, "ann lee", **begin)
    assert len({first.erasure_id, other.erasure_id, account.erasure_id}) == 3
    assert (again.erasure_id, again.counts["reviews"]) == (first.erasure_id, 2)
    await store.note(again, {"reviews": 1})
    await store.end(again, account_id=None, by="dpo", reason="art. 17", at=NOW)
    later = await store.begin(tenant, ErasureKind.PERSON, "ann lee", **begin)
    assert later.erasure_id != first.erasure_id
    query = "select * from reviews.erasures where erasure_id = :id"
    (row,) = await rows(engine, query, id=first.erasure_id)
    assert (row.counts, row.ended_at) == ({"reviews": 3}, NOW)
    assert "lee" not in json.dumps(dict(row._mapping), default=str)
    (entry,) = await rows(
        engine,
        "select body from reviews.audit_outbox where body->>'event_type' = 'data_erased' "
        "and body->>'resource' = :resource",
        resource=f"erasure/{first.erasure_id}",
    )
    assert entry.body["details"]["counts"] == {"reviews": 3}
    assert b"lee" not in canonical_json(entry.body).lower()
