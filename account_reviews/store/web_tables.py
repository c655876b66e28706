"""The tables of who signs in, of tokens, and of what people have chosen on pages."""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata: Final = MetaData(schema="reviews")


def _moment(name: str, comment: str | None = None, *, now: bool = False) -> Column[object]:
    default = text("now()") if now else None
    return Column(
        name, DateTime(timezone=True), nullable=not now, server_default=default, comment=comment
    )


def _end() -> Column[object]:
    return Column("ends_at", DateTime(timezone=True), nullable=False)


people = Table(
    "people",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("person", Text, primary_key=True, comment="the name as spellings are compared"),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False, comment="local oidc link"),
    Column("roles", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("groups", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("password_hash", Text, comment="argon2id, of local users"),
    _moment("created_at", now=True),
    _moment("seen_at", "last sign-in"),
    _moment("until_at", "the roles do not count after that; null: until it is removed"),
    CheckConstraint("source in ('local', 'oidc', 'link')", name="people_source"),
    comment="Who may sign in, and who has: with roles and groups",
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("id_hash", LargeBinary, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("person", Text, nullable=False),
    _moment("started_at", now=True),
    _moment("seen_at", now=True),
    _end(),
    ForeignKeyConstraint(
        ["tenant", "person"], ["reviews.people.tenant", "reviews.people.person"], ondelete="CASCADE"
    ),
    Index("web_sessions_person", "tenant", "person"),
    Index("web_sessions_ends", "ends_at"),
    comment="Sign-ins of browsers, by the hash of their cookie",
)

web_links = Table(
    "web_links",
    metadata,
    Column("id_hash", LargeBinary, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("person", Text, nullable=False),
    _end(),
    ForeignKeyConstraint(
        ["tenant", "person"], ["reviews.people.tenant", "reviews.people.person"], ondelete="CASCADE"
    ),
    comment="Links that sign in once and were not used yet",
)

web_sign_ins = Table(
    "web_sign_ins",
    metadata,
    Column("id_hash", LargeBinary, primary_key=True, comment="of the state"),
    Column("tenant", Text, nullable=False),
    Column("browser_hash", LargeBinary, nullable=False, comment="of the cookie it began with"),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False, comment="of PKCE"),
    Column("following", Text, nullable=False, comment="the path to go on with"),
    _end(),
    Index("web_sign_ins_ends", "ends_at"),
    comment="Sign-ins that a provider has not answered yet",
)

web_attempts = Table(
    "web_attempts",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),
    _moment("at", now=True),
    Index("web_attempts_key", "tenant", "key", "at"),
    Index("web_attempts_at", "at"),
    comment="Sign-ins that were tried, by hashes",
)

web_tokens = Table(
    "web_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("scopes", ARRAY(Text), comment="null: whatever the roles allow"),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    _moment("created_at", now=True),
    Column("created_by", Text, nullable=False),
    _moment("used_at"),
    _moment("ends_at"),
    _moment("revoked_at"),
    Index("web_tokens_person", "tenant", "person"),
    comment="Tokens of programs, by the hash of what they send",
)

web_used = Table(
    "web_used",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    _moment("used_at", now=True),
    _end(),
    Index("web_used_ends", "ends_at"),
    comment="What counts once, and has: links that decided",
)

digest_days = Table(
    "digest_days",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("owner_id", Text, primary_key=True),
    Column("days", ARRAY(SmallInteger), nullable=False, comment="of the week, 1 is Monday"),
    Column("set_by", Text, nullable=False),
    _moment("set_at", now=True),
    comment="On which days of the week an owner wants a digest; no row: on each",
)
