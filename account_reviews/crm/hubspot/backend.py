"""HubSpot as a CRM: companies are accounts. See docs/hubspot.md."""

import asyncio
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import timedelta
from functools import partial
from typing import Any, Final, Self

import httpx2

from account_reviews.crm.field_check import MappingProblem
from account_reviews.crm.field_mapping import FieldMapping, load_field_mapping
from account_reviews.crm.http.client import SECONDS
from account_reviews.crm.http.factory import open_api_client
from account_reviews.crm.http.limits import Limits, Window, key_of
from account_reviews.crm.hubspot.changes import Changes, changed_records
from account_reviews.crm.hubspot.checking import check_portal
from account_reviews.crm.hubspot.client import Found, HubSpotApi, is_record_id
from account_reviews.crm.hubspot.fields import Fields
from account_reviews.crm.hubspot.listing import list_companies
from account_reviews.crm.hubspot.lookups import find_operations
from account_reviews.crm.hubspot.oauth import credential_of, open_tokens
from account_reviews.crm.hubspot.portal import Portal
from account_reviews.crm.hubspot.reads import SOURCE, Snapshots, read_snapshots
from account_reviews.crm.hubspot.refusals import wait_for
from account_reviews.crm.hubspot.writes import apply_change
from account_reviews.crm.protocol import (
    AccountFilter,
    AccountPage,
    Belonging,
    Capabilities,
    ChangedPage,
    Wanted,
)
from account_reviews.crm.registry import CrmContext
from account_reviews.domain.backends import Health
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.errors import (
    AccountNotFoundError,
    BadInputError,
    CrmError,
    CrmInvalidError,
    CrmOfAnotherTenantError,
)
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import (
    AccountSnapshot,
    Owner,
    RecordRef,
    RecordType,
    SnapshotLimits,
)
from account_reviews.domain.review.steps import ApplyResult

BULK: Final = 100
"""Accounts that one read takes."""
_LIMITS: Final = {
    "concurrency": 10,
    "calls_per_10_seconds": 90,
    "calls_per_day": 250_000,
    "searches_per_second": 4,
}
"""What `options` of the mapping may set, and what holds for the smallest edition."""
_CREATED: Final = (RecordType.NOTE, RecordType.TASK)


def open_hubspot(context: CrmContext, *, http: httpx2.AsyncClient | None = None) -> "HubSpotCrm":
    """The CRM of `hubspot://`; no connection is made yet. BadInputError names what lacks.

    `http` takes the place of real connections.
    """
    settings = context.settings
    mapping = load_field_mapping(settings.crm_mapping, shipped="hubspot")
    allowed = _allowed(mapping.options)
    tokens = open_tokens(context, http)
    key = key_of("hubspot", credential_of(settings))

    windows = (
        Window(allowed["calls_per_10_seconds"], 10.0),
        Window(allowed["calls_per_day"], 86_400.0),
    )
    opened = partial(open_api_client, context, tokens=tokens, http=http, wait=wait_for)
    api = opened(service=SOURCE, limits=Limits(key, allowed["concurrency"], windows))
    per_second = allowed["searches_per_second"]
    paced = (Window(1, 1 / per_second),)  # in a row: a burst that is late meets the next one
    searches = Limits(key_of("search", key), per_second, paced)
    searching = opened(service=f"{SOURCE}-search", limits=searches, within=api)
    settled = timedelta(seconds=2 * settings.api_timeout)
    return HubSpotCrm(HubSpotApi(api, searching), mapping, tenant=settings.tenant, settled=settled)


def _allowed(options: Mapping[str, Any]) -> dict[str, int]:
    """BadInputError names the option, its value and what it may be."""
    for name, value in options.items():
        if name not in _LIMITS:
            known = ", ".join(_LIMITS)
            raise BadInputError(
                f"the mapping of HubSpot has no option {name!r}; its options are {known}"
            )
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**9:
            raise BadInputError(
                f"the option {name} of the mapping cannot be {value!r}: it is a whole number from 1"
            )
    return {name: int(options.get(name, usual)) for name, usual in _LIMITS.items()}


