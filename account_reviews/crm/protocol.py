"""The one door to any CRM. A few calls, nothing more.

What holds for every call of a backend:

- **Errors** are the `Crm*Error` classes of `domain.errors`, and which one decides whether Temporal
  tries again. CrmUnavailableError: no connection, a time-out, a 5xx, an answer that is cut short or
  is a page of HTML. CrmRateLimitedError: asked to slow down, `retry_after` in seconds where the CRM
  says it. CrmAuthError: the credentials are refused. CrmPermissionError: they may not do this; the
  message names the right or scope that is missing. CrmInvalidError: a value is refused, with the
  `field` as this product calls it. CrmRecordNotFoundError, AccountNotFoundError: there is no such
  record. CrmUnreadableError: an answer or a record makes no sense. A message is one sentence
  without a secret and without the values of a record.
- **No retries, no sleeping, a time-out for everything.** A backend renews a token that has expired;
  else the first error is what it raises. Trying again is Temporal's.
- **Ids** are those of the CRM, as text, never empty, and stay when a record changes.
- **Versions** are text, compared for equality only. A record's version differs after any change of
  it. Where the CRM's mark is coarser than its changes (a time in whole seconds), a version counts
  only when nothing can have come after it under the same mark.
- **Times** are aware datetimes, money is Decimal, and what the CRM does not say is None: never
  zero, never an empty text.
- **Cancelling** a read is free. A write that is cancelled is one whose outcome is unknown.
"""

from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

from account_reviews.domain.backends import Health
from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.operations import Operation
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
    """What `cursor` continues with; None: this was the last page."""


class Capabilities(Model):
    """What a CRM can do; the review's shape follows from it. Asking costs no call of the CRM."""

    name: str
    """As people know it and as it stands in the trail, for example `sql`."""
    optimistic_lock: bool = False
    """The CRM itself refuses a write to a record that has another version. Without it the backend
    reads, compares and writes; somebody may come in between, which approvals and trail say."""
    transactional_ledger: bool = False
    """The write and its operation id are one transaction: `apply` may be repeated without asking
    `find_operations` first, and answers `already_applied`."""
    create_once: bool = False
    """A create carries the operation id in a field that is unique in the CRM: a second one with the
    same id is refused by the CRM or gives the same record."""
    bulk_reads: int = 1
    """Accounts that one `snapshots` can take; 1: each is read by itself."""
    local: bool = False
    """Reads come from our own PostgreSQL and end within 200 ms."""
    history: bool = False
    """Snapshots hold the stages a deal was in and whoever had an account before, as the CRM knows
    them. Without it both come from the last stored snapshot, else are unknown."""
    incremental: bool = False
    """`changed_since` leaves out what did not change; without it everything is listed."""
    webhooks: bool = False
    """The CRM can tell us of changes."""


class Wanted(Model):
    """Fields of one record to read back."""

    record: RecordRef
    fields: tuple[str, ...]


class AccountSource(Protocol):
    """What a start asks of a CRM. Errors are the `Crm*Error` classes of `domain.errors`."""

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        """A page of up to `limit` accounts (1 to 1000) that fit, each account on one page only.

        The order is that of the ids, or one that the CRM keeps while pages are read: what is
        changed meanwhile may be missing or stand as it was, and nothing comes twice. Deleted
        accounts are left out; of merged ones the one that remains is listed. A cursor is text of
        this backend; one that it does not know is a BadInputError.
        """
        ...

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        """Whether there is an owner of that id, to whom a record can be given.

        With `by_name` also whether somebody has exactly that name.
        """
        ...

    async def capabilities(self) -> Capabilities: ...


@runtime_checkable
class NamesSource(Protocol):
    """A CRM that tells all names at once; of any other what is called so is looked for in pages."""

    async def account_names(self) -> dict[str, str]:
        """The name of every account, by id."""
        ...

    async def owner_names(self) -> dict[str, str]:
        """The name of every owner, by id."""
        ...


