"""A pause after a refusal grows only while the service goes on refusing."""

from alembic import op

revision = "0023_pauses"
down_revision = "0022_memory_sync"
branch_labels = None
depends_on = None

# After a refusal nobody asks for a while: as long as the service says, else a second; twice as long
# when it refuses as soon as it is asked again, half of that for each half second that went well.
PAUSE = """
create or replace function reviews.api_pause(
    a_service text, a_key text, asked double precision, moment timestamptz
) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    update reviews.api_budgets set
        pause_seconds = next,
        paused_until = greatest(paused_until, moment + make_interval(secs => case
            when asked > 0 then asked
            when paused_until > moment then 0
            else next end))
    from (
        select case
            when paused_until > moment then pause_seconds
            when paused_until > moment - interval '1 minute' then least(60, greatest(1,
                greatest(pause_seconds, 0.5) * 2
                * power(0.25, extract(epoch from moment - paused_until)::double precision)))
            else 1 end as next
        from reviews.api_budgets where service = a_service and key = a_key
    ) as pause
    where service = a_service and key = a_key
$$
"""
BEFORE = """
create or replace function reviews.api_pause(
    a_service text, a_key text, asked double precision, moment timestamptz
) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    update reviews.api_budgets set
        pause_seconds = case
            when paused_until > moment then pause_seconds
            when paused_until > moment - interval '1 minute'
                then least(greatest(pause_seconds, 0.5) * 2, 60)
            else 1 end,
        paused_until = greatest(paused_until, moment + make_interval(secs => case
            when asked > 0 then asked
            when paused_until > moment then 0
            when paused_until > moment - interval '1 minute'
                then least(greatest(pause_seconds, 0.5) * 2, 60)
            else 1 end))
    where service = a_service and key = a_key
$$
"""


def upgrade() -> None:
    """Change how long everybody waits."""
    op.execute(PAUSE)


def downgrade() -> None:
    """Change it back."""
    op.execute(BEFORE)
