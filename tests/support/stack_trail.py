"""The audit trail against every history, by code that shares nothing with the exporter."""

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from tests.support.commands import Reviews, rows

OPEN_STARTS = (
    "select event_id from audit.audit_events s where source = 'attempt' "
    "and event_id like '%/start' and not exists (select from audit.audit_events e "
    "where e.event_id = left(s.event_id, -5) || 'end')"
)
IDS = "select event_id from audit.audit_events where run_id = :run and source = 'history'"

RESTED = (
    "update reviews.audit_facts set put_at = put_at - interval '1 hour'",
    "update reviews.review_runs set updated_at = updated_at - interval '1 hour'",
)


async def rest(engine: AsyncEngine) -> None:
    """Let an hour pass: what was saved a minute ago is held against the trail."""
    async with engine.begin() as connection:
        for statement in RESTED:
            await connection.exec_driver_sql(statement)


async def trail_is_whole(reviews: Reviews, address: str, engine: AsyncEngine) -> None:
    """Reconcile as a person does; then each event has one row, and each attempt an end."""
    found = reviews.json("audit", "reconcile")
    assert (found["gaps"], found["warnings"]) == ([], [])
    client = await Client.connect(address)
    runs = [run async for run in client.list_workflows("WorkflowType = 'AccountReview'")]
    assert found["runs"] >= len(runs) > 0
    for run in runs:
        history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        stored = [row["event_id"] for row in await rows(engine, IDS, run=run.run_id)]
        prefix = f"default/{run.id}/{run.run_id}"
        assert sorted(stored) == sorted(f"{prefix}/{event.event_id}" for event in history.events)
    assert await rows(engine, OPEN_STARTS) == []
