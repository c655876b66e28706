"""What the trail's functions believe is proven, and dropping is the owner's alone.

Months go by a function that no worker may call: it compares times as times, and each row that goes
against the seal over it. A seal or an archived row that lies in the future of the server is refused
at the door, and one that came in before is believed only where a row stands there. Who works alone
holds a table that only writers of the trail can lock.
"""

from alembic import op

revision = "0003_proven"
down_revision = "0002_months"
branch_labels = None
depends_on = None

LOCKS = ("sealing", "archiving", "reconciling")

TABLES = tuple(
    statement
    for name in LOCKS
    for statement in (
        f"create table audit.{name} (nothing boolean)",
        (
            f"comment on table audit.{name} is "
            "'Always empty: whoever does it alone locks it, which takes the right to write here'"
        ),
    )
)

SEALS = (
    # The snapshot of the statement is not older than the one by which rows were taken.
    """
    create function audit.refuse_false_seal() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        bad bigint := (
            select s.number from fresh s
            left join audit.seals p on p.number = s.number - 1
            where s.until_xid >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
            or (s.until_xid, s.until_seq) <= (s.after_xid, s.after_seq)
            or (s.number > 1 and p.number is null)
            or (s.after_xid, s.after_seq)
                is distinct from (coalesce(p.until_xid, 0), coalesce(p.until_seq, 0))
            or length(s.leaves) <> 48 * s.rows
            order by 1 limit 1);
    begin
        if bad is not null then
            raise exception 'seal % does not follow the seals before it, or lies ahead of this '
                'server', bad using errcode = 'check_violation',
                hint = 'Only a worker makes seals. Who inserted this one?';
        end if;
        return null;
    end $$
    """,
    """
    create trigger no_false_seal after insert on audit.seals
    referencing new table as fresh for each statement execute function audit.refuse_false_seal()
    """,
    """
    create function audit.refuse_future_rows() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
        if exists (select from fresh
                where xid >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint) then
            raise exception 'no row of a transaction that has not ended is archived'
                using errcode = 'check_violation';
        end if;
        return null;
    end $$
    """,
    """
    create trigger no_future_rows after insert on audit.archived_rows
    referencing new table as fresh for each statement execute function audit.refuse_future_rows()
    """,
    # Usually no seal lies ahead, which is one look into an index. One that does is believed where a
    # row stands at its end: its number was chosen by a server, not by whoever inserted the seal.
    """
    create or replace function audit.refuse_old_transaction() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare
        sealed bigint := (
            select s.until_xid from audit.seals s
            where s.until_xid >= pg_current_xact_id()::text::bigint
            and (
                exists (select from audit.audit_events e
                    where (e.xid, e.seq) = (s.until_xid, s.until_seq))
                or exists (select from audit.archived_rows a
                    where (a.xid, a.seq) = (s.until_xid, s.until_seq)))
            limit 1);
    begin
        if sealed is not null then
            raise exception 'the transaction numbers of this server are behind the sealed ones (%)',
                sealed using errcode = 'object_not_in_prerequisite_state',
                hint = format('The trail was restored to another server. Stop it and run '
                    'pg_resetwal --epoch=%s on its data directory.', (sealed >> 32) + 1);
        end if;
        return null;
    end $$
    """,
)

