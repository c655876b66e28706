"""The SQL CRM: owners, accounts and what hangs on them, and the ledger of writes."""

from alembic import op

revision = "0002_crm"
down_revision = "0001_reviews"
branch_labels = None
depends_on = None

STATEMENTS = """
create table crm.owners (
    id text collate "C" primary key,
    name text not null,
    email text,
    active boolean not null default true,
    manager_id text collate "C" references crm.owners (id),
    version bigint not null default 1,
    digest text not null default ''
);
create index owners_name on crm.owners (name);
create table crm.accounts (
    id text collate "C" primary key,
    name text not null,
    owner_id text collate "C" references crm.owners (id),
    status text,
    account_type text,
    industry text,
    segment text,
    website text,
    phone text,
    billing_city text,
    billing_country text,
    annual_revenue numeric,
    employees integer,
    contract_end date,
    renewal_date date,
    created_at timestamptz,
    modified_at timestamptz,
    last_activity_at timestamptz,
    custom jsonb not null default '{}',
    version bigint not null default 1,
    digest text not null default ''
);
create index accounts_owner on crm.accounts (owner_id, id);
create table crm.account_owner_changes (
    account_id text collate "C" references crm.accounts (id) on delete cascade,
    at timestamptz,
    previous_owner_id text collate "C" references crm.owners (id),
    owner_id text collate "C" references crm.owners (id),
    primary key (account_id, at)
);
create table crm.contacts (
    id text collate "C" primary key,
    account_id text collate "C" not null references crm.accounts (id) on delete cascade,
    name text not null,
    email text,
    phone text,
    title text,
    level text,
    accessible boolean,
    alignment double precision,
    is_sponsor boolean,
    active boolean,
    owner_id text collate "C" references crm.owners (id),
    created_at timestamptz,
    version bigint not null default 1,
    digest text not null default ''
);
create index contacts_account on crm.contacts (account_id, created_at desc);
create table crm.deals (
    id text collate "C" primary key,
    account_id text collate "C" not null references crm.accounts (id) on delete cascade,
    name text not null,
    stage text not null,
    amount numeric,
    probability integer,
    closing_date date,
    created_at timestamptz,
    modified_at timestamptz,
    stage_changed_at timestamptz,
    owner_id text collate "C" references crm.owners (id),
    version bigint not null default 1,
    digest text not null default ''
);
create index deals_account on crm.deals (account_id, created_at desc);
create table crm.deal_stage_changes (
    deal_id text collate "C" references crm.deals (id) on delete cascade,
    at timestamptz,
    stage text not null,
    primary key (deal_id, at)
);
create table crm.activities (
    id text collate "C" primary key,
    account_id text collate "C" not null references crm.accounts (id) on delete cascade,
    type text not null,
    subject text,
    description text,
    at timestamptz not null,
    created_at timestamptz,
    owner_id text collate "C" references crm.owners (id),
    participants text[] not null default '{}',
    outcome text,
    version bigint not null default 1,
    digest text not null default ''
);
create index activities_account on crm.activities (account_id, at desc, id);
create table crm.notes (
    id text collate "C" primary key,
    account_id text collate "C" not null references crm.accounts (id) on delete cascade,
    title text,
    content text not null,
    created_at timestamptz,
    created_by text,
    private boolean not null default false,
    version bigint not null default 1,
    digest text not null default ''
);
create index notes_account on crm.notes (account_id, created_at desc);
create table crm.tasks (
    id text collate "C" primary key,
    account_id text collate "C" not null references crm.accounts (id) on delete cascade,
    subject text not null,
    description text,
    due_at timestamptz,
    status text not null default 'open',
    priority text,
    owner_id text collate "C" references crm.owners (id),
    created_at timestamptz,
    version bigint not null default 1,
    digest text not null default ''
);
create index tasks_account on crm.tasks (account_id, created_at desc);
create table crm.modules (
    name text primary key
);
create table crm.imports (
    id bigint generated always as identity primary key,
    as_of timestamptz,
    imported_at timestamptz not null default now()
);
create table crm.operations (
    operation_id text primary key,
    change_id text not null,
    action text not null,
    account_id text not null,
    record jsonb,
    before jsonb,
    after jsonb not null,
    result jsonb,
    applied_at timestamptz not null default now()
);
create index operations_account on crm.operations (account_id, applied_at desc);
"""

TABLES = (
    "operations", "imports", "modules", "tasks", "notes", "activities", "deal_stage_changes",
    "deals", "contacts", "account_owner_changes", "accounts", "owners",
)  # fmt: skip


def upgrade() -> None:
    op.execute("create schema if not exists crm")
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"drop table crm.{table}")
    op.execute("drop schema crm")
