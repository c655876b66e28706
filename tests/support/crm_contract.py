"""What the contract suite of CRMs works with: one that is filled, asked in our ids."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from account_reviews.crm.protocol import AccountFilter, CrmBackend, Wanted
from account_reviews.domain.base import Scalar
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.records import (
    AccountSnapshot,
    Activity,
    ActivityType,
    Owner,
    Record,
    RecordRef,
    RecordType,
    SnapshotLimits,
    Task,
)
from tests.support.crm import change
from tests.support.crm_loading import AS_OF, ILSE, TOMAS, ago, sample
from tests.support.crm_worlds import CrmWorld

LIMITS: Final = SnapshotLimits()
NOT_THERE: Final = "9000000000000000999"
"""An id that is one wherever ids are numbers, and nobody's."""


def whole(account_id: str = "ac-1", **changes: Any) -> AccountSnapshot:
    """One account with two of everything, as any CRM can hold it."""
    ids: dict[str, Any] = {"version": "1", "account_id": account_id}
    values: dict[str, Any] = {
        "activities": (
            Activity(id=f"{account_id}-a1", type=ActivityType.CALL, at=ago(3), **ids),
            Activity(id=f"{account_id}-a2", type=ActivityType.MEETING, at=ago(100), **ids),
        ),
        "tasks": (
            Task(
                id=f"{account_id}-t1", subject="Call", created_at=ago(4), due_at=ago(-5),
                status="not started", **ids,
            ),
        ),
    }  # fmt: skip
    return sample(account_id, **{**values, **changes})


class Held:
    """A CRM and what was put into it."""

    def __init__(self, world: CrmWorld) -> None:
        self.world = world
        self._ids: Mapping[str, str] = {}

    async def filled(
        self, *snapshots: AccountSnapshot, owners: Iterable[Owner] = ()
    ) -> "CrmBackend":
        """The CRM with these accounts, and two owners."""
        everybody = {owner.id: owner for owner in (ILSE, TOMAS, *owners)}
        self._ids = await self.world.fill(snapshots, everybody.values())
        return self.crm

    @property
    def crm(self) -> CrmBackend:
        return self.world.backend

    def id(self, ours: str) -> str:
        """The CRM's id of a record that was filled in."""
        return self._ids.get(ours, ours)

    def ours(self, ids: Iterable[str]) -> list[str]:
        """The other way round."""
        back = {theirs: ours for ours, theirs in self._ids.items()}
        return [back.get(one, one) for one in ids]

    async def snapshot(
        self,
        account: str = "ac-1",
        *,
        as_of: datetime = AS_OF,
        limits: SnapshotLimits = LIMITS,
    ) -> AccountSnapshot:
        return await self.crm.snapshot(self.id(account), as_of=as_of, limits=limits)

    async def listed(self, **where: Any) -> list[str]:
        """Our ids of the accounts that fit."""
        page = await self.crm.list_accounts(AccountFilter(**where))
        assert page.next_cursor is None
        return self.ours(one.id for one in page.items)

    async def ref(self, kind: RecordType, ours: str) -> RecordRef:
        """A record with its version now."""
        return RecordRef(type=kind, id=self.id(ours), version=await self.version(kind, ours))

    async def version(self, kind: RecordType, ours: str) -> str:
        """As a snapshot shows it, with whatever has been written by now."""
        found = await self.snapshot(ours.rpartition("-")[0] if kind is not RecordType.ACCOUNT
                                    else ours, as_of=now())  # fmt: skip
        among: dict[RecordType, Iterable[Record]] = {
            RecordType.ACCOUNT: (found.account,),
            RecordType.DEAL: found.deals,
            RecordType.CONTACT: found.contacts,
        }
        return next(one.version for one in among[kind] if one.id == self.id(ours))

    def change(
        self,
        action: Action,
        after: dict[str, Scalar],
        record: RecordRef | None = None,
        account: str = "ac-1",
    ) -> ProposedChange:
        return change(action, after, record, account_id=self.id(account))

    async def shown(self, record: RecordRef, *fields: str) -> dict[str, Scalar] | None:
        """Fields as the CRM shows them now."""
        (found,) = await self.crm.read_back((Wanted(record=record, fields=fields),))
        return found


def now() -> datetime:
    """A clock after everything that was filled in, whatever day it is."""
    return max(AS_OF, datetime.now(UTC))


def operation(change: ProposedChange, version: str | None, operation_id: str) -> Operation:
    """That write as the ledger would have it, begun long enough ago."""
    return Operation(
        operation_id=operation_id, tenant="default", change=change, expected_version=version,
        begun_at=AS_OF, tried_at=AS_OF,
    )  # fmt: skip
