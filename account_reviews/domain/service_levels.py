"""How much of its work the product does, from how its services stand. Pure.

| level | what goes on |
| --- | --- |
| full | everything |
| degraded | reviews, with stored snapshots or without history |
| minimal | nothing that can be relied on: what waits keeps waiting |
| maintenance | nothing is started or written, as somebody stopped it |
"""

from enum import StrEnum
from typing import Final, NamedTuple

from account_reviews.domain.base import Timestamp


class ServiceLevel(StrEnum):
    FULL = "full"
    DEGRADED = "degraded"
    MINIMAL = "minimal"
    MAINTENANCE = "maintenance"

    @property
    def works(self) -> bool:
        """Whether reviews come to their end."""
        return self in (ServiceLevel.FULL, ServiceLevel.DEGRADED)


class Service(NamedTuple):
    """One service as it stands. `hint` says what to do; None when all is well."""

    name: str
    ok: bool
    detail: str
    hint: str | None = None
    breaker: str | None = None
    """closed, open or half_open; None where there is none."""
    since: Timestamp | None = None
    """When the breaker came to that."""


CRM: Final = "crm"
MEMORY: Final = "memory"
MISSED: Final = (CRM, MEMORY)
"""Those that reviews do without, the CRM as long as a snapshot stands in for it."""


def level_of(
    services: tuple[Service, ...],
    *,
    halted: bool,
    snapshot_age_seconds: float | None,
    max_stale_seconds: float,
) -> ServiceLevel:
    """The worst that holds. A service that is not looked at is taken to be well.

    `snapshot_age_seconds`: of the newest stored snapshot, None when there is none. One that is
    older than `max_stale_seconds` stands in for no CRM.
    """
    if halted:
        return ServiceLevel.MAINTENANCE
    away = {one.name for one in services if not one.ok}
    if away - set(MISSED):
        return ServiceLevel.MINIMAL
    age = snapshot_age_seconds
    if CRM in away and (age is None or age > max_stale_seconds):
        return ServiceLevel.MINIMAL
    unsure = any(one.breaker not in (None, "closed") for one in services)
    return ServiceLevel.DEGRADED if away or unsure else ServiceLevel.FULL
