"""Tiny CRM: a complete backend for a small REST service, in one file. See docs/backends.md.

The service keeps records under our own names of fields, knows versions (`If-Match`) and makes a
record once per operation id. What a service does otherwise is translated where `_record` stands.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self

from pydantic import ValidationError

from account_reviews.crm.assembly import AccountRecords, assemble
from account_reviews.crm.http.client import Answer, ApiClient
from account_reviews.crm.http.factory import open_api_client
from account_reviews.crm.http.limits import Limits, key_of
from account_reviews.crm.http.tokens import StaticToken
from account_reviews.crm.protocol import AccountFilter, AccountPage, Capabilities, Wanted
from account_reviews.crm.record_writes import Write, plan_write, wire, wire_fields
from account_reviews.crm.registry import CrmContext
from account_reviews.domain.backends import Health
from account_reviews.domain.base import Scalar, Timestamp, first_fault
from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmError,
    CrmInvalidError,
    CrmOfAnotherTenantError,
    CrmRecordNotFoundError,
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
    Note,
    Owner,
    Record,
    RecordRef,
    RecordType,
    SnapshotLimits,
    Task,
)
from account_reviews.domain.review.steps import ApplyResult

MODELS: Final[dict[RecordType, type[Record]]] = {
    RecordType.ACCOUNT: Account, RecordType.CONTACT: Contact, RecordType.DEAL: Deal,
    RecordType.ACTIVITY: Activity, RecordType.NOTE: Note, RecordType.TASK: Task,
}  # fmt: skip
CAPABILITIES: Final = Capabilities(name="tiny", optimistic_lock=True, create_once=True)
_CHANGED, _GONE, _REFUSED = 412, 404, 422


def open_tiny(context: CrmContext) -> "TinyCrm":
    """The CRM of `tiny://host`; the entry point names this function."""
    token = StaticToken(None, f"http://{context.url.partition('://')[2]}")
    limits = Limits(key_of("tiny", context.url), concurrency=5)
    api = open_api_client(context, service="tiny", tokens=token, limits=limits)
    return TinyCrm(api, context.settings.tenant)


class TinyCrm:
    """`CrmBackend` over the service."""

    def __init__(self, api: ApiClient, tenant: str) -> None:
        self._api = api
        self._tenant = tenant

    def of(self, tenant: str | None) -> Self:
        if tenant not in (None, self._tenant):
            raise CrmOfAnotherTenantError(f"the CRM belongs to {self._tenant!r}, not to {tenant!r}")
        return self

    async def capabilities(self) -> Capabilities:
        return CAPABILITIES

    async def health(self) -> Health:
        try:
            await self._api.send("GET", "/owners")
        except CrmError as error:
            return Health(ok=False, detail=error.message, hint=error.hint)
        return Health(ok=True, detail="Tiny CRM answers")

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        owners = {one.name: one.id for one in (await self._owners()).values()}
        answer = await self._api.send("GET", "/accounts", params={"after": cursor or ""})
        left = [Account.model_validate(one) for one in answer.body]
        fit = [one for one in left if _fits(one, where, owners)]
        page = tuple(fit[:limit])
        return AccountPage(items=page, next_cursor=page[-1].id if len(fit) > limit else None)

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        owners = await self._owners()
        return owner in owners or (by_name and any(owner == one.name for one in owners.values()))

    async def find_owner(self, owner: str) -> Owner | None:
        owners = await self._owners()
        named = [one for one in owners.values() if one.name == owner]
        return owners.get(owner) or (named[0] if len(named) == 1 else None)

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        answer = await self._api.send("GET", f"/accounts/{account_id}/everything")
        if answer.status == _GONE:
            raise AccountNotFoundError(f"the CRM has no account {account_id!r}")
        held: dict[RecordType, list[Any]] = {
            kind: [_record(kind, one) for one in answer.body.get(kind.value, ())] for kind in MODELS
        }
        records = AccountRecords(
            account=held[RecordType.ACCOUNT][0],
            contacts=held[RecordType.CONTACT],
            deals=held[RecordType.DEAL],
            activities=held[RecordType.ACTIVITY],
            notes=held[RecordType.NOTE],
            tasks=held[RecordType.TASK],
            modules=frozenset(RecordType),
            owners=await self._owners(),
        )
        fetched = answer.date or datetime.now(UTC)
        return assemble(records, as_of=as_of, limits=limits, fetched_at=fetched, source="tiny")

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        """One at a time, as `bulk_reads` says."""
        found = {}
        for one in account_ids:
            try:
                found[one] = await self.snapshot(one, as_of=as_of, limits=limits)
            except (AccountNotFoundError, CrmUnreadableError):
                continue
        return found

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        write = plan_write(change)
        if write.owner_id is not None and not await self.has_owner(write.owner_id):
            raise CrmInvalidError(f"the CRM has no owner {write.owner_id!r}", field="owner_id")
        if write.id is None:
            path = f"/accounts/{write.account_id}/{write.type.value}/{operation_id}"
            answer = await self._api.send("PUT", path, json=wire_fields(write.values))
            if answer.status == _GONE:
                raise CrmRecordNotFoundError(f"the CRM has no account {write.account_id!r}")
            return _applied(write, answer)
        before = await self._get(write.type, write.id)
        if expected_version is not None and before.version != expected_version:
            return _conflict(write, before)
        path = f"/{write.type.value}/{write.id}"
        headers = {"If-Match": before.version}
        answer = await self._api.send(
            "PATCH", path, json=wire_fields(write.values), headers=headers
        )
        if answer.status == _CHANGED:
            return _conflict(write, await self._get(write.type, write.id))
        return _applied(write, answer, before=_fields(before, write))

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        found = {}
        for one in operations:
            write = plan_write(one.change)
            if write.id is None:
                answer = await self._api.send("GET", f"/operations/{one.operation_id}")
                if answer.status != _GONE:
                    found[one.operation_id] = _applied(write, answer)
                continue
            now = await self._get(write.type, write.id)
            if now.version != one.expected_version and _fields(now, write) == one.change.after:
                found[one.operation_id] = _result("applied", write, now, before=one.change.before)
        return found

    async def read_back(self, wanted: tuple[Wanted, ...]) -> tuple[dict[str, Scalar] | None, ...]:
        return tuple([await self._shown(one) for one in wanted])

    async def _shown(self, wanted: Wanted) -> dict[str, Scalar] | None:
        for name in wanted.fields:
            if name not in MODELS[wanted.record.type].model_fields:
                raise CrmInvalidError(f"{wanted.record.type} has no field {name!r}", field=name)
        try:
            found = await self._get(wanted.record.type, wanted.record.id or "")
        except CrmRecordNotFoundError:
            return None
        return {name: wire(getattr(found, name)) for name in wanted.fields}

    async def _get(self, kind: RecordType, record_id: str) -> Record:
        answer = await self._api.send("GET", f"/{kind.value}/{record_id}")
        if answer.status == _GONE:
            raise CrmRecordNotFoundError(f"the CRM has no {kind} {record_id!r}")
        return _record(kind, answer.body)

    async def _owners(self) -> dict[str, Owner]:
        answer = await self._api.send("GET", "/owners")
        return {one["id"]: Owner.model_validate(one) for one in answer.body}


def _record(kind: RecordType, document: Any) -> Record:
    """One record of the service as ours. CrmUnreadableError names the field."""
    try:
        return MODELS[kind].model_validate(document)
    except ValidationError as error:
        raise CrmUnreadableError(f"a {kind} cannot be read: {first_fault(error)}") from error


def _fits(account: Account, where: AccountFilter, owners: dict[str, str]) -> bool:
    owner = where.owner and owners.get(where.owner, where.owner)
    return (
        (where.account_ids is None or account.id in where.account_ids)
        and (owner is None or account.owner_id == owner)
        and where.segment in (None, account.segment)
        and (not where.statuses or account.status in (None, *where.statuses))
    )


def _applied(write: Write, answer: Answer, before: dict[str, Scalar] | None = None) -> ApplyResult:
    if answer.status == _REFUSED:
        raise CrmInvalidError(answer.body["message"], field=answer.body["field"])
    return _result("applied", write, _record(write.type, answer.body), before=before or {})


def _conflict(write: Write, now: Record) -> ApplyResult:
    return _result("conflict", write, now, before={})


def _result(status: Any, write: Write, now: Record, *, before: dict[str, Scalar]) -> ApplyResult:
    name = (
        getattr(now, "name", None) or getattr(now, "subject", None) or getattr(now, "title", None)
    )
    reference = RecordRef(type=write.type, id=now.id, name=name, version=now.version)
    current = _fields(now, write)
    return ApplyResult(status=status, record=reference, before=before, current=current)


def _fields(record: Record, write: Write) -> dict[str, Scalar]:
    return {name: wire(getattr(record, name)) for name in write.values}
