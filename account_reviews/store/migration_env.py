"""How migrations of any schema of ours run, on the connection that `migrate` hands over."""

from alembic import context
from sqlalchemy import Connection, text


def run() -> None:
    """Each migration in its own transaction; the version table lives in the schema."""
    connection: Connection = context.config.attributes["connection"]
    schema: str = context.config.attributes["schema"]
    _create_schema(connection, schema)
    context.configure(
        connection=connection, version_table_schema=schema, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


def _create_schema(connection: Connection, schema: str) -> None:
    """Asked for first: `if not exists` needs the right to create schemas even when it is there."""
    if connection.scalar(text("select to_regnamespace(:name)"), {"name": schema}) is None:
        connection.execute(text(f"create schema {schema}"))
    connection.commit()
