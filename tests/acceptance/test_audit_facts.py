"""What `reviews audit verify` holds facts against: histories, states, the CRM, the outbox."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.commands import Reviews, rows
from tests.support.waiting import until

REVIEW = "review/ac-034"
TABLES = {
    "audit.audit_events": f"review_id = '{REVIEW}'",
    "reviews.review_runs": f"review_id = '{REVIEW}'",
    "reviews.audit_facts": "true",
    "reviews.audit_numbers": "true",
    "reviews.audit_quarantine": "true",
    "reviews.crm_operations": "true",
}
SEALER = text("select pg_advisory_lock(hashtextextended('audit-seal', 0))")
HOLDER = text(
    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted "
    "and ((classid::int8 << 32) | objid::int8) = hashtextextended('audit-seal', 0) "
    "and pid <> :mine"
)
LONG_AGO = (
    "update reviews.audit_facts set put_at = put_at - interval '1 hour'",
    "update reviews.review_runs set updated_at = updated_at - interval '1 hour'",
)
"""What is a minute old has to be in the trail."""
COLUMNS = "source, tenant, severity, resource, review_id, account_id, workflow_id, run_id, trace_id"


async def as_owner(engine: AsyncEngine, *statements: str) -> None:
    """No trigger fires."""
    async with engine.begin() as connection:
        await connection.execute(text("set local session_replication_role = replica"))
        for statement in statements:
            await connection.exec_driver_sql(statement)


@asynccontextmanager
async def unsealed(engine: AsyncEngine) -> AsyncIterator[None]:
    """Nothing is sealed meanwhile: we hold the lock of a sealer of before."""
    async with engine.connect() as connection:
        mine = await connection.scalar(text("select pg_backend_pid()"))
        waiting = asyncio.create_task(connection.execute(SEALER))
        async with engine.begin() as other:
            await other.execute(HOLDER, {"mine": mine})
        await waiting
        try:
            yield
        finally:
            await connection.invalidate()


@asynccontextmanager
async def tampered(engine: AsyncEngine, *statements: str) -> AsyncIterator[None]:
    """Changed as the owner could; afterwards all is as before."""
    kept = {table: f"public.kept_{number}" for number, table in enumerate(TABLES)}
    async with unsealed(engine):
        copies = [
            f"create table {copy} as select * from {table} where {TABLES[table]}"
            for table, copy in kept.items()
        ]
        await as_owner(engine, *copies, *LONG_AGO, *statements)
        try:
            yield
        finally:
            back = [
                statement
                for table, copy in kept.items()
                for statement in (
                    f"delete from {table} where {TABLES[table]}",
                    f"insert into {table} overriding system value select * from {copy}",
                    f"drop table {copy}",
                )
            ]
            await as_owner(engine, *back)


async def decide(reviews: Reviews, engine: AsyncEngine, account: str, who: str) -> dict[str, Any]:
    """Review an account, approve everything; the row of its end when all is in the trail."""
    request = reviews.request(account)["request_id"]
    reviews.json("approvals", "approve", request, "--as", who)
    query = (
        "select * from audit.audit_events where review_id = :review and source = 'history' "
        "and event_type = 'session_ended'"
    )

    async def ended() -> bool:
        return bool(await rows(engine, query, review=f"review/{account}"))

    async def nothing_waits() -> bool:
        return not await rows(
            engine,
            "select 1 from reviews.audit_outbox "
            "union all select 1 from reviews.crm_operations where audited_at is null",
        )

    await until(ended)
    await until(nothing_waits)
    return (await rows(engine, query, review=f"review/{account}"))[0]


@pytest.fixture(scope="module")
async def run_id(reviews: Reviews, stack_engine: AsyncEngine) -> str:
    """A review that ann approved, and what was written of it."""
    await decide(reviews, stack_engine, "ac-034", "ann")
    found = await rows(
        stack_engine,
        "select run_id from reviews.review_runs where review_id = :review",
        review=REVIEW,
    )
    return str(found[0]["run_id"])


def verify(reviews: Reviews, *words: str) -> dict[str, Any]:
    answer = reviews.quick("audit", "verify", *words, "-o", "json")
    document: dict[str, Any] = answer.document(0 if '"ok": true' in answer.out else 1)
    return document


async def test_true_facts_are_true(
    reviews: Reviews, stack_engine: AsyncEngine, run_id: str
) -> None:
    async with tampered(stack_engine):
        for words in ((), ("--review", "ac-034"), ("--since", "2026-01-01")):
            found = verify(reviews, *words)
            assert found["ok"], found
            assert not any("otherwise" in one for one in found["warnings"]), found


OF_ANN = f"review_id = '{REVIEW}' and event_type = 'approval_decided'"
OTHERWISE = {
    "values of a write": (
        "details = jsonb_set(details, '{after}', '{\"stage\": \"forged\"}') "
        f"where review_id = '{REVIEW}' and event_type = 'crm_write'"
    ),
    "who approved a write": (
        f"actor = 'unknown' where review_id = '{REVIEW}' and event_type = 'crm_write'"
    ),
    "details of a decision": f'details = details || \'{{"comment": "forged"}}\' where {OF_ANN}',
}


@pytest.mark.parametrize("what", OTHERWISE)
async def test_what_only_tells_otherwise_is_a_warning(
    reviews: Reviews, stack_engine: AsyncEngine, run_id: str, what: str
) -> None:
    """Another policy or version may have told it so."""
    async with tampered(stack_engine, f"update audit.audit_events set {OTHERWISE[what]}"):
        found = verify(reviews, "--review", "ac-034")
    assert any("otherwise than this version and policy do" in one for one in found["warnings"])


FORGED = (
    f"insert into audit.audit_events (event_id, at, recorded_at, event_type, actor, action, "
    f"details, {COLUMNS}) select {{id}}, at, recorded_at - interval '1 minute', {{columns}}, "
    f"{COLUMNS} from audit.audit_events where review_id = '{REVIEW}' and event_type = {{like}} "
    "limit 1"
)
WAYS: dict[str, tuple[Sequence[str], str, str]] = {
    "a decision under an id of its own": (
        [
            FORGED.format(
                id="'mine/1'",
                columns="event_type, 'mallory', action, details",
                like="'approval_decided'",
            )
        ],
        "extra",
        "no message in the history is a decision of mallory",
    ),
    "a decision as a line of the review": (
        [
            FORGED.format(
                id="'timeline/' || run_id || '/99@' || extract(epoch from at)::bigint",
                columns="event_type, 'mallory', action, '{}'",
                like="'approval_decided'",
            )
        ],
        "extra",
        "the review has nothing of this in its state",
    ),
    "a decision under another name": (
        [f"update audit.audit_events set actor = 'bob' where {OF_ANN}"],
        "differing",
        "the row names another actor than the state of the review",
    ),
    "a decision, and the state with it": (
        [
            f"update audit.audit_events set actor = 'bob' where {OF_ANN}",
            (
                "update reviews.review_runs set state = "
                'replace(state::text, \'"by": "ann"\', \'"by": "bob"\')::jsonb '
                f"where review_id = '{REVIEW}'"
            ),
        ],
        "extra",
        "no message in the history is a decision of bob",
    ),
    "no decision": (
        [f"delete from audit.audit_events where {OF_ANN}"],
        "missing",
        "the history has a decision of ann, and no row says what came of it",
    ),
    "another phase": (
        [
            (
                "update audit.audit_events set action = 'approval -> completed' "
                f"where review_id = '{REVIEW}' and action = 'approval -> executing'"
            )
        ],
        "differing",
        "the row names another action than the state of the review",
    ),
    "a write that nobody made": (
        [
            FORGED.format(
                id="'write/' || run_id || ':made-up'",
                columns="event_type, actor, action, "
                "jsonb_build_object('operation_id', run_id || ':made-up')",
                like="'crm_write'",
            )
        ],
        "extra",
        "the ledger of operations has no such write",
    ),
    "a write that somebody else approved": (
        [
            (
                "update audit.audit_events set actor = 'bob' "
                f"where review_id = '{REVIEW}' and event_type = 'crm_write'"
            )
        ],
        "differing",
        "the row names another actor than the ledger of operations",
    ),
    "no writes": (
        [
            (
                f"delete from audit.audit_events where review_id = '{REVIEW}' "
                "and event_type = 'crm_write'"
            ),
            "update reviews.crm_operations set applied_at = applied_at - interval '1 hour'",
        ],
        "missing",
        "the ledger of operations has this write, the trail has no row of it",
    ),
    "a fact that was taken from the outbox": (
        [
            (
                f"delete from audit.audit_events where review_id = '{REVIEW}' and source = 'fact' "
                "and action = 'approval_requested'"
            ),
            f"delete from reviews.review_runs where review_id = '{REVIEW}'",
        ],
        "missing",
        "was left for the trail, and did not come there",
    ),
    "a fact that was taken from the outbox, as if the trail could not hold it": (
        [
            (
                f"delete from audit.audit_events where review_id = '{REVIEW}' and source = 'fact' "
                "and action = 'approval_requested'"
            ),
            f"delete from reviews.review_runs where review_id = '{REVIEW}'",
            (
                "insert into reviews.audit_quarantine (event_id, body, reason, put_at) "
                "select event_id, '{}', 'made up', put_at from reviews.audit_facts"
            ),
        ],
        "missing",
        "was left for the trail, and did not come there",
    ),
    "the last fact, and its number": (
        [
            (
                "delete from reviews.audit_facts f where number = "
                "(select last from reviews.audit_numbers n where n.scope = f.scope)"
            )
        ],
        "missing",
        "the list of them was changed",
    ),
    "the last fact, its number and the count": (
        [
            (
                f"delete from audit.audit_events where review_id = '{REVIEW}' and source = 'fact' "
                "and action = 'closed'"
            ),
            "delete from reviews.audit_facts where event_id like 'timeline/%'",
            "delete from reviews.audit_numbers",
            (
                f"delete from audit.audit_events where review_id = '{REVIEW}' "
                "and event_id like 'phase/%' and details ? 'outcome'"
            ),
            "delete from reviews.audit_facts",
        ],
        "missing",
        "the review has this in its state, the trail has no row of it",
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_forged_changed_or_gone_before_it_is_sealed_is_found(
    reviews: Reviews, stack_engine: AsyncEngine, run_id: str, way: str
) -> None:
    """No seal shows any of it: each row could have been written so."""
    statements, kind, why = WAYS[way]
    async with tampered(stack_engine, *statements):
        found = verify(reviews, "--review", "ac-034")
    assert not found["ok"]
    assert any(why in one["why"] for one in found[kind]), found


async def test_the_owner_changes_what_is_written_before_anybody_sees_it(
    reviews: Reviews, stack_engine: AsyncEngine, run_id: str
) -> None:
    """A trigger turns one name into another and drops writes; all of it is sealed so."""
    await as_owner(
        stack_engine,
        "create function public.turn() returns trigger language plpgsql as $$ begin "
        "if new.event_type = 'crm_write' and new.account_id = 'ac-037' then return null; end if; "
        "new.actor := replace(new.actor, 'mallory', 'ann'); return new; end $$",
        "create trigger a_turn before insert on audit.audit_events for each row "
        "execute function public.turn()",
    )
    try:
        await decide(reviews, stack_engine, "ac-037", "mallory")
    finally:
        await as_owner(
            stack_engine, "drop trigger a_turn on audit.audit_events", "drop function public.turn()"
        )
    reviews.until("audit", "verify", "--review", "ac-034", holds=lambda one: not one["unsealed"])
    await as_owner(
        stack_engine,
        *LONG_AGO,
        "update reviews.crm_operations set applied_at = applied_at - interval '1 hour'",
    )
    found = verify(reviews, "--review", "ac-037")
    assert not found["ok"]
    assert found["bad_seals"] == []
    differing = {one["why"] for one in found["differing"]}
    assert differing >= {
        "the row names another actor, type, time, action or resource than the history",
        "the row names another actor than the state of the review",
    }
    assert "the ledger of operations has this write, the trail has no row of it" in {
        one["why"] for one in found["missing"]
    }
