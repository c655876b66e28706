"""What somebody does to reviews with Temporal's own tools, brought into the rows within seconds.

No worker runs when a review is terminated, times out or is paused there, so nothing else saves it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecution

from account_reviews.audit.locks import RECONCILING, alone
from account_reviews.domain.audit.redaction import clean
from account_reviews.domain.canonical import rfc3339
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql
from account_reviews.temporal.executions import OPEN, is_paused, quoted
from account_reviews.upkeep.rebuild import ALL_REVIEWS

LOOK_SECONDS: Final = 5.0
_LOOK_BACK: Final = timedelta(hours=1)
_OVERLAP: Final = timedelta(minutes=2)
"""What Temporal lists comes a little late."""
_CALL_SECONDS: Final = 10.0
_REPORT_EVERY: Final = 30.0
_MARK_PAUSED: Final = text(read_sql("account_reviews.upkeep", "mark_paused_reviews.sql"))

_log = logging.getLogger(__name__)

Settle = Callable[[Sequence[tuple[str, str]]], Awaitable[None]]
"""Closes the rows of such reviews, by workflow and run ids."""


class OutsideWatch:
    """Looks every five seconds, in the background of a worker. One worker of all does.

    `audit` is the engine of the trail, whose lock keeps it apart from the reconciler, which settles
    the same reviews once a minute.
    """

    def __init__(
        self,
        client: Client,
        engine: AsyncEngine,
        audit: AsyncEngine,
        settle: Settle,
        *,
        tenant: str,
    ) -> None:
        self._client = client
        self._engine = engine
        self._audit = audit
        self._settle = settle
        self._tenant = tenant
        self._since = datetime.now(UTC) - _LOOK_BACK

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look inside."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> NoReturn:
        clock = asyncio.get_running_loop().time
        reported = -_REPORT_EVERY
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001  whatever it is, it is tried again
                if clock() - reported > _REPORT_EVERY:
                    reported = clock()
                    reason = clean(str(error)) or type(error).__name__
                    _log.info("what was done to reviews in Temporal is not known: %s", reason)

    async def look(self) -> None:
        """Bring what was ended and what is paused into the rows, unless another worker does.

        UnreachableError, RPCError or TimeoutError when a database or Temporal is down.
        """
        began = datetime.now(UTC)
        async with reachable(), alone(self._audit, RECONCILING) as held:
            if held is None:
                return
            ended = await self._listed(
                "(ExecutionStatus = 'Terminated' or ExecutionStatus = 'TimedOut')"
                f" and CloseTime >= '{rfc3339(self._since)}'"
            )
            if ended:
                await self._settle([(one.id, one.run_id) for one in ended])
            paused = await self._listed(f"{OPEN} and ExecutionStatus = 'Paused'")
            await self._mark_paused([one.id for one in paused if is_paused(one)])
        self._since = began - _OVERLAP

    async def _listed(self, wanted: str) -> list[WorkflowExecution]:
        ours = f"{ALL_REVIEWS} and Tenant = {quoted(self._tenant)}"
        listed = self._client.list_workflows(f"{ours} and {wanted}")
        async with asyncio.timeout(_CALL_SECONDS):
            return [one async for one in listed]

    async def _mark_paused(self, review_ids: list[str]) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(_MARK_PAUSED, {"tenant": self._tenant, "paused": review_ids})
