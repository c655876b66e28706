"""A CRM in memory, for tests of whatever works with a CRM. The same rules as the SQL one.

It can be made unreachable, lose an answer after writing, and let somebody else edit a record.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Self, TypeVar

from account_reviews.crm.assembly import AccountRecords, assemble
from account_reviews.crm.protocol import (
    AccountFilter,
    AccountPage,
    Belonging,
    Capabilities,
    Wanted,
)
from account_reviews.crm.record_writes import Write, created_id, plan_write, wire, wire_fields
from account_reviews.domain.backends import Health
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmError,
    CrmInvalidError,
    CrmOfAnotherTenantError,
    CrmRecordNotFoundError,
    CrmUnavailableError,
    CrmUnreadableError,
)
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    Activity,
    Contact,
    Deal,
    DealStage,
    Note,
    Owner,
    Record,
    RecordRef,
    RecordType,
    SnapshotLimits,
    StageChange,
    Task,
)
from account_reviews.domain.review.steps import ApplyResult

_R = TypeVar("_R", bound=Record)

MODELS: dict[RecordType, type[Record]] = {
    RecordType.OWNER: Owner,
    RecordType.ACCOUNT: Account,
    RecordType.CONTACT: Contact,
    RecordType.DEAL: Deal,
    RecordType.ACTIVITY: Activity,
    RecordType.NOTE: Note,
    RecordType.TASK: Task,
}
_CHILDREN = (
    RecordType.CONTACT,
    RecordType.DEAL,
    RecordType.ACTIVITY,
    RecordType.NOTE,
    RecordType.TASK,
)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class InMemoryCrm:
    """`CrmBackend` over some snapshots, which it takes apart into records.

    `available = False` makes every call raise CrmUnavailableError, `refusal` is raised by every
    call while it is set; `lose_answers(n)` writes the
    next n changes and raises it all the same. `reads` and `writes` count what was asked for,
    `operations` is the ledger. With a `tenant` it is of that one alone.
    """

    def __init__(
        self,
        snapshots: Iterable[AccountSnapshot] = (),
        *,
        owners: Iterable[Owner] = (),
        clock: Callable[[], datetime] = _utc_now,
        tenant: str | None = None,
    ) -> None:
        self.tenant = tenant
        self.available = True
        self.unreadable: set[str] = set()
        """Ids of accounts that cannot be read."""
        self.refusal: CrmError | None = None
        self.reads = 0
        self.writes = 0
        self.operations: dict[str, ApplyResult] = {}
        self._clock = clock
        self._answers_to_lose = 0
        self._records: dict[RecordType, dict[str, Record]] = {kind: {} for kind in MODELS}
        self._modules: set[RecordType] = set()
        self._owner_changes: dict[str, tuple[datetime, str | None]] = {}
        """account id -> when its owner changed last, and who it was before."""
        for owner in owners:
            self._keep(RecordType.OWNER, owner)
        for snapshot in snapshots:
            self._take_apart(snapshot)

    def of(self, tenant: str | None) -> Self:
        """The same one. CrmOfAnotherTenantError when it is of another tenant."""
        if None not in (self.tenant, tenant) and self.tenant != tenant:
            raise CrmOfAnotherTenantError(f"the CRM belongs to {self.tenant!r}, not to {tenant!r}")
        return self

    def lose_answers(self, count: int = 1) -> None:
        """Let the next writes happen without anybody hearing of it."""
        self._answers_to_lose = count

    def edit(self, kind: RecordType, record_id: str, **fields: object) -> Record:
        """Somebody else changes a record: a new version stands in the CRM."""
        record = self._record(kind, record_id)
        values = {**record.model_dump(), **fields, "version": str(int(record.version) + 1)}
        return self._keep(kind, MODELS[kind].model_validate(values))

    def find(self, kind: RecordType, record_id: str) -> Record | None:
        """A record as it stands."""
        return self._records[kind].get(record_id)

    def remove(self, kind: RecordType, record_id: str) -> None:
        """Somebody else deletes a record."""
        del self._records[kind][record_id]

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        """Accounts ordered by id; the cursor is the last id of the page before."""
        self._check_available()
        found = [
            account
            for account in sorted(self._all(Account, RecordType.ACCOUNT), key=lambda item: item.id)
            if self._fits(account, where) and (cursor is None or account.id > cursor)
        ]
        items = tuple(found[:limit])
        return AccountPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        """Whether there is an owner of that id, with `by_name` also of exactly that name."""
        self._check_available()
        everybody = self._all(Owner, RecordType.OWNER)
        return any(owner == one.id or (by_name and owner == one.name) for one in everybody)

    async def find_owner(self, owner: str) -> Owner | None:
        """The owner of that id, else the only one of exactly that name."""
        self._check_available()
        everybody = self._all(Owner, RecordType.OWNER)
        by_id = [one for one in everybody if one.id == owner]
        by_name = [one for one in everybody if one.name == owner]
        found = by_id or by_name
        return found[0] if len(found) == 1 else None

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        """Everything of one account up to `as_of`. AccountNotFoundError."""
        found = await self.snapshots((account_id,), as_of=as_of, limits=limits)
        if account_id in self.unreadable:
            raise CrmUnreadableError(f"the account {account_id!r} cannot be read")
        if account_id not in found:
            raise AccountNotFoundError(f"the CRM has no account {account_id!r}")
        return found[account_id]

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        """The snapshots of many accounts; one read."""
        self._check_available()
        self.reads += 1
        known = self._records[RecordType.ACCOUNT]
        found = [known[one] for one in account_ids if one in known]
        return {
            account.id: self._snapshot(account, as_of, limits)
            for account in found
            if isinstance(account, Account) and account.id not in self.unreadable
        }

    def _snapshot(
        self, account: Account, as_of: datetime, limits: SnapshotLimits
    ) -> AccountSnapshot:
        def mine(model: type[_R], kind: RecordType) -> list[_R]:
            return [
                record
                for record in self._all(model, kind)
                if getattr(record, "account_id", None) == account.id
            ]

        since = as_of - timedelta(days=limits.lookback_days)
        records = AccountRecords(
            account=account,
            modules=frozenset(self._modules),
            contacts=mine(Contact, RecordType.CONTACT),
            deals=mine(Deal, RecordType.DEAL),
            activities=mine(Activity, RecordType.ACTIVITY),
            notes=mine(Note, RecordType.NOTE),
            tasks=mine(Task, RecordType.TASK),
            owners={owner.id: owner for owner in self._all(Owner, RecordType.OWNER)},
            previous_owner=self._previous_owner(account, since),
        )
        return assemble(
            records, as_of=as_of, limits=limits, fetched_at=self._clock(), source="in_memory"
        )

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        """Write `change.after` once per operation id. CrmInvalidError, CrmRecordNotFoundError."""
        self._check_available()
        write = plan_write(change)
        earlier = self.operations.get(operation_id)
        if earlier is not None:
            return earlier.model_copy(update={"status": "already_applied"})
        if write.owner_id is not None and self._owner(write.owner_id) is None:
            raise CrmInvalidError(f"the CRM has no owner {write.owner_id!r}", field="owner_id")
        if write.id is None:
            result = self._create(write, operation_id)
        else:
            result = self._update(write, write.id, expected_version)
        if result.status == "applied":
            self.writes += 1
            self.operations[operation_id] = result
        if self._answers_to_lose > 0:
            self._answers_to_lose -= 1
            raise CrmUnavailableError("the CRM did not answer in time")
        return result

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        """What was written under these, whether or not its answer was lost."""
        self._check_available()
        asked = [one.operation_id for one in operations]
        return {one: self.operations[one] for one in asked if one in self.operations}

    async def read_back(self, wanted: tuple[Wanted, ...]) -> tuple[dict[str, Scalar] | None, ...]:
        """Fields as they stand now, in order; None for a record that is gone."""
        self._check_available()
        return tuple(self._shown(one.record, one.fields) for one in wanted)

    def _shown(self, record: RecordRef, fields: tuple[str, ...]) -> dict[str, Scalar] | None:
        for name in fields:
            if name not in MODELS[record.type].model_fields:
                raise CrmInvalidError(f"{record.type} has no field {name!r}", field=name)
        found = self._records[record.type].get(record.id or "")
        return None if found is None else {name: wire(getattr(found, name)) for name in fields}

    async def accounts_of(self, records: Sequence[RecordRef]) -> tuple[Belonging | None, ...]:
        """Whose each record is, in order; None for one that is gone."""
        self._check_available()
        return tuple(self._belonging(one) for one in records)

    def _belonging(self, record: RecordRef) -> Belonging | None:
        found = self._records[record.type].get(record.id or "")
        if found is None:
            return None
        account = found.id if isinstance(found, Account) else getattr(found, "account_id", None)
        return Belonging(account_id=account, version=found.version)

    async def capabilities(self) -> Capabilities:
        """What the SQL CRM can do."""
        return Capabilities(
            name="in_memory",
            optimistic_lock=True,
            transactional_ledger=True,
            create_once=True,
            bulk_reads=200,
            local=True,
            history=True,
            incremental=True,
        )

    async def health(self) -> Health:
        """Whether it is available."""
        if not self.available:
            return Health(ok=False, detail="the CRM cannot be reached")
        return Health(ok=True, detail=f"{len(self._records[RecordType.ACCOUNT])} accounts")

    def _create(self, write: Write, operation_id: str) -> ApplyResult:
        if write.account_id not in self._records[RecordType.ACCOUNT]:
            raise CrmRecordNotFoundError(f"the CRM has no account {write.account_id!r}")
        at = self._clock()
        values = {
            "id": created_id(write.type, operation_id),
            "version": "1",
            "account_id": write.account_id,
            "created_at": at,
            **write.values,
        }
        record = self._keep(write.type, MODELS[write.type].model_validate(values))
        return ApplyResult(
            status="applied",
            record=_reference(write.type, record),
            current=_fields(record, write),
            applied_at=at,
        )

    def _update(self, write: Write, record_id: str, expected_version: str | None) -> ApplyResult:
        record = self._record(write.type, record_id)
        if record_id != write.account_id and getattr(record, "account_id", "") != write.account_id:
            raise CrmInvalidError(
                f"{write.type} {record_id!r} does not belong to account {write.account_id!r}",
                field="record",
            )
        before = _fields(record, write)
        if expected_version is not None and expected_version != record.version:
            reference = _reference(write.type, record)
            return ApplyResult(status="conflict", record=reference, current=before)
        at = self._clock()
        if before != wire_fields(write.values):
            record = self.edit(write.type, record_id, **self._consequences(write, record, at))
        return ApplyResult(
            status="applied",
            record=_reference(write.type, record),
            before=before,
            current=_fields(record, write),
            applied_at=at,
        )

    def _consequences(self, write: Write, record: Record, at: datetime) -> dict[str, object]:
        """The values to write, and what follows from them: times and histories."""
        values = dict(write.values)
        if isinstance(record, Account | Deal):
            values["modified_at"] = at
        if isinstance(record, Deal) and "stage" in values:
            step = StageChange(stage=DealStage(str(values["stage"])), at=at)
            values |= {"stage_changed_at": at, "stage_history": (*record.stage_history, step)}
        if isinstance(record, Account) and "owner_id" in values:
            self._owner_changes[record.id] = (at, record.owner_id)
        return values

    def _take_apart(self, snapshot: AccountSnapshot) -> None:
        self._modules |= snapshot.modules
        self._keep(RecordType.ACCOUNT, snapshot.account)
        for owner in (snapshot.owner, snapshot.previous_owner):
            if owner is not None:
                self._keep(RecordType.OWNER, owner)
        if snapshot.previous_owner is not None:
            self._owner_changes[snapshot.account.id] = (snapshot.as_of, snapshot.previous_owner.id)
        lists: dict[RecordType, tuple[Record, ...]] = {
            RecordType.CONTACT: snapshot.contacts,
            RecordType.DEAL: snapshot.deals,
            RecordType.ACTIVITY: snapshot.activities,
            RecordType.NOTE: snapshot.notes,
            RecordType.TASK: snapshot.tasks,
        }
        for kind, records in lists.items():
            for record in records:
                self._keep(kind, record)

    def _check_available(self) -> None:
        if not self.available:
            raise CrmUnavailableError
        if self.refusal is not None:
            raise self.refusal

    def _keep(self, kind: RecordType, record: Record) -> Record:
        self._records[kind][record.id] = record
        return record

    def _record(self, kind: RecordType, record_id: str) -> Record:
        found = self._records[kind].get(record_id)
        if found is None:
            raise CrmRecordNotFoundError(f"the CRM has no {kind} {record_id!r}")
        return found

    def _all(self, model: type[_R], kind: RecordType) -> list[_R]:
        return [record for record in self._records[kind].values() if isinstance(record, model)]

    def _owner(self, owner_id: str | None) -> Owner | None:
        found = self._records[RecordType.OWNER].get(owner_id or "")
        return found if isinstance(found, Owner) else None

    def _previous_owner(self, account: Account, since: datetime) -> Owner | None:
        at, owner_id = self._owner_changes.get(account.id, (_LONG_AGO, None))
        return self._owner(owner_id) if at >= since else None

    def _fits(self, account: Account, where: AccountFilter) -> bool:
        if where.account_ids is not None and account.id not in where.account_ids:
            return False
        if where.segment is not None and account.segment != where.segment:
            return False
        if where.statuses and account.status is not None and account.status not in where.statuses:
            return False
        if where.changed_since is not None and not self._changed(account, where.changed_since):
            return False
        owner = self._owner(account.owner_id)
        names = (account.owner_id, owner.name if owner else None)
        return where.owner is None or where.owner in names

    def _changed(self, account: Account, since: datetime) -> bool:
        own = (account.modified_at, account.last_activity_at)
        names = ("at", "created_at", "modified_at", "stage_changed_at")
        of_it = (
            getattr(record, name, None)
            for kind in _CHILDREN
            for record in self._records[kind].values()
            if getattr(record, "account_id", None) == account.id
            for name in names
        )
        undated = own == (None, None)
        return undated or any(moment is not None and moment >= since for moment in (*own, *of_it))


def _fields(record: Record, write: Write) -> dict[str, Scalar]:
    return {name: wire(getattr(record, name)) for name in write.values}


def _reference(kind: RecordType, record: Record) -> RecordRef:
    names = (getattr(record, name, None) for name in ("name", "subject", "title"))
    return RecordRef(
        type=kind,
        id=record.id,
        name=next((name for name in names if name), None),
        version=record.version,
        url=record.url,
    )
