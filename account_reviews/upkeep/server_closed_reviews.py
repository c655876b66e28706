"""Reviews that ended without any worker: terminated, or timed out in Temporal.

Nobody ran their closing steps, so their rows are left open, and no hook has heard of the end.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.audit.outages import is_away
from account_reviews.crm.writer import CrmWriter
from account_reviews.domain.errors import CrmError
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.database import reachable
from account_reviews.store.reviews import ReviewStore, Seen
from account_reviews.telemetry import instruments
from account_reviews.temporal.executions import describe, first_run_of, was_reset
from account_reviews.upkeep.rebuild import rebuild, settle

MOST_SECONDS: Final = 20.0
"""For one call of `settle`; what it did not come to is left to the next."""
_REMEMBERED: Final = 10_000
_ROW: Final = text(
    "select closed_at is not null as closed, state from reviews.review_runs where run_id = :run_id"
)

_log = logging.getLogger(__name__)


class EndedOutside:
    """Closes the rows of such reviews. `notify` is called with each one's workflow and run id.

    The open row is what says that nobody has been here: of several workers that settle one after
    another, one notifies. `engine` is that of `store`; `writer` says which approved writes stand.
    """

    def __init__(
        self,
        client: Client,
        engine: AsyncEngine,
        store: ReviewStore,
        notify: Callable[[str, str], None],
        writer: CrmWriter | None = None,
    ) -> None:
        self._client = client
        self._engine = engine
        self._store = store
        self._notify = notify
        self._writer = writer
        self._left: dict[str, str] = {}
        self._done: OrderedDict[str, None] = OrderedDict()

    async def settle(self, found: Iterable[tuple[str, str]]) -> None:
        """Settle these (workflow and run ids), and what is left. One worker at a time.

        UnreachableError or RPCError when a database or Temporal is down: they are left then, and so
        is one whose CRM is down. One that cannot be settled is logged, and holds up no other.
        """
        for workflow_id, run_id in found:
            if run_id not in self._done:
                self._left[run_id] = workflow_id
        deadline = monotonic() + MOST_SECONDS
        for run_id, workflow_id in list(self._left.items()):
            if monotonic() >= deadline:
                return
            try:
                if await self._close(workflow_id, run_id):
                    self._notify(workflow_id, run_id)
            except Exception as error:
                if is_away(error):
                    raise
                if isinstance(error, CrmError) and error.retryable:
                    self._left[run_id] = self._left.pop(run_id)  # the last of the next pass
                    continue
                # It would come first again in every pass.
                instruments.audit_failed("reconcile", type(error).__name__)
                _log.exception("the rows of %s, run %s, cannot be closed", workflow_id, run_id)
            del self._left[run_id]
            self._done[run_id] = None
            if len(self._done) > _REMEMBERED:
                self._done.popitem(last=False)

    async def _close(self, workflow_id: str, run_id: str) -> bool:
        """True when its row was open, or not there, and is closed now."""
        ended = await describe(self._client, workflow_id, run_id)
        if ended is None or was_reset(ended):  # a reset terminates a run and goes on in another
            return False
        first = first_run_of(ended)
        row = await self._row(first)
        if row is not None and row.closed:
            return False
        report = await rebuild(
            self._client, self._store, only=f"RunId = '{run_id}'", writer=self._writer
        )
        if report.rebuilt:
            return True
        if row is None:
            return False
        # A review that cannot say how it stood, as one whose tasks failed: it was saved before.
        seen, state = await self._store.seen(first), ReviewState.model_validate(row.state)
        if seen != Seen(state.version, state.workflow_run_id):
            return False
        await settle(state, ended, self._writer)
        return await self._store.replace(state, seen=seen)

    async def _row(self, run_id: str) -> Any:
        async with reachable(), self._engine.connect() as connection:
            return (await connection.execute(_ROW, {"run_id": run_id})).one_or_none()
