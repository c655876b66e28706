"""The trail: rows in monthly partitions, seals over them, and how far each run has been read.

Nothing of the trail can be changed or removed with statements. Whoever owns the tables can undo
that, as every owner can; the seals and their second place are what shows it.
"""

from alembic import op

revision = "0001_audit"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "create sequence audit.audit_events_seq",
    """
    create table audit.audit_events (
        event_id text not null,
        at timestamptz not null,
        seq bigint not null default nextval('audit.audit_events_seq'),
        xid bigint not null default (pg_current_xact_id()::text)::bigint,
        recorded_at timestamptz not null default clock_timestamp(),
        source text not null check (source in ('history', 'attempt', 'fact', 'client')),
        tenant text not null,
        event_type text not null,
        severity text not null check (severity in ('info', 'warning', 'error', 'critical')),
        actor text not null,
        action text not null,
        resource text not null,
        review_id text,
        account_id text,
        workflow_id text,
        run_id text,
        trace_id text,
        details jsonb not null default '{}',
        check (at >= '0001-01-02 00:00:00+00' and at < '9999-12-31 00:00:00+00'),
        check (recorded_at >= '0001-01-02 00:00:00+00' and recorded_at < '9999-12-31 00:00:00+00'),
        primary key (event_id, at)
    ) partition by range (at)
    """,
    "create table audit.audit_events_default partition of audit.audit_events default",
    "create index audit_events_order on audit.audit_events (xid, seq)",
    "create index audit_events_newest on audit.audit_events (tenant, at desc, seq desc)",
    "create index audit_events_run on audit.audit_events (run_id, at)",
    "create index audit_events_review on audit.audit_events (tenant, review_id, at desc)",
    "create index audit_events_account on audit.audit_events (tenant, account_id, at desc)",
    "create index audit_events_actor on audit.audit_events (tenant, actor, at desc)",
    "create index audit_events_type on audit.audit_events (tenant, event_type, at desc)",
    "create index audit_events_details on audit.audit_events using gin (details jsonb_path_ops)",
    """
    create table audit.seals (
        number bigint primary key check (number > 0),
        sealed_at timestamptz not null,
        after_xid bigint not null,
        after_seq bigint not null,
        until_xid bigint not null,
        until_seq bigint not null,
        rows integer not null check (rows > 0),
        root bytea not null,
        previous bytea not null,
        key_id text not null,
        signature bytea not null,
        leaves bytea not null
    )
    """,
    # Hashes do not compress, and few readers want them.
    "alter table audit.seals alter column leaves set storage external",
    "create index seals_until on audit.seals (until_xid, until_seq)",
    "create index seals_sealed_at on audit.seals (sealed_at)",
    (
        "comment on column audit.seals.leaves is "
        "'per row 48 bytes: xid, seq (8 each, big endian) and the leaf hash'"
    ),
    """
    create table audit.archives (
        id bigint primary key check (id > 0),
        partition text not null,
        from_at timestamptz not null,
        to_at timestamptz not null,
        rows bigint not null,
        root bytea not null,
        file text not null,
        sha256 text not null,
        archived_at timestamptz not null,
        key_id text not null,
        signature bytea not null
    )
    """,
    "comment on table audit.archives is 'Partitions written to files before they were dropped'",
    """
    create table audit.archived_rows (
        xid bigint not null,
        seq bigint not null,
        leaf bytea not null,
        archive bigint not null references audit.archives,
        primary key (xid, seq)
    )
    """,
    "create index archived_rows_archive on audit.archived_rows (archive, xid, seq)",
    (
        "comment on table audit.archived_rows is "
        "'Leaf hashes of rows in archives, so that seals over them can still be checked'"
    ),
    """
    create table audit.retention (
        one boolean primary key default true check (one),
        keep interval not null
    )
    """,
    "insert into audit.retention (keep) values ('2555 days')",
    (
        "comment on table audit.retention is "
        "'The least that cleanup_audit_partitions keeps; only the owner may change it'"
    ),
    """
    create table audit.runs (
        namespace text not null,
        workflow_id text not null,
        run_id text primary key,
        workflow_type text not null,
        tenant text not null,
        started_at timestamptz not null,
        last_event bigint not null,
        closed boolean not null,
        context jsonb not null default '{}',
        updated_at timestamptz not null default now()
    )
    """,
    "create index runs_open on audit.runs (updated_at) where not closed",
    "comment on table audit.runs is 'How far the history of each run is stored; no evidence'",
    """
    create table audit.reconciliations (
        namespace text not null,
        began_at timestamptz not null,
        ended_at timestamptz not null,
        runs integer not null,
        rows_added integer not null,
        closed_as_lost integer not null,
        gaps integer not null,
        primary key (namespace, began_at)
    )
    """,
    "comment on table audit.reconciliations is 'Full comparisons of the trail with the histories'",
)

