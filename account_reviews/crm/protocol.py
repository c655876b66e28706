"""The one door to any CRM. A few calls, nothing more."""

from collections.abc import Sequence
from typing import Protocol, Self

from account_reviews.domain.backends import Health
from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    AccountStatus,
    Owner,
    RecordRef,
    SnapshotLimits,
)
from account_reviews.domain.review.steps import ApplyResult


class AccountFilter(Model):
    """Which accounts to list; an empty filter takes all."""

    owner: str | None = None
    """Owner id or exact owner name."""
    account_ids: tuple[str, ...] | None = None
    segment: str | None = None
    statuses: tuple[AccountStatus, ...] = ()
    """Empty: every status. An account without a status is always taken: unknown is not fine."""
    changed_since: Timestamp | None = None
    """Takes what changed, or what the CRM cannot date. The account or any record of it counts."""


class AccountPage(Model):
    items: tuple[Account, ...]
    next_cursor: str | None = None


class Capabilities(Model):
    """What a CRM can do; the review's shape follows from it."""

    name: str
    optimistic_lock: bool = False
    transactional_ledger: bool = False
    """The write and its operation id are one transaction."""
    bulk_reads: int = 1
    """Accounts that one read can take."""
    local: bool = False
    """Reads come from our own PostgreSQL and end within 200 ms."""


class Wanted(Model):
    """Fields of one record to read back."""

    record: RecordRef
    fields: tuple[str, ...]


class AccountSource(Protocol):
    """What a start asks of a CRM. Errors are the `Crm*Error` classes of `domain.errors`."""

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        """Accounts ordered by id."""
        ...

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        """Whether there is an owner of that id, to whom a record can be given.

        With `by_name` also whether somebody has exactly that name.
        """
        ...

    async def capabilities(self) -> Capabilities: ...


class CrmBackend(AccountSource, Protocol):
    """A CRM. Errors are the `Crm*Error` classes of `domain.errors`; implementations never retry."""

    def of(self, tenant: str | None) -> Self:
        """The same CRM, asked for that tenant; None asks for nobody in particular.

        Calls raise CrmOfAnotherTenantError when it belongs to another one.
        """
        ...

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        """Everything of one account up to `as_of`, read consistently.

        AccountNotFoundError, CrmUnreadableError.
        """
        ...

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        """The snapshots of up to `bulk_reads` accounts, by id, in one read.

        An account that the CRM lacks or that cannot be read is left out; `snapshot` says why.
        """
        ...

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        """Write `change.after`, once per operation id, if the record is at `expected_version`."""
        ...

    async def find_operations(self, operation_ids: Sequence[str]) -> dict[str, ApplyResult]:
        """What `apply` has written under these operation ids; one that is under way is waited for.

        An id that is left out wrote nothing.
        """
        ...

    async def read_back(self, wanted: tuple[Wanted, ...]) -> tuple[dict[str, Scalar] | None, ...]:
        """Fields of several records as they stand now, in order; None for one that is gone.

        One read of the CRM, however many records.
        """
        ...

    async def find_owner(self, owner: str) -> Owner | None:
        """The owner of that id, else the only one of exactly that name. None for nobody, or for
        several of that name."""
        ...

    async def health(self) -> Health: ...
