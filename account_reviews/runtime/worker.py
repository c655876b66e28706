"""Everything a worker process has around its worker: telemetry, parts, Temporal, trail, hooks."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.worker import Interceptor, WorkflowRunner

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.hooks.loading import load
from account_reviews.runtime.audit_trail import audited
from account_reviews.runtime.telemetry import telemetry
from account_reviews.temporal.client import connect
from account_reviews.temporal.sandbox import sandboxed_runner


@dataclass(frozen=True)
class WorkerParts:
    """What a worker is built from."""

    parts: Parts
    client: Client
    interceptors: Sequence[Interceptor]
    runner: WorkflowRunner
    told: str
    """What the process says when it is ready, beyond that; may be empty."""


@asynccontextmanager
async def open_worker_parts(
    settings: Settings, sandbox: WorkflowRunner | None = None
) -> AsyncIterator[WorkerParts]:
    """Open all of it and close it in order; at the end the trail is given two seconds.

    Workflows run in `sandbox`, or in ours. BadInputError for settings that cannot be used,
    UnreachableError.
    """
    hooks = load(settings.hooks)
    async with (
        telemetry(settings) as told,
        open_parts(settings, application="reviews-worker") as parts,
    ):
        client = await connect(
            settings, runtime=told.runtime, tracing=told.tracing, asking=parts.audit.asking
        )
        async with told.watching(parts, client), audited(parts, client, hooks) as audit:
            yield WorkerParts(
                parts=parts,
                client=client,
                interceptors=[*told.interceptors, *audit.interceptors],
                runner=audit.runner(sandbox or sandboxed_runner()),
                told=told.ready(),
            )