class HubSpotCrm:
    """`CrmBackend`, `MapsRecords`, `ListsChanges` and `ChecksMapping` over one portal."""

    def __init__(
        self,
        api: HubSpotApi,
        mapping: FieldMapping,
        *,
        tenant: str,
        settled: timedelta = timedelta(seconds=2 * SECONDS),
    ) -> None:
        self._api = api
        self._settled = settled
        self._portal = Portal(api, mapping)
        self._changes = Changes()
        self._tenant = tenant
        self._asked_for: str | None = None

    @property
    def calls(self) -> tuple[str, Limits]:
        """What `reviews crm limits` shows: of all but the searches."""
        return self._api.calls

    def of(self, tenant: str | None) -> Self:
        """The same portal. Its calls raise CrmOfAnotherTenantError for another tenant."""
        asked = copy(self)
        asked._asked_for = tenant  # noqa: SLF001  a copy of ourselves
        return asked

    def _check_tenant(self) -> None:
        if self._asked_for not in (None, self._tenant):
            raise CrmOfAnotherTenantError(
                f"the HubSpot portal belongs to {self._tenant!r}, not to {self._asked_for!r}"
            )

    async def capabilities(self) -> Capabilities:
        """`create_once` as the mapping says, until the portal turns out to lack the property."""
        mapping = self._portal.mapping
        made = [one for kind in _CREATED for one in mapping.of(kind)[:1]]
        kept = all(
            one.operation_id is not None and one.module not in self._portal.lacks_unique
            for one in made
        )
        return Capabilities(
            name=SOURCE,
            create_once=bool(made) and kept,
            bulk_reads=BULK,
            history=True,
            incremental=True,
            webhooks=True,
        )

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        """Companies by id. Searches of HubSpot lag behind by seconds: a company that was just made
        may be missing, unless it is asked for by its id."""
        self._check_tenant()
        return await list_companies(
            self._api, self._portal, self._changes, where, cursor=cursor, limit=limit
        )

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        """Whether somebody who has not left has that id, with `by_name` also exactly that name."""
        self._check_tenant()
        for everybody in (self._portal.owners, self._portal.owners_again):
            for one in (await everybody()).values():
                if one.active and (owner == one.id or (by_name and owner == one.name)):
                    return True
        return False

    async def find_owner(self, owner: str) -> Owner | None:
        """The owner of that id, else the only one of exactly that name."""
        self._check_tenant()
        for everybody in (self._portal.owners, self._portal.owners_again):
            known = await everybody()
            named = [one for one in known.values() if one.name == owner]
            if owner in known or named:
                return known.get(owner) or (named[0] if len(named) == 1 else None)
        return None

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        """Everything of one company; of one that was merged, the one that remains."""
        self._check_tenant()
        found = await self._read((account_id,), as_of, limits)
        if not found.found and not found.unreadable and is_record_id(account_id):
            remains = await self._api.read_one(self._module(RecordType.ACCOUNT), account_id)
            if remains is not None and remains.id != account_id:
                found = await self._read((remains.id,), as_of, limits)
        for error in found.unreadable.values():
            raise error
        for snapshot in found.found.values():
            return snapshot
        raise AccountNotFoundError(f"the CRM has no account {account_id!r}")

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        """The snapshots of up to 100 companies in some 30 calls."""
        self._check_tenant()
        return (await self._read(account_ids, as_of, limits)).found

    async def _read(
        self, ids: Sequence[str], as_of: Timestamp, limits: SnapshotLimits
    ) -> Snapshots:
        asked = [one for one in ids if is_record_id(one)]
        return await read_snapshots(self._api, self._portal, asked, as_of=as_of, limits=limits)

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        """Read, compare, write: somebody may come in between, see docs/hubspot.md."""
        self._check_tenant()
        return await apply_change(
            self._api, self._portal, change,
            expected_version=expected_version, operation_id=operation_id,
        )  # fmt: skip

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        """By the unique property, by the mark in a text of the account, or by a field's history."""
        self._check_tenant()
        return await find_operations(self._api, self._portal, operations, settled=self._settled)

    async def read_back(self, wanted: tuple[Wanted, ...]) -> tuple[dict[str, Scalar] | None, ...]:
        """One call per type of record and 100 of them."""
        self._check_tenant()
        fields = await self._portal.fields()
        if any(one.record.type is RecordType.DEAL and "stage" in one.fields for one in wanted):
            fields.stages = await self._portal.stages()
        by_kind: dict[RecordType, list[str]] = {}
        for one in wanted:
            fields.shown(fields.module(one.record.type), {}, one.fields)  # refuses unknown ones
            by_kind.setdefault(one.record.type, []).append(one.record.id or "")
        found: dict[tuple[RecordType, str], Found] = {}
        for kind, ids in by_kind.items():
            for record in await self._records(fields, kind, ids):
                found[kind, record.id] = record
        return tuple(self._shown(fields, found, one) for one in wanted)

    async def accounts_of(self, records: Sequence[RecordRef]) -> tuple[Belonging | None, ...]:
        """Whose each record is: the first company that HubSpot names, of merged ones the other."""
        self._check_tenant()
        fields = await self._portal.fields()
        kinds = {one.type for one in records}
        rows = await asyncio.gather(*(self._belonging(fields, kind, records) for kind in kinds))
        known = {key: value for row in rows for key, value in row.items()}
        return tuple(known.get((one.type, one.id or "")) for one in records)

    async def changed_records(self, *, since: Timestamp, cursor: str | None = None) -> ChangedPage:
        """By searches, which lag behind by seconds: look again over the last minutes."""
        self._check_tenant()
        return await changed_records(self._api, await self._portal.fields(), since, cursor)

    async def check_mapping(self) -> tuple[MappingProblem, ...]:
        """The mapping against the portal's own description of its properties."""
        self._check_tenant()
        return await check_portal(self._api, self._portal)

    async def health(self) -> Health:
        """Asks for one company, which needs the token and the scope of every review."""
        try:
            self._check_tenant()
            await self._api.ping()
        except CrmError as error:
            return Health(ok=False, detail=error.message, hint=error.hint)
        return Health(ok=True, detail="HubSpot answers, and takes our credentials")

    async def _records(
        self, fields: Fields, kind: RecordType, ids: Sequence[str]
    ) -> tuple[Found, ...]:
        module = fields.module(kind)
        asked = [one for one in ids if is_record_id(one)]
        return await self._api.read(module.module, asked, fields.wanted(module)) if asked else ()

    async def _belonging(
        self, fields: Fields, kind: RecordType, records: Sequence[RecordRef]
    ) -> dict[tuple[RecordType, str], Belonging]:
        ids = [one.id for one in records if one.type is kind and is_record_id(one.id or "")]
        asked = [one for one in ids if one is not None]
        if kind is RecordType.ACCOUNT:
            return await self._companies(fields, asked)
        accounts = self._module(RecordType.ACCOUNT)
        found: dict[tuple[RecordType, str], Belonging] = {}
        for module in fields.mapping.of(kind):
            read = await self._api.read(module.module, asked, fields.wanted(module))
            here = [one.id for one in read]
            holders = (
                await self._api.associated(module.module, here, accounts, most=1) if here else {}
            )
            for one in read:
                holder = next(iter(holders.get(one.id, ())), None)
                version = fields.version(module, one.properties)
                found[kind, one.id] = Belonging(account_id=holder, version=version)
        return found

    async def _companies(
        self, fields: Fields, ids: Sequence[str]
    ) -> dict[tuple[RecordType, str], Belonging]:
        module = fields.module(RecordType.ACCOUNT)
        read = await self._api.read(module.module, ids, fields.wanted(module)) if ids else ()
        by_id = {one.id: one for one in read}
        found = {}
        for one in ids:
            record = by_id.get(one)
            if record is None:  # gone, or merged: only a read of it alone says which
                left = await self._api.read_one(module.module, one)
                if left is not None:
                    found[RecordType.ACCOUNT, one] = Belonging(account_id=left.id)
                continue
            version = fields.version(module, record.properties)
            found[RecordType.ACCOUNT, one] = Belonging(account_id=one, version=version)
        return found

    def _shown(
        self, fields: Fields, found: Mapping[tuple[RecordType, str], Found], wanted: Wanted
    ) -> dict[str, Scalar] | None:
        record = found.get((wanted.record.type, wanted.record.id or ""))
        if record is None:
            return None
        module = fields.module(wanted.record.type)
        return fields.shown(module, record.properties, wanted.fields)

    def _module(self, kind: RecordType) -> str:
        found = self._portal.mapping.of(kind)
        if not found:
            raise CrmInvalidError(f"the mapping has no module of {kind} records", field="record")
        return found[0].module
