"""A role for workers: they read and write rows, and own nothing.

Whoever owns the tables of the trail can switch its guards off, so a worker is not to be the owner.
"""

from alembic import op

revision = "0007_worker_role"
down_revision = "0006_memory_outbox"
branch_labels = None
depends_on = None

SCHEMAS = ("reviews", "crm")

STATEMENTS = (
    # A role belongs to the whole cluster; a login without the right to create it goes on without.
    """
    do $$
    begin
        if to_regrole('reviews_worker') is null then
            create role reviews_worker nologin;
        end if;
    exception
        when insufficient_privilege then
            raise notice 'the role reviews_worker has to be made by somebody who may make roles';
        when duplicate_object or unique_violation then
            null;
    end $$
    """,
    # Tables of later revisions have the same owner, and are granted as they are made.
    """
    create function reviews.grant_worker(worker text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        name text;
    begin
        foreach name in array array['reviews', 'crm'] loop
            execute format('grant usage on schema %I to %I', name, worker);
            execute format('grant select, insert, update, delete on all tables in schema %I to %I',
                name, worker);
            execute format('grant usage, select on all sequences in schema %I to %I', name, worker);
            execute format('alter default privileges in schema %I '
                'grant select, insert, update, delete on tables to %I', name, worker);
            execute format('alter default privileges in schema %I '
                'grant usage, select on sequences to %I', name, worker);
        end loop;
        execute format('revoke insert, update, delete on reviews.alembic_version from %I', worker);
    end $$
    """,
    "revoke all on function reviews.grant_worker(text) from public",
    (
        "comment on function reviews.grant_worker(text) is "
        "'What a worker needs of the main database. The owner calls it for another role'"
    ),
    """
    do $$
    begin
        if to_regrole('reviews_worker') is not null then
            perform reviews.grant_worker('reviews_worker');
        end if;
    end $$
    """,
)


def upgrade() -> None:
    """Make the role and grant it what a worker needs."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Without its rights. The role stays, it belongs to the cluster."""
    op.execute("drop function reviews.grant_worker(text)")
    for schema in SCHEMAS:
        for what in ("tables", "sequences"):
            op.execute(
                f"do $$ begin if to_regrole('reviews_worker') is not null then "
                f"alter default privileges in schema {schema} "
                f"revoke all on {what} from reviews_worker; "
                f"revoke all on all {what} in schema {schema} from reviews_worker; end if; end $$"
            )
