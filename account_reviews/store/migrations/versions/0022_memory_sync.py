"""Syncs of the memory, and where its items lie elsewhere."""

from alembic import op

revision = "0022_memory_sync"
down_revision = "0021_webhooks"
branch_labels = None
depends_on = None

DATASETS = """
create table reviews.memory_datasets (
    tenant text not null,
    service text not null,
    dataset_id text not null,
    noted_at timestamptz not null default now(),
    primary key (tenant, service)
)
"""

# An item without a row here, or with one of another dataset, is still to be handed over.
PLACES = """
create table reviews.memory_places (
    item_id uuid primary key references reviews.memory_items (id) on delete cascade,
    dataset_id text not null,
    data_id text,
    state text not null check (state in ('sent', 'processing', 'stored')),
    claimed_until timestamptz,
    changed_at timestamptz not null default now()
)
"""

SYNCS = """
create table reviews.memory_syncs (
    sync_id text primary key,
    tenant text not null,
    type text not null check (type in ('full', 'incremental', 'on_demand')),
    status text not null check (
        status in ('pending', 'running', 'completed', 'failed', 'paused', 'cancelled')
    ),
    started_by text not null,
    changed_since timestamptz,
    cursor text,
    total integer not null default 0,
    done integer not null default 0,
    skipped integer not null default 0,
    failed integer not null default 0,
    reason text,
    started_at timestamptz not null,
    finished_at timestamptz
)
"""

ACCOUNTS = """
create table reviews.memory_sync_accounts (
    sync_id text not null references reviews.memory_syncs (sync_id) on delete cascade,
    tenant text not null,
    account_id text not null,
    state text not null check (state in ('pending', 'done', 'skipped', 'failed')),
    message text,
    primary key (sync_id, account_id)
)
"""

SNAPSHOTS = """
create table reviews.memory_snapshots (
    tenant text not null,
    account_id text not null,
    item_id uuid,
    checksum text,
    sent_checksum text,
    synced_at timestamptz,
    primary key (tenant, account_id)
)
"""

MEANINGS = {
    "memory_datasets": "The dataset of a tenant in a memory elsewhere",
    "memory_places": "Where the items of the account memory lie in a memory elsewhere",
    "memory_syncs": "Syncs of account snapshots into the memory",
    "memory_sync_accounts": "The accounts of a sync, until it is over",
    "memory_snapshots": "What the memory holds of each account, by checksum",
}

STATEMENTS: tuple[str, ...] = (
    DATASETS,
    PLACES,
    "create index memory_places_data on reviews.memory_places (data_id)",
    SYNCS,
    "create index memory_syncs_newest on reviews.memory_syncs (tenant, started_at desc)",
    ACCOUNTS,
    "create index memory_sync_accounts_left on reviews.memory_sync_accounts (sync_id, state)",
    SNAPSHOTS,
    *(f"comment on table reviews.{table} is '{text}'" for table, text in MEANINGS.items()),
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    for table in reversed(MEANINGS):
        op.execute(f"drop table reviews.{table}")
