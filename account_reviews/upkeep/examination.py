"""What an examination is: its checks, what they look at, and what they find."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.config.settings import Settings
from account_reviews.domain.backends import Health
from account_reviews.domain.base import Model


class Check(Model):
    """One check. `hint` says what to do; it is None when all is well."""

    name: str
    ok: bool
    detail: str
    hint: str | None = None


class Report(Model):
    """All checks; `ok` when none failed."""

    ok: bool
    checks: tuple[Check, ...]


class NeedError(Exception):
    """Something reviews need is not as it should be."""

    def __init__(self, detail: str, hint: str | None) -> None:
        self.hint = hint
        super().__init__(detail)


@dataclass
class Patient:
    """What the checks look at. A part stays None when it cannot be reached."""

    settings: Settings
    client: Client | None = None
    engine: AsyncEngine | None = None
    lost: dict[str, str] = field(default_factory=dict)

    def temporal(self) -> Client:
        """The client, or why there is none."""
        if self.client is None:
            raise NeedError("not checked, since Temporal does not answer", "see the check temporal")
        return self.client

    def database(self) -> AsyncEngine:
        """The engine, or why there is none."""
        if self.engine is None:
            raise NeedError(
                "not checked, since the database does not answer", "see the check database"
            )
        return self.engine


Examination = Callable[[Patient], Awaitable[str]]


def detail_of(health: Health) -> str:
    """What a backend says of itself. NeedError when it is not well."""
    if not health.ok:
        raise NeedError(health.detail, health.hint)
    return health.detail
