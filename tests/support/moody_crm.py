"""A CRM that refuses its next reads as a test says, and counts what it was asked."""

from collections.abc import Mapping, Sequence
from typing import Self

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.crm.protocol import Capabilities
from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import CrmError
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits
from account_reviews.domain.review.steps import ApplyResult


class MoodyCrm(InMemoryCrm):
    """`moods` are raised by the next reads, one each; None lets one through. When they are used
    up `always` is raised, if it is set. `asked`: the ids of each read."""

    moods: list[CrmError | None]
    always: CrmError | None = None
    asked: list[tuple[str, ...]]
    write_moods: list[CrmError]
    """Raised by the next writes, before anything is written."""
    capable: Capabilities | None = None
    """In place of what it says of itself."""

    @classmethod
    async def of_world(cls, crm: InMemoryCrm, *moods: CrmError | None) -> Self:
        """With the records of another one."""
        moody = cls(tenant=crm.tenant)
        moody.__dict__ |= crm.__dict__
        moody.moods, moody.asked, moody.write_moods = list(moods), [], []
        return moody

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        self.asked.append(tuple(account_ids))
        mood = self.moods.pop(0) if self.moods else self.always
        if mood is not None:
            raise mood
        return await super().snapshots(account_ids, as_of=as_of, limits=limits)

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        if self.write_moods:
            raise self.write_moods.pop(0)
        return await super().apply(
            change, expected_version=expected_version, operation_id=operation_id
        )

    async def capabilities(self) -> Capabilities:
        return self.capable or await super().capabilities()


class MergingCrm(MoodyCrm):
    """Reads the id of an account that went into another as that one, as HubSpot does."""

    merged: Mapping[str, str] = {}
    """id -> the one that remains."""

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        now = {one: self.merged.get(one, one) for one in account_ids}
        found = await super().snapshots([*now.values()], as_of=as_of, limits=limits)
        return {one: found[other] for one, other in now.items() if other in found}
