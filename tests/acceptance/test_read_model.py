"""The tables of the read model hold nothing that Temporal does not know."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.commands import Reviews, rows

TABLES = {"review_runs": "run_id", "approval_requests": "request_id"}


async def contents(engine: AsyncEngine) -> dict[str, list[dict[str, Any]]]:
    return {
        table: await rows(engine, f"select * from reviews.{table} order by {key}")
        for table, key in TABLES.items()
    }


async def test_rows_that_are_lost_are_built_again(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    open_one = reviews.request("ac-048")
    done = reviews.request("ac-017")
    reviews.json("approvals", "approve", done["request_id"], "--as", "ann")
    reviews.closed("ac-017")
    before = await contents(stack_engine)
    async with stack_engine.begin() as connection:
        for table in TABLES:
            await connection.execute(text(f"delete from reviews.{table}"))
    assert reviews.json("list")["items"] == []
    report = reviews.json("db", "rebuild")
    assert report == {
        "rebuilt": len(before["review_runs"]),
        "purged": 0,
        "without_documents": [],
        "paused": [],
        "failed": [],
    }
    after = await contents(stack_engine)
    for table in TABLES:
        for new, old in zip(after[table], before[table], strict=True):
            assert new == old
    decided = reviews.json("approvals", "approve", open_one["request_id"], "--as", "ann")
    assert decided["state"] == "approved"
    assert reviews.closed("ac-048")["outcome"] == "completed"
