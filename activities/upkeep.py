"""Upkeep jobs as one activity. A new job is one line of JOBS."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from account_reviews.domain.errors import BadInputError
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.schedule.runs import JobReport, RunJob
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.upkeep import jobs
from account_reviews.upkeep.jobs import AuditTools, Tools

JOBS: Final[Mapping[str, Callable[[Tools], Awaitable[JobReport]]]] = {
    "retention": jobs.retention,
    "reconcile": jobs.reconcile,
    "extend_biweekly": jobs.extend_biweekly,
    "remove_done": jobs.remove_done,
    "digest": jobs.digest,
    "audit_partitions": jobs.audit_partitions,
    "audit_cleanup": jobs.audit_cleanup,
    "audit_reconcile": jobs.audit_reconcile,
}
"""Name in `schedules.toml` -> what it does."""


class UpkeepActivities:
    """Runs jobs with the client of the worker that runs them."""

    def __init__(
        self,
        engine: AsyncEngine,
        store: ReviewStore,
        policy: Policy,
        audit: AuditTools | None = None,
    ) -> None:
        self._audit = audit
        self._engine = engine
        self._store = store
        self._policy = policy

    @activity.defn(name="upkeep.run")
    async def run(self, call: RunJob) -> JobReport:
        """Run one job to its end. BadInputError for an unknown one."""
        job = JOBS.get(call.job)
        if job is None:
            raise BadInputError(f"there is no upkeep job {call.job!r}; jobs are {', '.join(JOBS)}")
        tools = Tools(
            client=activity.client(),
            engine=self._engine,
            store=self._store,
            runs=ScheduleRunStore(self._engine),
            policy=self._policy,
            tenant=call.tenant,
            now=datetime.now(UTC),
            audit=self._audit,
        )
        return await job(tools)