GUARDS = (
    """
    create function audit.refuse_change() returns trigger language plpgsql as $$
    begin
        raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, tg_op
            using errcode = 'insufficient_privilege',
            hint = 'Old partitions go by audit.cleanup_audit_partitions, after they are archived.';
    end $$
    """,
    """
    create function audit.refuse_old_transaction() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare
        sealed bigint := (select until_xid from audit.seals order by number desc limit 1);
    begin
        if pg_current_xact_id()::text::bigint <= sealed then
            raise exception 'the transaction numbers of this server are behind the sealed ones (%)',
                sealed using errcode = 'object_not_in_prerequisite_state',
                hint = format('The trail was restored to another server. Stop it and run '
                    'pg_resetwal --epoch=%s on its data directory.', (sealed >> 32) + 1);
        end if;
        return null;
    end $$
    """,
    # Else rows would come to lie among those that are sealed.
    (
        "create trigger after_the_sealed before insert on audit.audit_events "
        "for each statement execute function audit.refuse_old_transaction()"
    ),
    # On the parent it is there for every partition, also for those of later and those made by hand.
    (
        "create trigger no_change before update or delete on audit.audit_events "
        "for each row execute function audit.refuse_change()"
    ),
    """
    create function audit.guard_table(name regclass) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
        execute format('create or replace trigger no_change_at_all '
            'before update or delete or truncate on %s '
            'for each statement execute function audit.refuse_change()', name);
    end $$
    """,
    "select audit.guard_table('audit.audit_events')",
    "select audit.guard_table('audit.audit_events_default')",
    "select audit.guard_table('audit.seals')",
    "select audit.guard_table('audit.archives')",
    "select audit.guard_table('audit.archived_rows')",
)

MAINTENANCE = (
    # Rows of the month may lie in the default partition: they move, as they are. `create table ...
    # partition of` refuses then, and a foreign time zone would shift the bounds.
    """
    create function audit.create_audit_partition(month date) returns text
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set timezone = 'UTC' set lock_timeout = '2s' as $$
    declare
        first date := date_trunc('month', month)::date;
        after date := (first + interval '1 month')::date;
        name text := 'audit_events_' || to_char(first, 'YYYY_MM');
    begin
        if month < date '2000-01-01' or month > now() + interval '10 years' then
            raise exception 'no partition is made for %', month
                using errcode = 'invalid_parameter_value',
                hint = 'Months from 2000 on are possible, up to ten years ahead.';
        end if;
        perform pg_advisory_xact_lock(hashtextextended('audit-partitions', 0));
        if to_regclass('audit.' || name) is not null then
            return name;
        end if;
        lock table audit.audit_events_default in access exclusive mode;
        execute format('create table audit.%I (like audit.audit_events '
            'including defaults including constraints including storage)', name);
        execute format('insert into audit.%I select * from audit.audit_events_default '
            'where at >= %L and at < %L', name, first, after);
        if found then
            alter table audit.audit_events_default disable trigger user;
            delete from audit.audit_events_default where at >= first and at < after;
            alter table audit.audit_events_default enable trigger user;
        end if;
        execute format('alter table audit.audit_events attach partition audit.%I '
            'for values from (%L) to (%L)', name, first, after);
        perform audit.guard_table(format('audit.%I', name)::regclass);
        return name;
    end $$
    """,
    """
    create function audit.maintain_audit_partitions(ahead int default 3) returns setof text
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set timezone = 'UTC' as $$
    declare
        wanted date;
        months date[];
    begin
        if ahead not between 0 and 120 then
            raise exception '% months ahead are not possible', ahead
                using errcode = 'invalid_parameter_value', hint = 'Give 0 to 120.';
        end if;
        -- Before the default partition is read: who reads it keeps others from altering it, and
        -- must not wait for them.
        perform pg_advisory_xact_lock(hashtextextended('audit-partitions', 0));
        months := array(
            select (date_trunc('month', now()) + n * interval '1 month')::date
            from generate_series(0, ahead) n
            union
            select date_trunc('month', at)::date from audit.audit_events_default
            where at >= now() - interval '10 years' and at < now() + interval '10 years'
            order by 1);
        foreach wanted in array months loop
            if to_regclass('audit.audit_events_' || to_char(wanted, 'YYYY_MM')) is null then
                return next audit.create_audit_partition(wanted);
            end if;
        end loop;
    end $$
    """,
    # What the caller says it archived is not believed: each row has to be there.
    """
    create function audit.cleanup_audit_partitions(keep interval) returns setof text
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set timezone = 'UTC' set lock_timeout = '2s' as $$
    declare
        least interval := (select r.keep from audit.retention r);
        name text;
        names text[];
        complete boolean;
    begin
        if keep < least then
            raise exception 'the trail is kept for % at least, not for %', least, keep
                using errcode = 'invalid_parameter_value',
                hint = 'The owner of the tables may change audit.retention.';
        end if;
        perform pg_advisory_xact_lock(hashtextextended('audit-partitions', 0));
        names := array(
            select p.relname::text from pg_inherits i join pg_class p on p.oid = i.inhrelid
            where i.inhparent = 'audit.audit_events'::regclass
            and p.relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'
            and to_date(right(p.relname, 7), 'YYYY_MM') + interval '1 month' <= now() - keep
            and exists (select from audit.archives a where a.partition = p.relname)
            order by 1);
        foreach name in array names loop
            execute format('lock table audit.%I in access exclusive mode', name);
            execute format('select not exists (select from audit.%I p where not exists '
                '(select from audit.archived_rows a where (a.xid, a.seq) = (p.xid, p.seq)))', name)
                into complete;
            if complete then
                execute format('alter table audit.audit_events detach partition audit.%I', name);
                execute format('drop table audit.%I', name);
                return next name;
            end if;
        end loop;
    end $$
    """,
    # What a module of functions leaves to everybody is taken back: they run as the owner.
    "revoke all on all functions in schema audit from public",
    "select audit.maintain_audit_partitions()",
)

