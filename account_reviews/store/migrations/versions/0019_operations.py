"""The ledger of operations: what was sent to a CRM, and what came of it.

What `crm.operations` holds here is copied and stays where it is: this database may be the CRM of
another installation, whose workers take its rows over from there.
"""

from alembic import op

from account_reviews.domain.errors import ConflictError

revision = "0019_operations"
down_revision = "0018_request_numbers"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    create table reviews.crm_operations (
        operation_id text primary key,
        tenant text not null,
        account_id text not null,
        change_id text not null,
        action text not null,
        change jsonb,
        expected_version text,
        begun_at timestamptz not null default now(),
        tried_at timestamptz not null default now(),
        tries integer not null default 1,
        lease_until timestamptz,
        settled_at timestamptz,
        record jsonb,
        before jsonb,
        after jsonb not null,
        result jsonb,
        applied_at timestamptz,
        audited_at timestamptz,
        erased_at timestamptz
    )
    """,
    "create index crm_operations_account on reviews.crm_operations (tenant, account_id)",
    """
    create index crm_operations_run on reviews.crm_operations ((split_part(operation_id, ':', 1)))
    """,
    """
    create index crm_operations_open on reviews.crm_operations (tenant, lease_until)
        where settled_at is null
    """,
    """
    create index crm_operations_unaudited on reviews.crm_operations (applied_at)
        where audited_at is null and result is not null
    """,
    """
    create table reviews.crm_ledgers (
        tenant text not null,
        place text not null,
        since timestamptz not null default now(),
        primary key (tenant, place)
    )
    """,
    "insert into reviews.crm_ledgers (tenant, place) values ('', '')",
    """
    insert into reviews.crm_operations (
        operation_id, tenant, account_id, change_id, action, begun_at, tried_at, settled_at,
        record, before, after, result, applied_at, audited_at
    )
    select
        o.operation_id,
        coalesce(
            r.tenant, a.tenant, (select b.tenant from crm.belongs_to b limit 1), 'default'
        ),
        o.account_id, o.change_id, o.action, o.applied_at, o.applied_at, o.applied_at,
        o.record, o.before, o.after, o.result, o.applied_at, o.audited_at
    from crm.operations o
    left join reviews.review_runs r on r.run_id = split_part(o.operation_id, ':', 1)
    left join reviews.archives a on a.run_id = split_part(o.operation_id, ':', 1)
    where o.result is not null
    """,
)


def upgrade() -> None:
    """Create the tables, and copy what was written before."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them; writes since then are noted where they were before.

    Not while the outcome of a write is unknown: only here it is told that it was sent, and without
    that it would be made again.
    """
    op.execute("lock table reviews.crm_operations in access exclusive mode")
    still = "select count(*) from reviews.crm_operations where settled_at is null"
    if unknown := op.get_bind().exec_driver_sql(still).scalar_one():
        raise ConflictError(
            f"the ledger of writes cannot be removed: whether {unknown} of them were made is not "
            "known yet",
            hint="let workers look them up, and stop the workers before you try again",
        )
    op.execute(
        "insert into crm.operations (operation_id, change_id, action, account_id, record, before, "
        "after, result, applied_at, audited_at) select operation_id, change_id, action, "
        "account_id, record, before, after, result, applied_at, audited_at "
        "from reviews.crm_operations where result is not null on conflict do nothing"
    )
    op.execute("drop table reviews.crm_ledgers")
    op.execute("drop table reviews.crm_operations")