DROPPING = (
    # Neighbours are hashed together, a last one without a neighbour goes up as it is: RFC 6962.
    """
    create function audit.merkle_root(leaves bytea) returns bytea
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
    declare
        level bytea[] := array(
            select substr(leaves, 48 * n + 17, 32)
            from generate_series(0, length(leaves) / 48 - 1) n order by n);
    begin
        while cardinality(level) > 1 loop
            level := array(
                select case
                    when count(*) = 2 then
                        sha256('\\x01'::bytea || string_agg(one.hash, ''::bytea order by one.place))
                    else (array_agg(one.hash))[1]
                end
                from unnest(level) with ordinality as one (hash, place)
                group by (one.place - 1) / 2 order by (one.place - 1) / 2);
        end loop;
        return level[1];
    end $$
    """,
    # How many rows of a month are archived as they were sealed.
    """
    create function audit.proven_rows(month regclass) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        seal record;
        proven bigint := 0;
        these bigint;
    begin
        for seal in execute format(
            'select s.* from audit.seals s '
            'where s.until_xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint '
            'and exists (select from %s p where (p.xid, p.seq) > (s.after_xid, s.after_seq) '
            'and (p.xid, p.seq) <= (s.until_xid, s.until_seq)) order by s.number', month)
        loop
            if length(seal.leaves) <> 48 * seal.rows
                or audit.merkle_root(seal.leaves) is distinct from seal.root then
                continue;
            end if;
            execute format(
                'with sealed as materialized (select '
                '(''x'' || encode(substr($1, 48 * n + 1, 8), ''hex''))::bit(64)::bigint as xid, '
                '(''x'' || encode(substr($1, 48 * n + 9, 8), ''hex''))::bit(64)::bigint as seq, '
                'substr($1, 48 * n + 17, 32) as leaf from generate_series(0, $2 - 1) n) '
                'select count(*) from %s p join sealed using (xid, seq) '
                'join audit.archived_rows a using (xid, seq, leaf) '
                'where (p.xid, p.seq) > ($3, $4) and (p.xid, p.seq) <= ($5, $6)', month)
                into these using seal.leaves, seal.rows, seal.after_xid, seal.after_seq,
                    seal.until_xid, seal.until_seq;
            proven := proven + these;
        end loop;
        return proven;
    end $$
    """,
    # Runs as who calls it. Intervals are not compared: of `-12000 months 362700 days` one is told
    # that it is long, and taken from now it lies ahead.
    """
    create or replace function audit.cleanup_audit_partitions(keep interval) returns setof text
    language plpgsql security invoker set search_path = pg_catalog, pg_temp
    set timezone = 'UTC' set lock_timeout = '2s' as $$
    declare
        least interval := coalesce((select r.keep from audit.retention r), interval '2555 days');
        until timestamptz := now() - keep;
        name text;
        names text[];
        rows bigint;
    begin
        if until > now() - least or least < interval '0' or now() - least > now() then
            raise exception 'the trail is kept for % at least, not for %', least, keep
                using errcode = 'invalid_parameter_value',
                hint = 'The owner of the tables may change audit.retention.';
        end if;
        perform pg_advisory_xact_lock(hashtextextended('audit-partitions', 0));
        names := array(
            select p.relname::text from pg_inherits i join pg_class p on p.oid = i.inhrelid
            where i.inhparent = 'audit.audit_events'::regclass
            and p.relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'
            and to_date(right(p.relname, 7), 'YYYY_MM') + interval '1 month' <= until
            and exists (select from audit.archives a where a.partition = p.relname)
            order by 1);
        foreach name in array names loop
            execute format('lock table audit.%I in access exclusive mode', name);
            execute format('select count(*) from audit.%I', name) into rows;
            if rows = audit.proven_rows(format('audit.%I', name)::regclass) then
                execute format('alter table audit.audit_events detach partition audit.%I', name);
                execute format('drop table audit.%I', name);
                return next name;
            end if;
        end loop;
    end $$
    """,
    "revoke all on all functions in schema audit from public",
)

ROLES = (
    """
    create or replace function audit.grant_writer(writer text) returns void
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
        execute format('grant update on audit.sealing, audit.archiving, audit.reconciling to %I',
            writer);
        execute format('grant execute on function audit.create_audit_partition(date), '
            'audit.maintain_audit_partitions(int) to %I', writer);
    end $$
    """,
    # Whoever was a writer until now stays one, without the function that drops.
    """
    do $$
    declare
        writer record;
    begin
        for writer in
            select distinct r.rolname from pg_proc p, aclexplode(p.proacl) g
            join pg_roles r on r.oid = g.grantee
            where p.oid = 'audit.cleanup_audit_partitions(interval)'::regprocedure
            and g.grantee <> p.proowner
        loop
            execute format('revoke all on function audit.cleanup_audit_partitions(interval) '
                'from %I', writer.rolname);
            perform audit.grant_writer(writer.rolname);
        end loop;
    end $$
    """,
)


def upgrade() -> None:
    """Prove what is believed, and leave dropping to the owner."""
    for statement in (*TABLES, *SEALS, *DROPPING, *ROLES):
        op.execute(statement)


def downgrade() -> None:
    """Without what was added. The functions that were there before stay as they are now."""
    op.execute("drop trigger no_false_seal on audit.seals")
    op.execute("drop trigger no_future_rows on audit.archived_rows")
    op.execute(
        "drop function audit.refuse_false_seal(), audit.refuse_future_rows(), "
        "audit.proven_rows(regclass), audit.merkle_root(bytea)"
    )
    for name in LOCKS:
        op.execute(f"drop table audit.{name}")
