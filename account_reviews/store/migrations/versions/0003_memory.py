"""The account memory: items with full text in the language of each."""

from alembic import op

revision = "0003_memory"
down_revision = "0002_crm"
branch_labels = None
depends_on = None

LANGUAGES = (
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french",
    "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian",
    "nepali", "norwegian", "portuguese", "romanian", "russian", "serbian", "spanish", "swedish",
    "tamil", "turkish", "yiddish",
)  # fmt: skip
"""The dictionaries every PostgreSQL from 16 on brings along."""

# A regconfig column would stop pg_upgrade, and a cast from text may not stand in a generated
# column. Constants may.
SEARCH_CONFIG = f"""
create function reviews.search_config(language text) returns regconfig
language sql immutable parallel safe return case language
    {" ".join(f"when '{name}' then 'pg_catalog.{name}'::regconfig" for name in LANGUAGES)}
    else 'pg_catalog.simple'::regconfig
end
"""

# A text vector holds 1 MB at most: the start of a very long text is what can be found.
MEMORY_ITEMS = """
create table reviews.memory_items (
    id uuid primary key,
    tenant text not null,
    account_id text not null,
    kind text not null,
    title text,
    body text not null,
    occurred_at timestamptz not null,
    valid_from timestamptz,
    valid_to timestamptz,
    source_system text not null,
    source_record_id text,
    source_url text,
    attributes jsonb not null default '{}',
    visibility text not null,
    language text not null,
    idempotency_key text not null,
    ordinal integer not null,
    recorded_at timestamptz not null default now(),
    search tsvector not null generated always as (
        setweight(
            to_tsvector(reviews.search_config(language), left(coalesce(title, ''), 1000)), 'A'
        )
        || setweight(to_tsvector(reviews.search_config(language), left(body, 100000)), 'B')
        || setweight(
            jsonb_to_tsvector(reviews.search_config(language), attributes, '["string", "numeric"]'),
            'C'
        )
    ) stored,
    unique (tenant, idempotency_key, ordinal)
)
"""


def upgrade() -> None:
    op.execute(SEARCH_CONFIG)
    op.execute(MEMORY_ITEMS)
    op.execute(
        "create index memory_items_newest"
        " on reviews.memory_items (tenant, account_id, occurred_at desc, id desc)"
    )
    op.execute("create index memory_items_search on reviews.memory_items using gin (search)")


def downgrade() -> None:
    op.execute("drop table reviews.memory_items")
    op.execute("drop function reviews.search_config(text)")