ROLES = (
    """
    create function audit.grant_writer(writer text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
        execute format('grant usage on schema audit to %I', writer);
        execute format('grant select on all tables in schema audit to %I', writer);
        execute format('grant usage on sequence audit.audit_events_seq to %I', writer);
        execute format('grant insert (event_id, at, source, tenant, event_type, severity, actor, '
            'action, resource, review_id, account_id, workflow_id, run_id, trace_id, details) '
            'on audit.audit_events to %I', writer);
        execute format('grant insert on audit.seals, audit.archives, audit.archived_rows to %I',
            writer);
        execute format('grant insert, update, delete on audit.runs to %I', writer);
        execute format('grant insert on audit.reconciliations to %I', writer);
        execute format('grant execute on function audit.create_audit_partition(date), '
            'audit.maintain_audit_partitions(int), audit.cleanup_audit_partitions(interval) to %I',
            writer);
    end $$
    """,
    "revoke all on function audit.grant_writer(text) from public",
    (
        "comment on function audit.grant_writer(text) is "
        "'What a worker needs to keep the trail, and no more. The owner calls it for another role'"
    ),
    # A role belongs to the whole cluster; a login without the right to create it goes on without.
    """
    do $$
    begin
        if to_regrole('audit_writer') is null then
            create role audit_writer nologin;
        end if;
    exception
        when insufficient_privilege then
            raise notice 'the role audit_writer has to be made by somebody who may make roles';
        when duplicate_object or unique_violation then
            null;
    end $$
    """,
    """
    do $$
    begin
        if to_regrole('audit_writer') is not null then
            perform audit.grant_writer('audit_writer');
        end if;
    end $$
    """,
)


def upgrade() -> None:
    """Create the trail."""
    for statement in (*TABLES, *GUARDS, *MAINTENANCE, *ROLES):
        op.execute(statement)


def downgrade() -> None:
    """Remove everything: the trail is gone then. The role stays, it belongs to the cluster."""
    for name in (
        "cleanup_audit_partitions(interval)", "maintain_audit_partitions(int)",
        "create_audit_partition(date)", "grant_writer(text)", "guard_table(regclass)",
    ):  # fmt: skip
        op.execute(f"drop function audit.{name}")
    for name in (
        "reconciliations",
        "runs",
        "retention",
        "archived_rows",
        "archives",
        "seals",
        "audit_events",
    ):
        op.execute(f"drop table audit.{name}")
    op.execute("drop sequence audit.audit_events_seq")
    op.execute("drop function audit.refuse_change(), audit.refuse_old_transaction()")
