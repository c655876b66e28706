"""Writing to Zoho CRM: once, never blindly, and found again.

A change is read, compared and then written under the condition that nothing came after what was
read. A create carries the id of its operation, in a unique field or in the last line of a text.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping
from account_reviews.crm.field_values import mark_of, parse_moment, with_mark, written_values
from account_reviews.crm.http.client import Answer
from account_reviews.crm.record_writes import Write, plan_write
from account_reviews.crm.zoho.client import (
    ConflictSeenError,
    Written,
    ZohoApi,
    code_of,
    data_of,
    record_path,
)
from account_reviews.crm.zoho.fields import OrgFields
from account_reviews.crm.zoho.oauth import SERVICE
from account_reviews.crm.zoho.records import MODIFIED, Records, modified_at
from account_reviews.crm.zoho.users import Users
from account_reviews.domain.base import Scalar
from account_reviews.domain.errors import (
    CrmError,
    CrmInvalidError,
    CrmOutcomeUnknownError,
    CrmRecordNotFoundError,
    CrmUnavailableError,
    CrmUnreadableError,
)
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import Action, ProposedChange, same
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.steps import ApplyResult

RESOLUTION: Final = timedelta(seconds=1)
"""Of the times by which records are versioned."""
_NAMES: Final = ("name", "subject", "title")
_PARENTS: Final = frozenset({"What_Id", "Parent_Id", "Account_Name"})
_OWNER: Final = "owner_id"
_READS: Final = 4
"""Of a record that somebody is changing at this moment."""
_PAUSE: Final = 1.05


@dataclass(frozen=True)
class Clocks:
    """What waiting takes, so that tests need not wait.

    `late`: seconds after a try within which it may still be carried out: twice the time-out.
    """

    late: float = 60.0
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class ZohoWrites:
    """Makes writes and looks them up. Errors are those of `domain.errors`."""

    def __init__(
        self,
        api: ZohoApi,
        fields: OrgFields,
        mapping: FieldMapping,
        records: Records,
        users: Users,
        clocks: Clocks | None = None,
    ) -> None:
        self._api = api
        self._fields = fields
        self._mapping = mapping
        self._records = records
        self._users = users
        self._clocks = clocks or Clocks()
        (self._accounts,) = mapping.of(RecordType.ACCOUNT)

    async def apply(
        self, change: ProposedChange, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        """As `CrmBackend.apply`."""
        write = plan_write(change)
        module = self._module_of(write.type)
        values = written_values(module, write.values)
        with _nothing_sent():
            if write.owner_id is not None:
                await self._check_owner(write.owner_id)
            encoded = await self._fields.encode(module, values)
        if write.id is None:
            return await self._create(module, write, encoded, operation_id)
        return await self._update(
            module, write, encoded, change.before, expected_version, operation_id
        )

    async def find(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        """As `CrmBackend.find_operations`."""
        with _nothing_sent():
            found = await asyncio.gather(*(self._find(one) for one in operations))
        return {
            one.operation_id: result
            for one, result in zip(operations, found, strict=True)
            if result is not None
        }

    # What is created.

    async def _create(
        self, module: ModuleMapping, write: Write, encoded: dict[str, Any], operation_id: str
    ) -> ApplyResult:
        record = {name: value for name, value in encoded.items() if value is not None}
        record |= self._belonging(module, write.account_id)
        with _nothing_sent():
            unique = await self._fields.operation_field(module)
        if unique is not None:
            record[unique.found.name] = operation_id
        elif module.mark is not None:
            field = module.fields[module.mark].field or ""
            record[field] = with_mark(record.get(field), operation_id)
        else:
            raise CrmInvalidError(
                f"a {module.record} cannot be created: neither a unique field nor a mark would name"
                " its operation",
                field="operation_id",
                hint="see `operation_id` and `mark` in docs/field-mapping.md",
            )
        more = {} if module.record is RecordType.NOTE else self._trigger()
        try:
            done = await self._api.write(
                "POST", f"/{module.module}", record, operation_id=operation_id, more=more
            )
        except CrmInvalidError as error:
            if code_of(error) == "DUPLICATE_DATA" and unique is not None:
                earlier = await self._by_unique(module, unique.found.name, operation_id)
                if earlier is not None:
                    return self._made(module, earlier, write.values, "already_applied")
            raise self._ours(module, error, write) from None
        raw = {**record, **done.details, "id": done.id}
        return self._made(module, raw, write.values, "applied")

    def _belonging(self, module: ModuleMapping, account_id: str) -> dict[str, Any]:
        """What makes a record one of the account."""
        rule = module.fields.get("account_id")
        parent = (rule.field if rule else None) or "What_Id"
        if parent == "Parent_Id":
            where = {"api_name": self._accounts.module}
            return {parent: {"id": account_id, "module": where}}
        belongs: dict[str, Any] = {parent: {"id": account_id}}
        if parent == "What_Id":
            belongs["$se_module"] = self._accounts.module
        return belongs

    def _made(
        self, module: ModuleMapping, raw: Mapping[str, Any], names: Mapping[str, Any], status: Any
    ) -> ApplyResult:
        """The result of a create, from the record as it was sent or as it stands."""
        at = raw.get("Created_Time") or raw.get(MODIFIED)
        return ApplyResult(
            status=status,
            record=self._reference(module, raw),
            current=self._records.fields(module, raw, tuple(names)),
            applied_at=None if at is None else parse_moment(at),
        )

    # What is changed.

    async def _update(
        self,
        module: ModuleMapping,
        write: Write,
        encoded: dict[str, Any],
        shown: Mapping[str, Scalar],
        expected_version: str | None,
        operation_id: str,
    ) -> ApplyResult:
        assert write.id is not None
        with _nothing_sent():
            raw = await self._settled(module, write.id)
        self._check_belongs(module, raw, write)
        names = tuple(write.values)
        before = self._records.fields(module, raw, names)
        reference = self._reference(module, raw)
        stands = all(same(value, before[name]) for name, value in shown.items() if name in before)
        moved = expected_version is not None and (
            expected_version != reference.version or not stands
        )
        if moved:
            return ApplyResult(status="conflict", record=reference, current=before)
        after = {**raw, **encoded}
        current = self._records.fields(module, after, names)
        if current == before:
            at = parse_moment(raw.get(MODIFIED))
            return ApplyResult(
                status="applied", record=reference, before=before, current=before, applied_at=at
            )
        try:
            done = await self._api.write(
                "PUT",
                record_path(module.module, write.id),
                encoded,
                operation_id=operation_id,
                unmodified_since=None if expected_version is None else str(raw[MODIFIED]),
                more=self._trigger(),
            )
        except ConflictSeenError:
            return await self._conflict(module, write)
        except CrmRecordNotFoundError:
            raise self._gone(module, write.id) from None
        except CrmInvalidError as error:
            raise self._ours(module, error, write) from None
        written = await self._as_written(module, after, done)
        return ApplyResult(
            status="applied",
            record=self._reference(module, written),
            before=before,
            current=self._records.fields(module, written, names),
            applied_at=parse_moment(written.get(MODIFIED)),
        )

    async def _as_written(
        self, module: ModuleMapping, after: Mapping[str, Any], done: Written
    ) -> Mapping[str, Any]:
        """The record after the write: what was sent, with the time that the answer names."""
        if done.details.get(MODIFIED):
            return {**after, MODIFIED: done.details[MODIFIED]}
        try:
            _, raw = await self._read(module, done.id)
        except CrmError as error:
            raise CrmOutcomeUnknownError(
                f"{SERVICE} wrote, but not when: {error.message}"
            ) from None
        return raw

    async def _conflict(self, module: ModuleMapping, write: Write) -> ApplyResult:
        """What somebody else wrote between the reading and the write."""
        with _nothing_sent():
            _, raw = await self._read(module, write.id or "")
        current = self._records.fields(module, raw, tuple(write.values))
        return ApplyResult(status="conflict", record=self._reference(module, raw), current=current)

    async def _settled(self, module: ModuleMapping, record_id: str) -> dict[str, Any]:
        """The record, read when nothing can come any more under the time it was modified at."""
        first: tuple[str, float] | None = None
        for _ in range(_READS):
            answer, raw = await self._read(module, record_id)
            at = modified_at(raw)
            modified = parse_moment(at)
            if answer.date is not None and answer.date - modified >= RESOLUTION:
                return raw
            now = self._clocks.monotonic()
            if first is None or first[0] != at:
                first = (at, now)
            elif now - first[1] >= RESOLUTION.total_seconds():
                return raw
            await self._clocks.sleep(_PAUSE)
        raise CrmUnavailableError(
            f"the {module.record} {record_id} is being changed at this moment",
            retry_after=2.0,
            sent=False,
        )

    async def _read(self, module: ModuleMapping, record_id: str) -> tuple[Answer, dict[str, Any]]:
        """One record as it stands. CrmRecordNotFoundError."""
        fields = await self._fields.readable(module)
        if not record_id.isdecimal():
            raise self._gone(module, record_id)
        try:
            answer = await self._api.records(record_path(module.module, record_id), fields)
        except (CrmRecordNotFoundError, CrmInvalidError):
            raise self._gone(module, record_id) from None
        found = data_of(answer)
        if not found:
            raise self._gone(module, record_id)
        return answer, found[0]

    # What was written.

    async def _find(self, operation: Operation) -> ApplyResult | None:
        change = getattr(operation, "change", None)
        if change is None:
            raise CrmOutcomeUnknownError(
                f"nothing is known of the operation {operation.operation_id} but its id"
            )
        if change.action in (Action.CREATE_TASK, Action.ADD_NOTE):
            return await self._find_created(operation)
        return await self._find_changed(operation)

    async def _find_created(self, operation: Operation) -> ApplyResult | None:
        write = plan_write(operation.change)
        module = self._module_of(write.type)
        unique = await self._fields.operation_field(module)
        if unique is not None and unique.external:
            raw = await self._by_unique(module, unique.found.name, operation.operation_id)
            return None if raw is None else self._made(module, raw, write.values, "applied")
        raw = await self._among_those_of(module, write.account_id, operation.operation_id)
        if raw is not None:
            return self._made(module, raw, write.values, "applied")
        if unique is None:
            self._not_too_early(operation)
        return None

    async def _by_unique(
        self, module: ModuleMapping, field: str, operation_id: str
    ) -> dict[str, Any] | None:
        """The record whose unique field holds the id."""
        fields = await self._fields.readable(module)
        try:
            answer = await self._api.get(
                record_path(module.module, operation_id),
                {"fields": ",".join(fields[:50])},
                {"X-EXTERNAL": f"{module.module}.{field}"},
            )
        except CrmRecordNotFoundError:
            return None
        found = data_of(answer)
        return found[0] if found else None

    async def _among_those_of(
        self, module: ModuleMapping, account_id: str, operation_id: str
    ) -> dict[str, Any] | None:
        """The record among all of its kind that the account has, open and closed ones."""
        fields = await self._fields.readable(module)
        lists = [module.module]
        if module.record is RecordType.TASK:
            lists.append(f"{module.module}_History")
        for name in lists:
            path = record_path(self._accounts.module, account_id, name)
            try:
                async for page in self._api.pages(path, fields[:50]):
                    for raw in page:
                        if self._carries(module, raw, operation_id):
                            return raw
            except CrmRecordNotFoundError:
                return None
            except CrmInvalidError:
                if name == module.module:
                    raise
        return None

    def _carries(self, module: ModuleMapping, raw: Mapping[str, Any], operation_id: str) -> bool:
        if module.operation_id is not None and raw.get(module.operation_id) == operation_id:
            return True
        return self._records.read(module, raw).mark == mark_of(operation_id)

    async def _find_changed(self, operation: Operation) -> ApplyResult | None:
        write = plan_write(operation.change)
        module = self._module_of(write.type)
        try:
            _, raw = await self._read(module, write.id or "")
        except CrmRecordNotFoundError:
            return None
        names = tuple(write.values)
        current = self._records.fields(module, raw, names)
        encoded = await self._fields.encode(module, written_values(module, write.values))
        wanted = self._records.fields(module, {**raw, **encoded}, names)
        reference = self._reference(module, raw)
        unconditional = operation.expected_version is None and current != wanted
        if unconditional or reference.version == operation.expected_version:
            self._not_too_early(operation)
            return None
        if current != wanted:
            return None
        before = {name: operation.change.before.get(name) for name in names}
        return ApplyResult(
            status="applied",
            record=reference,
            before=before,
            current=current,
            applied_at=parse_moment(raw.get(MODIFIED)),
        )

    def _not_too_early(self, operation: Operation) -> None:
        """CrmOutcomeUnknownError while the last try may still be carried out."""
        passed = (self._clocks.now() - operation.tried_at).total_seconds()
        late = self._clocks.late
        if passed < late:
            left = min(late, late - passed)
            raise CrmOutcomeUnknownError(
                f"{SERVICE} does not show the write, which may still come", retry_after=left
            )

    # What both need.

    async def _check_owner(self, owner_id: str) -> None:
        owner = (await self._users.all(owner_id)).get(owner_id)
        if owner is None or not owner.active:
            raise CrmInvalidError(f"{SERVICE} has no active user {owner_id!r}", field=_OWNER)

    def _check_belongs(self, module: ModuleMapping, raw: Mapping[str, Any], write: Write) -> None:
        rule = module.fields.get("account_id")
        held = None if rule is None else raw.get(rule.field or "")
        holder = held.get("id") if isinstance(held, dict) else held
        if module.record is RecordType.ACCOUNT:
            holder = raw["id"]
        if str(holder) != write.account_id:
            raise CrmInvalidError(
                f"{write.type} {write.id!r} does not belong to account {write.account_id!r}",
                field="record",
            )

    def _module_of(self, record: RecordType) -> ModuleMapping:
        found = self._mapping.of(record)
        if not found:
            raise CrmInvalidError(f"the mapping has no module for a {record}", field="record")
        return found[0]

    def _trigger(self) -> dict[str, Any]:
        """Which automations of the org a write sets off: none, unless the mapping says so."""
        return {"trigger": self._mapping.options.get("trigger") or []}

    def _reference(self, module: ModuleMapping, raw: Mapping[str, Any]) -> RecordRef:
        values = self._records.read(module, raw).values
        return RecordRef(
            type=module.record,
            id=str(raw["id"]),
            name=next((str(values[one]) for one in _NAMES if values.get(one)), None),
            version=self._records.version(module, raw, values),
            url=self._records.url(module, str(raw["id"])),
        )

    def _ours(self, module: ModuleMapping, error: CrmInvalidError, write: Write) -> Exception:
        """The same refusal with our name of the field."""
        name = error.field.partition(".")[0]
        if write.id is None and name in _PARENTS:
            return self._gone(self._accounts, write.account_id)
        ours = next((one for one, rule in module.fields.items() if rule.field == name), name)
        return CrmInvalidError(error.message, field=ours, hint=error.hint)

    def _gone(self, module: ModuleMapping, record_id: str) -> CrmRecordNotFoundError:
        return CrmRecordNotFoundError(f"{SERVICE} has no {module.record} {record_id!r}")


@contextmanager
def _nothing_sent() -> Iterator[None]:
    """What fails inside has written nothing, and is tried again: an answer that makes no sense may
    make some the next time, and a write must not be given up for it."""
    try:
        yield
    except CrmUnavailableError as error:
        error.sent = False
        raise
    except CrmUnreadableError as error:
        raise CrmUnavailableError(error.message, sent=False, hint=error.hint) from None
