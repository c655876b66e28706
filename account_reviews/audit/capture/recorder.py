"""What a process needs to record something in the trail."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from account_reviews.audit.capture.actors import acting, local_actor
from account_reviews.audit.capture.log import AuditLog
from account_reviews.domain.audit.redaction import Rules
from account_reviews.store.statements import Statements

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from account_reviews.audit.capture.client_interceptor import AskingInterceptor


@dataclass
class AuditParts:
    """The audit database and the ways into it; the main database unless it has one of its own.

    `statements` reads the trail, `log` takes what is recorded.
    """

    statements: Statements
    open_engine: "Callable[[], AsyncEngine]"
    log: AuditLog
    rules: Rules
    tenant: str
    _actor: str = field(default_factory=local_actor)

    @property
    def actor(self) -> str:
        """Who asks: whose request is being answered, else whom the command names."""
        return acting.get() or self._actor

    @actor.setter
    def actor(self, name: str) -> None:
        self._actor = name

    @property
    def engine(self) -> "AsyncEngine":
        """For those who work on many rows of the trail."""
        return self.open_engine()

    @cached_property
    def asking(self) -> "AskingInterceptor":
        """For every client of this process."""
        from account_reviews.audit.capture.client_interceptor import AskingInterceptor

        asking = AskingInterceptor(self.log, self.rules, tenant=self.tenant, actor=local_actor())
        asking.actor = self._actor
        return asking


@asynccontextmanager
async def open_audit(
    trail: Statements,
    main: Statements,
    open_engine: "Callable[[], AsyncEngine]",
    *,
    rules: Rules,
    tenant: str,
) -> AsyncIterator[AuditParts]:
    """The parts; at the end what was recorded is stored, within a second.

    The connections stay open, for whoever opened them.
    """
    async with AuditLog(trail, main) as log:
        yield AuditParts(
            statements=trail, open_engine=open_engine, log=log, rules=rules, tenant=tenant
        )
