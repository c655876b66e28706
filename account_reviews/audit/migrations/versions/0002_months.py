"""A month can be made while rows of it come.

Who adds a row chooses its partition first and waits for it then. When the month was made meanwhile,
the default partition refused the row, and it was recorded as one that cannot be stored.
"""

from alembic import op

revision = "0002_months"
down_revision = "0001_audit"
branch_labels = None
depends_on = None

CREATE = """
    create or replace function audit.create_audit_partition(month date) returns text
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
        -- lock of writers
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
    """

# Held until the end of the transaction: who adds rows waits here, and chooses afterwards.
WRITERS_WAIT = "lock table only audit.audit_events in share row exclusive mode;"


def upgrade() -> None:
    """Let who adds rows wait before it chooses a partition."""
    op.execute(CREATE.replace("-- lock of writers", WRITERS_WAIT))


def downgrade() -> None:
    """As it was."""
    op.execute(CREATE)
