"""People who sign in, their sessions and links, and tokens of programs."""

from alembic import op

revision = "0024_web_access"
down_revision = "0023_pauses"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    create table reviews.people (
        tenant text not null,
        person text not null,
        name text not null,
        source text not null,
        roles text[] not null default '{}',
        groups text[] not null default '{}',
        password_hash text,
        created_at timestamptz not null default now(),
        seen_at timestamptz,
        until_at timestamptz,
        primary key (tenant, person),
        constraint people_source check (source in ('local', 'oidc', 'link'))
    )
    """,
    "comment on table reviews.people is 'Who may sign in, and who has: with roles and groups'",
    """
    create table reviews.web_sessions (
        id_hash bytea primary key,
        tenant text not null,
        person text not null,
        started_at timestamptz not null default now(),
        seen_at timestamptz not null default now(),
        ends_at timestamptz not null,
        foreign key (tenant, person) references reviews.people on delete cascade
    )
    """,
    "create index web_sessions_person on reviews.web_sessions (tenant, person)",
    "create index web_sessions_ends on reviews.web_sessions (ends_at)",
    "comment on table reviews.web_sessions is 'Sign-ins of browsers, by the hash of their cookie'",
    """
    create table reviews.web_links (
        id_hash bytea primary key,
        tenant text not null,
        person text not null,
        ends_at timestamptz not null,
        foreign key (tenant, person) references reviews.people on delete cascade
    )
    """,
    "comment on table reviews.web_links is 'Links that sign in once and were not used yet'",
    """
    create table reviews.web_sign_ins (
        id_hash bytea primary key,
        tenant text not null,
        browser_hash bytea not null,
        nonce text not null,
        verifier text not null,
        following text not null,
        ends_at timestamptz not null
    )
    """,
    "create index web_sign_ins_ends on reviews.web_sign_ins (ends_at)",
    "comment on table reviews.web_sign_ins is 'Sign-ins that a provider has not answered yet'",
    """
    create table reviews.web_attempts (
        tenant text not null,
        key bytea not null,
        at timestamptz not null default now()
    )
    """,
    "create index web_attempts_key on reviews.web_attempts (tenant, key, at)",
    "create index web_attempts_at on reviews.web_attempts (at)",
    "comment on table reviews.web_attempts is 'Sign-ins that were tried, by hashes'",
    """
    create table reviews.web_tokens (
        id text primary key,
        tenant text not null,
        person text not null,
        name text not null,
        roles text[] not null,
        scopes text[],
        secret_hash bytea not null unique,
        created_at timestamptz not null default now(),
        created_by text not null,
        used_at timestamptz,
        ends_at timestamptz,
        revoked_at timestamptz
    )
    """,
    "create index web_tokens_person on reviews.web_tokens (tenant, person)",
    "comment on table reviews.web_tokens is 'Tokens of programs, by the hash of what they send'",
    """
    create table reviews.web_used (
        tenant text not null,
        kind text not null,
        key bytea not null,
        used_at timestamptz not null default now(),
        ends_at timestamptz not null,
        primary key (tenant, kind, key)
    )
    """,
    "create index web_used_ends on reviews.web_used (ends_at)",
    "comment on table reviews.web_used is 'What counts once, and has: links that decided'",
)
TABLES = (
    "web_used",
    "web_tokens",
    "web_attempts",
    "web_sign_ins",
    "web_links",
    "web_sessions",
    "people",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    for table in TABLES:
        op.execute(f"drop table reviews.{table}")
