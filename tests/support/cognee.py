"""A memory in a fake Cognee, inside a test."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.fakes.cognee import FakeCognee, create_cognee
from account_reviews.fakes.cognee_store import CogneeStore
from account_reviews.fakes.faults import FaultPlan, FaultRule, Match
from account_reviews.fakes.framework import FakeApp, FakeOptions
from account_reviews.memory.cognee import CogneeMemory
from account_reviews.memory.cognee_client import CogneeClient, Credentials
from account_reviews.memory.protocol import Stray
from tests.support.fakes import FAKE_URL, client_of


@dataclass
class Cognee:
    """The fake, and memories that ask it."""

    engine: AsyncEngine
    app: FakeApp
    strays: list[Stray] = field(default_factory=list)

    @property
    def fake(self) -> FakeCognee:
        assert isinstance(self.app.service, FakeCognee)
        return self.app.service

    @property
    def store(self) -> CogneeStore:
        return self.fake.state

    def client(self, credentials: Credentials | None = None, **options: Any) -> CogneeClient:
        """One of its own, as each worker has one."""
        return CogneeClient(
            f"cognee+{FAKE_URL}",
            credentials or Credentials(api_key=self.fake.api_key),
            http=client_of(self.app),
            **{"polls": (0.005,), "run_seconds": 5.0, **options},
        )

    def memory(self, tenant: str = "default", **options: Any) -> CogneeMemory:
        client = self.client(**options)
        return CogneeMemory(self.engine, client, alarm=self.strays.append, tenant=tenant)

    def goes_wrong(self, *rules: FaultRule) -> None:
        """From now on, as these say; without any nothing does."""
        self.app.faults.set_plan(FaultPlan(rules=rules))

    def asked(self, path: str) -> int:
        """How often it was asked for that path."""
        return sum(1 for line in self.app.log.lines if line.path == path)


def fault(action: Any, path: str = "*", method: str | None = None, **more: Any) -> FaultRule:
    """A rule for requests to that path."""
    return FaultRule(match=Match(method=method, path=path), action=action, **more)


def cognee(engine: AsyncEngine, **extra: Any) -> Cognee:
    """A fake server whose runs take 10 ms."""
    return Cognee(engine, create_cognee(FakeOptions(extra={"run_ms": 10, **extra})))
