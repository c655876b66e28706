"""What is left for the trail is numbered without gaps per run, and cannot be taken away unseen.

A fact in the outbox is numbered as it is put there, in the transaction of what it is about. The
numbers stay when the relay has taken the fact, so that one that never came to the trail is found.
Only the owner can change them. What cannot be stored in the trail is put into quarantine.
"""

from alembic import op

revision = "0009_numbered_facts"
down_revision = "0008_clocks"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table reviews.audit_numbers (
        scope text primary key,
        last bigint not null,
        updated_at timestamptz not null default clock_timestamp()
    )
    """,
    "comment on table reviews.audit_numbers is 'The number of the last fact of each run'",
    """
    create table reviews.audit_facts (
        scope text not null,
        number bigint not null,
        fact bytea not null,
        event_id text not null,
        put_at timestamptz not null,
        primary key (scope, number),
        unique (scope, fact)
    )
    """,
    "create index audit_facts_put_at on reviews.audit_facts (put_at)",
    "comment on table reviews.audit_facts is 'Every fact that was left for the audit trail'",
    """
    create table reviews.audit_quarantine (
        id bigint generated always as identity primary key,
        event_id text not null,
        body jsonb not null,
        reason text not null,
        put_at timestamptz not null,
        quarantined_at timestamptz not null default clock_timestamp()
    )
    """,
    (
        "comment on table reviews.audit_quarantine is "
        "'Facts that the audit trail cannot hold; a row in their place says so there'"
    ),
    # Runs as the owner: nobody else may touch the numbers. It takes nothing but the rows that were
    # put. A fact that was put before has its number: reviews record what they hold again.
    """
    create function reviews.number_facts() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
        if not exists (select from fresh) then
            return null;
        end if;
        -- Held until the end of the transaction: numbers of one run come one after another.
        insert into reviews.audit_numbers as known (scope, last)
        select distinct left(coalesce(body->>'run_id', 'tenant/' || (body->>'tenant'), ''), 200), 0
        from fresh order by 1
        on conflict (scope) do update set last = known.last;
        with named as (
            select distinct on (scope, fact) * from (
                select left(coalesce(body->>'run_id', 'tenant/' || (body->>'tenant'), ''), 200)
                    as scope, event_id, id,
                    sha256(convert_to(concat_ws(E'\\n', event_id, body->>'at'), 'UTF8')) as fact
                from fresh) every
            where not exists (select from reviews.audit_facts f
                where (f.scope, f.fact) = (every.scope, every.fact))
            order by scope, fact, id
        ),
        numbered as (
            insert into reviews.audit_facts (scope, number, fact, event_id, put_at)
            select n.scope, k.last + row_number() over (partition by n.scope order by n.id),
                n.fact, n.event_id, clock_timestamp()
            from named n join reviews.audit_numbers k using (scope)
            returning scope
        )
        update reviews.audit_numbers k
        set last = k.last + n.count, updated_at = clock_timestamp()
        from (select scope, count(*) from numbered group by scope) n
        where k.scope = n.scope;
        return null;
    end $$
    """,
    """
    create trigger numbered after insert on reviews.audit_outbox
    referencing new table as fresh for each statement execute function reviews.number_facts()
    """,
    """
    create function reviews.refuse_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
        raise exception '%.%: % is refused', tg_table_schema, tg_table_name, tg_op
            using errcode = 'insufficient_privilege',
            hint = 'What is left for the audit trail is taken whole, or not at all.';
    end $$
    """,
    """
    create trigger no_change before update or truncate on reviews.audit_outbox
    for each statement execute function reviews.refuse_change()
    """,
    # Numbers that nobody asks for any more, the oldest first; it takes no argument.
    """
    create function reviews.forget_facts() returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare
        until timestamptz := clock_timestamp() - interval '30 days';
        gone bigint;
    begin
        delete from reviews.audit_facts where put_at < until;
        get diagnostics gone = row_count;
        delete from reviews.audit_numbers k where updated_at < until
            and not exists (select from reviews.audit_facts f where f.scope = k.scope);
        return gone;
    end $$
    """,
    "revoke all on function reviews.forget_facts(), reviews.number_facts() from public",
    """
    create or replace function reviews.grant_worker(worker text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        name text;
    begin
        foreach name in array array['reviews', 'crm'] loop
            execute format('grant usage on schema %I to %I', name, worker);
            execute format('grant select, insert, update, delete on all tables in schema %I to %I',
                name, worker);
            execute format('grant usage, select on all sequences in schema %I to %I', name, worker);
            execute format('alter default privileges in schema %I '
                'grant select, insert, update, delete on tables to %I', name, worker);
            execute format('alter default privileges in schema %I '
                'grant usage, select on sequences to %I', name, worker);
        end loop;
        execute format('revoke insert, update, delete on reviews.alembic_version, '
            'reviews.audit_numbers, reviews.audit_facts from %I', worker);
        execute format('revoke update, delete on reviews.audit_quarantine from %I', worker);
        execute format('grant execute on function reviews.forget_facts() to %I', worker);
    end $$
    """,
    """
    do $$
    begin
        if to_regrole('reviews_worker') is not null then
            perform reviews.grant_worker('reviews_worker');
        end if;
    end $$
    """,
)


def upgrade() -> None:
    """Number what is left for the trail."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Without numbers. The role of workers keeps its rights to what is left."""
    op.execute("drop trigger numbered on reviews.audit_outbox")
    op.execute("drop trigger no_change on reviews.audit_outbox")
    for name in ("number_facts", "refuse_change", "forget_facts"):
        op.execute(f"drop function reviews.{name}()")
    for name in ("audit_quarantine", "audit_facts", "audit_numbers"):
        op.execute(f"drop table reviews.{name}")
