"""What a process needs to record something in the trail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.capture.actors import local_actor
from account_reviews.audit.capture.client_interceptor import AskingInterceptor
from account_reviews.audit.capture.log import AuditLog
from account_reviews.domain.audit.redaction import Rules


@dataclass(frozen=True)
class AuditParts:
    """The audit database and the ways into it.

    `engine` is the main one unless the trail has a database of its own. `asking` is for every
    client of this process.
    """

    engine: AsyncEngine
    log: AuditLog
    rules: Rules
    asking: AskingInterceptor


@asynccontextmanager
async def open_audit(
    engine: AsyncEngine, main: AsyncEngine, *, rules: Rules, tenant: str
) -> AsyncIterator[AuditParts]:
    """The parts; at the end what was recorded is stored, within a second. The engines stay open."""
    async with AuditLog(engine, main) as log:
        asking = AskingInterceptor(log, rules, tenant=tenant, actor=local_actor())
        yield AuditParts(engine=engine, log=log, rules=rules, asking=asking)