class CrmBackend(AccountSource, Protocol):
    """A CRM. What holds for every call stands at the top of this module."""

    def of(self, tenant: str | None) -> Self:
        """The same CRM, asked for that tenant; None asks for nobody in particular.

        Calls raise CrmOfAnotherTenantError when it belongs to another one.
        """
        ...

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        """Everything of one account up to `as_of`, as the CRM has it when it is read.

        It is put together by `crm.assembly.assemble`: hand it all that was read, the newest
        first where not everything is. `as_of` is the clock of the review: what was created or
        happened after it is left out; values that were overwritten since are not brought back, and
        tasks are shown whenever they were made. Nothing older than `limits.lookback_days` before
        `as_of` is needed. `modules` names the lists that the CRM holds: a list that could not be
        read is not among them, and then unknown instead of empty.

        Of the account: its owner with email and whether active, the owner's managers, and with
        `history` who had it before, if that changed within the look-back window. Of deals with
        `history` the stages they were in, the oldest first, each with its time. A record that
        cannot be read is CrmUnreadableError naming it; a field whose value makes no sense is None.

        AccountNotFoundError: there is none, also when it was deleted. One that was merged into
        another is read under the id of that one, where the CRM says which it is.
        """
        ...

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        """The snapshots of up to `bulk_reads` accounts, by id, in as few calls as the CRM takes.

        An account that the CRM lacks or that cannot be read is left out; `snapshot` says why. An
        outage is raised, and gives none.
        """
        ...

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        """Write exactly the fields of `change.after`, if the record is at `expected_version`.

        `applied`: with the record's id and its version after the write, `before` and `current`
        of the written fields by our names, and the time of the write by the CRM's clock.
        `conflict`: the record has another version, or `before` shows something else than stands
        there; nothing was written. With `expected_version` None nothing is compared. A value that
        stands there already is `applied`. `already_applied`: an earlier call with this operation
        id did it, where the CRM knows that by itself.

        What is said of the outcome must be true. CrmAuthError, CrmPermissionError,
        CrmInvalidError, CrmRecordNotFoundError and CrmRateLimitedError say that **nothing was
        written**. Every other error, CrmUnavailableError and CrmUnreadableError among them, says
        that the outcome is **unknown**: so after a request was sent that may write, a lost
        answer, a 5xx, and an answer that has no result for the record are such errors, also when
        a later request of the same call is refused. The caller then asks `find_operations` before
        it calls again.

        Creates put `operation_id` where it can be found again, into a unique field where the CRM
        has one (`create_once`). A write of several records checks the result of each.
        """
        ...

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        """What was written under these operations, by operation id, whoever heard of it.

        One that is left out wrote nothing **and never will**: the caller writes it next. While
        that cannot be told, since a try from `tried_at` on may still commit, or what was looked at
        lags behind, CrmOutcomeUnknownError with `retry_after`, in seconds. One that cannot be told
        is enough for the error.

        A create is looked up by its unique field or among the records of its parent, never by a
        search whose index lags. A change is known by reading the record: the fields of
        `change.after` stand there and the version is no longer `expected_version`. The result is
        as of `apply`, `applied` with the time of the write as far as the CRM tells it; `before` is
        that of the change.
        """
        ...

    async def read_back(self, wanted: tuple[Wanted, ...]) -> tuple[dict[str, Scalar] | None, ...]:
        """Fields of several records as they stand now, in order; None for one that is gone.

        By our names and as they travel (see `record_writes.wire`). As few calls as the CRM takes,
        however many records. CrmInvalidError: no such field.
        """
        ...

    async def find_owner(self, owner: str) -> Owner | None:
        """The owner of that id, else the only one of exactly that name. None for nobody, or for
        several of that name."""
        ...

    async def health(self) -> Health:
        """Whether it answers and takes our credentials, in a sentence; never raises an outage."""
        ...


class Belonging(Model):
    """Whose a record is, and at which version it stands. `account_id` None: of no account."""

    account_id: str | None
    version: str | None = None


@runtime_checkable
class MapsRecords(Protocol):
    """Optional: a CRM whose events name records, of which we ask whose they are.

    Without it only events of accounts, and those that name their account, can be followed.
    """

    async def accounts_of(self, records: Sequence[RecordRef]) -> tuple[Belonging | None, ...]:
        """Whose each of up to 100 records is, in order; None for one that is gone.

        An account is its own, with its version: of one that was merged into another the id of that
        one. `version` is that of the record itself, spelled as `ApplyResult.record.version` spells
        it: so an event is known for the echo of a write of ours. As few calls as the CRM takes. An
        outage is raised.
        """
        ...


class ChangedPage(Model):
    """Records that changed, each with its version."""

    items: tuple[RecordRef, ...]
    next_cursor: str | None = None


@runtime_checkable
class ListsChanges(Protocol):
    """Optional: a CRM that says which records changed, and not only of which accounts.

    Without it `AccountFilter.changed_since` is asked for, where `incremental` says that it helps.
    """

    async def changed_records(self, *, since: Timestamp, cursor: str | None = None) -> ChangedPage:
        """Records of every kind that is reviewed which were made or changed at `since` or later,
        by the CRM's clock, with their versions as `MapsRecords` spells them; in any order, page by
        page. A record may come twice. Deleted ones are left out.
        """
        ...


class Channel(Model):
    """One subscription at a CRM that ends by itself unless it is renewed."""

    name: str
    expires_at: Timestamp
    renewed: bool = True
    """False: it had time left, and was left alone."""


@runtime_checkable
class RenewsChannels(Protocol):
    """Optional: a CRM that tells of changes only for as long as a channel was asked for."""

    async def renew_channels(
        self, *, notify_url: str, token: str | None, before: Timestamp
    ) -> tuple[Channel, ...]:
        """Make the channels that are missing or end before `before` last as long as the CRM allows.

        `notify_url` is where it tells us, `token` what it puts into each notice. Gives all
        channels. Repeating it changes nothing. Errors of `domain.errors`.
        """
        ...
