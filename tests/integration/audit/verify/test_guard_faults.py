"""What guards the trail is looked at itself: what it does, and whether anything was added to it."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.verify.guards import OUTBOX, TRAIL, guard_faults
from bench.tampering import BEGAN
from tests.support.sealed_trail import Sealed, fresh

MONTH = f"audit.audit_events_{BEGAN:%Y_%m}"


@pytest.fixture(scope="module")
async def trail(engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    """Whoever changes the guards rolls back."""
    trail = await fresh(engine, tmp_path_factory.mktemp("sealed"))
    await trail.add(1, 2, 3)
    await trail.sealer().seal_all()
    return trail


TURNED = (
    (
        "create function public.turn() returns trigger language plpgsql as $$ begin "
        "if new.actor = 'mallory' then new.actor := 'ann'; end if; return new; end $$"
    ),
    "create trigger a_turn before insert on {table} for each row execute function public.turn()",
)
CHANGES: dict[str, tuple[tuple[str, ...], str]] = {
    "a trigger that changes what is written": (
        tuple(one.format(table="audit.audit_events") for one in TURNED),
        "audit.audit_events has a trigger that is not ours: a_turn",
    ),
    "the same on one month": (
        tuple(one.format(table=MONTH) for one in TURNED),
        f"{MONTH} has a trigger that is not ours: a_turn",
    ),
    "a hollow function": (
        (
            (
                "create or replace function audit.refuse_change() returns trigger language plpgsql "
                "as $$ begin return null; end $$"
            ),
        ),
        "audit.refuse_change is not the function that guards the trail: it was changed",
    ),
    "a hollow function beside one of other arguments that is not": (
        (
            "set local check_function_bodies = off",
            (
                "do $do$ begin execute format('create function audit.refuse_change(int) returns "
                "void language plpgsql %s as %L', (select 'set ' || replace(c, '=', ' to ') from "
                "unnest((select proconfig from pg_proc where oid = "
                "'audit.refuse_change()'::regprocedure)) c), (select prosrc from pg_proc "
                "where oid = 'audit.refuse_change()'::regprocedure)); end $do$"
            ),
            (
                "create or replace function audit.refuse_change() returns trigger language plpgsql "
                "as $$ begin return null; end $$"
            ),
        ),
        "audit.refuse_change is not the function that guards the trail: it was changed",
    ),
    "a trigger for one column": (
        (
            "drop trigger no_change_at_all on audit.archives",
            (
                "create trigger no_change_at_all before update of file or delete or truncate "
                "on audit.archives for each statement execute function audit.refuse_change()"
            ),
        ),
        "audit.archives can be changed: its trigger no_change_at_all is off",
    ),
    "a function that runs as somebody else": (
        ("alter function audit.refuse_old_transaction() security invoker",),
        "audit.refuse_old_transaction is not the function that guards the trail: it was changed",
    ),
    "a trigger that is off": (
        (f"alter table {MONTH} disable trigger no_change_at_all",),
        f"{MONTH} can be changed: its trigger no_change_at_all is off",
    ),
    "a trigger that is gone": (
        ("drop trigger no_false_seal on audit.seals",),
        "audit.seals can be changed: its trigger no_false_seal is gone",
    ),
    "a trigger with a condition": (
        (
            "drop trigger no_change_at_all on audit.archives",
            (
                "create trigger no_change_at_all before update or delete or truncate "
                "on audit.archives for each statement when (1 = 2) "
                "execute function audit.refuse_change()"
            ),
        ),
        "audit.archives can be changed: its trigger no_change_at_all is off",
    ),
    "a rule": (
        ("create rule nothing as on insert to audit.audit_events do instead nothing",),
        "audit.audit_events has a rule that is not ours: nothing",
    ),
    "a policy": (
        (
            "create policy hides on audit.audit_events for select using (actor <> 'mallory')",
            "alter table audit.audit_events enable row level security",
        ),
        "audit.audit_events has row level security, which can hide rows: hides",
    ),
    "row level security alone": (
        (f"alter table {MONTH} enable row level security",),
        f"{MONTH} has row level security, which can hide rows: row level security",
    ),
    "another time of recording": (
        (f"alter table {MONTH} alter column recorded_at set default '2020-01-01'",),
        f"{MONTH} fills its columns by other defaults than ours",
    ),
    "a view in the place of a table": (
        (
            "alter table audit.archives rename to hidden",
            "create view audit.archives as select * from audit.hidden",
        ),
        "audit.archives is no table of ours",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_every_change_of_a_guard_is_a_finding(trail: Sealed, name: str) -> None:
    statements, why = CHANGES[name]
    async with trail.engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
        report = await trail.verifier().verify_on(connection)
        await connection.rollback()
    assert not report.ok
    assert why in [one.why for one in report.of(Kind.GUARD)]
    assert why in [one["why"] for one in report.document()["guards"]]


async def test_guards_are_what_the_migrations_make(trail: Sealed) -> None:
    """Else the list in the code is of another revision: `verify/guards.py` holds the hashes."""
    async with trail.engine.connect() as connection:
        for guards in (TRAIL, OUTBOX):
            assert await guard_faults(connection, guards) == []
    assert (await trail.verify()).ok


OF_THE_OUTBOX = {
    "create rule nothing as on insert to reviews.audit_outbox do instead nothing": (
        "reviews.audit_outbox has a rule that is not ours: nothing"
    ),
    "alter table reviews.audit_outbox disable trigger numbered": (
        "reviews.audit_outbox can be changed: its trigger numbered is off"
    ),
    "create or replace function reviews.number_facts() returns trigger language plpgsql "
    "as $$ begin return null; end $$": (
        "reviews.number_facts is not the function that guards the trail: it was changed"
    ),
}


@pytest.mark.parametrize("statement", OF_THE_OUTBOX)
async def test_the_guards_of_the_outbox_are_looked_at(trail: Sealed, statement: str) -> None:
    async with trail.engine.connect() as connection:
        await connection.execute(text(statement))
        found = await guard_faults(connection, OUTBOX)
        await connection.rollback()
    assert [one.why for one in found] == [OF_THE_OUTBOX[statement]]
