"""Runs the migrations on the connection that `account_reviews.store.migrate` hands over."""

from alembic import context
from sqlalchemy import Connection, text

SCHEMA = "reviews"


def run(connection: Connection) -> None:
    """Each migration in its own transaction; the version table lives in our schema."""
    create_schema(connection)
    context.configure(
        connection=connection, version_table_schema=SCHEMA, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


def create_schema(connection: Connection) -> None:
    """Asked for first: `if not exists` needs the right to create schemas even when it is there."""
    if connection.scalar(text("select to_regnamespace(:name)"), {"name": SCHEMA}) is None:
        connection.execute(text(f"create schema {SCHEMA}"))
    connection.commit()


run(context.config.attributes["connection"])
