"""What the proof is made of, asked from Temporal and read from the CRM."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.service import RPCError

from account_reviews.crm.protocol import CrmBackend, Wanted
from account_reviews.crm.sql.tables import TABLES
from account_reviews.domain.base import Model, Scalar
from account_reviews.domain.records import RecordType
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.tables import crm_operations
from account_reviews.temporal import names, search_attributes
from account_reviews.upkeep.rebuild import ALL_REVIEWS
from workflows.account_review import AccountReviewWorkflow

AT_ONCE = 8
QUERY_SECONDS = 15.0

Run = tuple[str, str]
"""Review id and run id."""

CrmImage = Mapping[tuple[RecordType, str], Mapping[str, Any]]
"""Record type and id -> column -> value: all records of the CRM at one moment."""


@dataclass(frozen=True)
class Witness:
    """What Temporal says of one review. `state` is the workflow's own answer, None without one."""

    review_id: str
    run_id: str
    status: WorkflowExecutionStatus | None
    open_steps: int
    state: ReviewState | None


class Operation(Model):
    """A row of the ledger of operations: one write that was made."""

    operation_id: str
    change_id: str
    action: str
    account_id: str
    after: dict[str, Scalar]


@dataclass(frozen=True)
class Standing:
    """Reviews by how far they have come, asked while no worker runs."""

    ended: int
    waiting: int
    begun: int
    untouched: int


async def ask_reviews(client: Client, runs: Iterable[Run]) -> tuple[Witness, ...]:
    """Ask Temporal for the status of each review, and the review for its state. Needs a worker."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(run: Run) -> Witness:
        async with gate:
            return await _ask(client, *run)

    return tuple(await asyncio.gather(*(one(run) for run in runs)))


async def _ask(client: Client, review_id: str, run_id: str) -> Witness:
    handle = client.get_workflow_handle_for(AccountReviewWorkflow.run, review_id)
    try:
        found = await handle.describe()
    except RPCError:
        return Witness(review_id, run_id, None, 0, None)
    state: ReviewState | None = None
    try:
        query = handle.query(AccountReviewWorkflow.snapshot)
        state = await asyncio.wait_for(query, QUERY_SECONDS)
    except (TimeoutError, RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
        pass
    open_steps = len(found.raw_description.pending_activities)
    return Witness(review_id, run_id, found.status, open_steps, state)


async def list_reviews(client: Client, expected: int, seconds: float = 5.0) -> frozenset[str]:
    """The ids of all reviews that Temporal lists. Its index may lag: it is given some seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        found = frozenset([one.id async for one in client.list_workflows(ALL_REVIEWS)])
        if len(found) == expected or loop.time() > deadline:
            return found
        await asyncio.sleep(0.2)


async def look_without_worker(client: Client, runs: Iterable[Run]) -> Standing:
    """How far each review has come, from what the server holds."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(review_id: str) -> str:
        async with gate:
            found = await client.get_workflow_handle(review_id).describe()
        if found.status is not WorkflowExecutionStatus.RUNNING:
            return "ended"
        if found.typed_search_attributes.get(search_attributes.REVIEW_STATUS) == "waiting":
            return "waiting"
        return "begun" if found.history_length > 2 else "untouched"

    found = await asyncio.gather(*(one(review_id) for review_id, _ in runs))
    return Standing(
        ended=found.count("ended"),
        waiting=found.count("waiting"),
        begun=found.count("begun"),
        untouched=found.count("untouched"),
    )


async def count_at_work(client: Client, runs: Iterable[Run]) -> int:
    """How many of these reviews have a step open, asked while no worker runs."""

    async def one(review_id: str) -> bool:
        found = (await client.get_workflow_handle(review_id).describe()).raw_description
        return bool(found.pending_activities) or found.HasField("pending_workflow_task")

    return sum(await asyncio.gather(*(one(review_id) for review_id, _ in runs)))


async def crm_image(engine: AsyncEngine) -> CrmImage:
    """All records of the SQL CRM, read in one transaction."""
    image: dict[tuple[RecordType, str], Mapping[str, Any]] = {}
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        for kind, table in TABLES.items():
            columns = [column for column in table.c if column.name != "digest"]
            for row in (await connection.execute(select(*columns))).mappings():
                image[kind, row["id"]] = dict(row)
    return image


async def ledger(engine: AsyncEngine) -> tuple[Operation, ...]:
    """All writes the CRM has taken from reviews."""
    query = select(crm_operations).where(crm_operations.c.result.is_not(None))
    async with engine.connect() as connection:
        rows = (await connection.execute(query)).mappings()
        return tuple(Operation.model_validate(dict(row)) for row in rows)


async def read_back(
    crm: CrmBackend, reviews: Iterable[Witness]
) -> dict[str, dict[str, Scalar] | None]:
    """Operation id -> the written fields as the CRM shows them now, None for a record gone."""
    shown: dict[str, dict[str, Scalar] | None] = {}
    for review in reviews:
        for write in review.state.written.values() if review.state else ():
            operation_id = names.operation_id(review.run_id, write.change_id)
            wanted = Wanted(record=write.record, fields=tuple(write.written))
            (shown[operation_id],) = await crm.read_back((wanted,))
    return shown
