"""What changes in reviews, requests and cycles, told at once to whoever watches."""

from alembic import op

revision = "0025_live_events"
down_revision = "0024_web_access"
branch_labels = None
depends_on = None

# A row says which transaction wrote it: whoever reads knows by his last snapshot what he has seen,
# so that what is committed late is not passed over.
STATEMENTS = (
    """
    create table reviews.live_events (
        seq bigint generated always as identity primary key,
        xid xid8 not null default pg_current_xact_id(),
        at timestamptz not null default now(),
        tenant text not null,
        kind text not null,
        run_id text not null,
        account_id text,
        review_id text,
        request_id text,
        cycle_id text,
        state text not null,
        phase text,
        version bigint not null
    )
    """,
    "create index live_events_read on reviews.live_events (tenant, xid, seq)",
    "create index live_events_old on reviews.live_events (tenant, at)",
    """
    comment on table reviews.live_events is
        'What changed in the last day, for pages that are open; a projection like the others'
    """,
    "create sequence reviews.live_beat minvalue 0 start 0",
    """
    comment on sequence reviews.live_beat is
        'The twentieth of a second in which listeners were last woken'
    """,
    # Commits that notify wait for each other, each with its write to disk. So one wakes the
    # listeners for all of a twentieth of a second, and they look again after it.
    """
    create function reviews.wake_listeners() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        beat bigint := floor(extract(epoch from clock_timestamp()) * 20);
    begin
        if beat <> (select last_value from reviews.live_beat) then
            perform setval('reviews.live_beat', beat), pg_notify('reviews_live', '');
        end if;
    end $$
    """,
    """
    create function reviews.tell_review() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
        insert into reviews.live_events
            (tenant, kind, run_id, account_id, review_id, state, phase, version)
        values
            (new.tenant, 'review', new.run_id, new.account_id, new.review_id, new.status,
            new.phase, new.version);
        perform reviews.wake_listeners();
        return null;
    end $$
    """,
    """
    create function reviews.tell_request() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
        insert into reviews.live_events
            (tenant, kind, run_id, account_id, review_id, request_id, state, version)
        values
            (new.tenant, 'request', new.run_id, new.account_id, new.review_id, new.request_id,
            new.state, new.version);
        perform reviews.wake_listeners();
        return null;
    end $$
    """,
    """
    create function reviews.tell_cycle() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
        insert into reviews.live_events (tenant, kind, run_id, cycle_id, state, version)
        values (new.tenant, 'cycle', new.run_id, new.cycle_id, new.status, new.version);
        perform reviews.wake_listeners();
        return null;
    end $$
    """,
    """
    create trigger live_insert after insert on reviews.review_runs
        for each row execute function reviews.tell_review()
    """,
    """
    create trigger live_update after update on reviews.review_runs
        for each row when (
            (old.version, old.phase, old.status) is distinct from
            (new.version, new.phase, new.status)
        ) execute function reviews.tell_review()
    """,
    """
    create trigger live_insert after insert on reviews.approval_requests
        for each row execute function reviews.tell_request()
    """,
    # Its version is that of the review: each save of the review brings another one.
    """
    create trigger live_update after update on reviews.approval_requests
        for each row when (old.state <> new.state or old.body <> new.body)
        execute function reviews.tell_request()
    """,
    """
    create trigger live_insert after insert on reviews.cycles
        for each row execute function reviews.tell_cycle()
    """,
    """
    create trigger live_update after update on reviews.cycles
        for each row when (
            (old.version, old.status) is distinct from (new.version, new.status)
        ) execute function reviews.tell_cycle()
    """,
)


def upgrade() -> None:
    """Make the table, and let the rows of before tell it what changes."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    for table in ("review_runs", "approval_requests", "cycles"):
        op.execute(f"drop trigger live_insert on reviews.{table}")
        op.execute(f"drop trigger live_update on reviews.{table}")
    for name in ("tell_review", "tell_request", "tell_cycle", "wake_listeners"):
        op.execute(f"drop function reviews.{name}()")
    op.execute("drop sequence reviews.live_beat")
    op.execute("drop table reviews.live_events")
