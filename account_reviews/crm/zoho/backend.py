"""Zoho CRM as a backend."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from copy import copy
from typing import Final, Self

import httpx2

from account_reviews.crm.field_check import FoundField, MappingProblem, check_fields
from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping, load_field_mapping
from account_reviews.crm.http.client import ApiClient
from account_reviews.crm.http.factory import open_api_client
from account_reviews.crm.http.limits import Limits, Window, key_of
from account_reviews.crm.http.token_store import SharedTokens
from account_reviews.crm.protocol import (
    AccountFilter,
    AccountPage,
    Belonging,
    Capabilities,
    ChangedPage,
    Channel,
    Wanted,
)
from account_reviews.crm.record_writes import wire
from account_reviews.crm.registry import CrmContext
from account_reviews.crm.zoho.changes import Changes
from account_reviews.crm.zoho.channels import renew_channels
from account_reviews.crm.zoho.client import ZohoApi, lacks_scope
from account_reviews.crm.zoho.fields import OrgFields
from account_reviews.crm.zoho.mapping_file import check_names
from account_reviews.crm.zoho.oauth import SCHEME, SERVICE, Credentials, credentials_of, fetch_token
from account_reviews.crm.zoho.reads import MOST_IN, ZohoReads
from account_reviews.crm.zoho.records import Records
from account_reviews.crm.zoho.users import Users, users_of
from account_reviews.crm.zoho.writes import Clocks, ZohoWrites
from account_reviews.domain.backends import Health
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.errors import (
    AccountNotFoundError,
    BadInputError,
    CrmError,
    CrmInvalidError,
    CrmOfAnotherTenantError,
    CrmRecordNotFoundError,
    CrmUnreadableError,
    UnreachableError,
)
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    Owner,
    RecordRef,
    RecordType,
    SnapshotLimits,
)
from account_reviews.domain.review.steps import ApplyResult

BULK: Final = 200
"""Accounts of one bulk read."""
_MOST_LISTED: Final = 1_000
_FILTERED: Final = 2_000
"""Rows of one query where most may not fit."""
_MOST_QUERIES: Final = 5
"""For one page of a list."""
_FIRST: Final = "0"


class ZohoCrm:
    """`CrmBackend` on one org, whose credentials belong to one tenant."""

    def __init__(
        self,
        client: ApiClient,
        mapping: FieldMapping,
        *,
        tenant: str,
        place: str = "",
        link: str | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        """`place`: what people call the org's region. `link`: where people find records."""
        self._client = client
        self._api = ZohoApi(client)
        self._mapping = mapping
        self._belongs_to = tenant
        self._place = place
        self._asked_for: str | None = None
        self._fields = OrgFields(self._api, mapping)
        self._users = Users(self._api)
        self._records = Records(mapping, link, self._fields.tell)
        parts = (self._api, self._fields, mapping, self._records, self._users)
        self._reads = ZohoReads(*parts)
        self._writes = ZohoWrites(*parts, clocks)
        self._changes = Changes(self._api, self._fields, mapping)

    @property
    def calls(self) -> tuple[str, Limits]:
        """What `reviews crm limits` shows."""
        return self._client.calls

    def of(self, tenant: str | None) -> Self:
        """The same org, asked for that tenant."""
        asked = copy(self)
        asked._asked_for = tenant  # noqa: SLF001  a copy of ourselves
        return asked

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        """Accounts in the order of their ids; the cursor is the last id of the page before."""
        self._check_tenant()
        if cursor is not None and not cursor.isdecimal():
            raise BadInputError(f"{cursor!r} is no cursor of a list of accounts")
        limit = max(1, min(limit, _MOST_LISTED))
        owner = None
        if where.owner is not None:
            owners = await self._owner_ids(where.owner)
            if not owners:
                return AccountPage(items=())
            owner = owners
        wanted = await self._wanted_ids(where, anew=cursor is None)
        if wanted is not None:
            return await self._listed_of(where, owner, wanted, cursor or _FIRST, limit)
        return await self._listed(where, owner, cursor or _FIRST, limit)

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        """Whether there is an active user of that id, with `by_name` also of exactly that name."""
        self._check_tenant()
        everybody = await self._users.all(*([owner] if owner.isdecimal() else []))
        active = [one for one in everybody.values() if one.active]
        return any(owner == one.id or (by_name and owner == one.name) for one in active)

    async def find_owner(self, owner: str) -> Owner | None:
        """The user of that id, else the only one of exactly that name."""
        self._check_tenant()
        return await self._users.find(owner)

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        """Everything of one account. AccountNotFoundError, CrmUnreadableError."""
        self._check_tenant()
        read = await self._reads.snapshots((account_id,), as_of=as_of, limits=limits)
        found = read.get(account_id)
        if found is None:
            raise AccountNotFoundError(
                f"{SERVICE} has no account {account_id!r}",
                hint="it may have been deleted, or merged into another one",
            )
        if isinstance(found, CrmUnreadableError):
            raise found
        return found

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        """The snapshots of up to 200 accounts."""
        self._check_tenant()
        read = await self._reads.snapshots(account_ids, as_of=as_of, limits=limits)
        return {one: found for one, found in read.items() if isinstance(found, AccountSnapshot)}

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        """Read, compare, and write under the condition that nothing came in between."""
        self._check_tenant()
        return await self._writes.apply(change, expected_version, operation_id)

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        """What the org shows of these operations."""
        self._check_tenant()
        return await self._writes.find(operations)

    async def read_back(self, wanted: tuple[Wanted, ...]) -> tuple[dict[str, Scalar] | None, ...]:
        """Fields as they stand now, in order; None for a record that is gone."""
        self._check_tenant()
        for one in wanted:
            self._check_readable(one)
        found = await self._stored([one.record for one in wanted])
        shown: list[dict[str, Scalar] | None] = []
        for one in wanted:
            if one.record.type is RecordType.OWNER:
                owner = await self._users.find(one.record.id or "")
                values = None if owner is None else owner.model_dump()
                shown.append(values and {name: wire(values.get(name)) for name in one.fields})
                continue
            module, raw = found.get((one.record.type, one.record.id or ""), (None, None))
            gone = module is None or raw is None
            shown.append(None if gone else self._records.fields(module, raw, one.fields))  # type: ignore[arg-type]
        return tuple(shown)

    async def accounts_of(self, records: Sequence[RecordRef]) -> tuple[Belonging | None, ...]:
        """Whose each record is, in order; None for one that is gone."""
        self._check_tenant()
        found = await self._stored(records)
        belongings: list[Belonging | None] = []
        for record in records:
            module, raw = found.get((record.type, record.id or ""), (None, None))
            if module is None or raw is None:
                belongings.append(None)
                continue
            rule = module.fields.get("account_id")
            held = raw.get(rule.field or "") if rule else None
            account = held.get("id") if isinstance(held, dict) else held
            own = record.type is RecordType.ACCOUNT
            version = self._records.version(module, raw, self._records.read(module, raw).values)
            belongings.append(Belonging(account_id=raw["id"] if own else account, version=version))
        return tuple(belongings)

    async def changed_records(self, *, since: Timestamp, cursor: str | None = None) -> ChangedPage:
        """Which records changed, page by page."""
        self._check_tenant()
        return await self._changes.records(self._records, since, cursor)

    async def renew_channels(
        self, *, notify_url: str, token: str | None, before: Timestamp
    ) -> tuple[Channel, ...]:
        """Make the channels last; Zoho ends each after a week at most."""
        self._check_tenant()
        modules = [one.module for one in self._mapping.modules]
        return await renew_channels(
            self._api, modules, notify_url=notify_url, token=token, before=before
        )

    async def capabilities(self) -> Capabilities:
        """What Zoho can do, with this mapping."""
        creates = [*self._mapping.of(RecordType.TASK), *self._mapping.of(RecordType.NOTE)]
        return Capabilities(
            name="zoho",
            optimistic_lock=True,
            create_once=bool(creates) and all(one.operation_id for one in creates),
            bulk_reads=BULK,
            incremental=True,
            webhooks=True,
        )

    async def check_mapping(self) -> tuple[MappingProblem, ...]:
        """The mapping against the org's own description of its fields."""
        self._check_tenant()
        names = list(dict.fromkeys(one.module for one in self._mapping.modules))
        described = await asyncio.gather(*(self._described(name) for name in names))
        found = dict(zip(names, described, strict=True))
        return check_fields(self._mapping, found)

    async def _described(self, module: str) -> list[FoundField] | None:
        """The fields of a module; None: there is no such module."""
        try:
            return [one.found for one in (await self._fields.ask(module)).values()]
        except CrmRecordNotFoundError:
            return None

    async def health(self) -> Health:
        """Whether it answers and takes our credentials."""
        try:
            self._check_tenant()
            answer = await self._api.get("/users", {"type": "CurrentUser"})
            users = users_of(answer)
        except (CrmError, UnreachableError) as error:
            return Health(ok=False, detail=error.message, hint=error.hint)
        where = f" ({self._place})" if self._place else ""
        who = f" as {users[0].name}" if users else ""
        return Health(ok=True, detail=f"{SERVICE}{where} answers{who}")

    def _check_tenant(self) -> None:
        asked = self._asked_for
        if asked is not None and asked != self._belongs_to:
            raise CrmOfAnotherTenantError(
                f"the connected {SERVICE} belongs to {self._belongs_to!r}, not to {asked!r}"
            )

    def _check_readable(self, wanted: Wanted) -> None:
        modules = self._mapping.of(wanted.record.type)
        for name in wanted.fields:
            known = any(name in module.target.fields for module in modules)
            if not known and wanted.record.type is not RecordType.OWNER:
                raise CrmInvalidError(f"{wanted.record.type} has no field {name!r}", field=name)

    async def _stored(
        self, records: Sequence[RecordRef]
    ) -> dict[tuple[RecordType, str], tuple[ModuleMapping, dict[str, object]]]:
        """Records as they stand, with their module; those that are gone are left out."""
        ids: dict[RecordType, list[str]] = defaultdict(list)
        for record in records:
            if record.id is not None:
                ids[record.type].append(record.id)
        found: dict[tuple[RecordType, str], tuple[ModuleMapping, dict[str, object]]] = {}
        for kind, wanted in ids.items():
            for module in self._mapping.of(kind):
                left = [one for one in wanted if (kind, one) not in found]
                rows = await self._reads.as_they_are(module, left) if left else {}
                found |= {(kind, one): (module, raw) for one, raw in rows.items()}
        return found

    async def _owner_ids(self, owner: str) -> frozenset[str]:
        """Users of that id or exact name."""
        everybody = await self._users.all(*([owner] if owner.isdecimal() else []))
        return frozenset(one.id for one in everybody.values() if owner in (one.id, one.name))

    async def _wanted_ids(self, where: AccountFilter, *, anew: bool) -> list[str] | None:
        """The only accounts that can fit, in order; None: any can."""
        wanted = None if where.account_ids is None else set(where.account_ids)
        if where.changed_since is not None and wanted != set():
            changed = await self._changes.since(where.changed_since, anew=anew)
            wanted = set(changed) if wanted is None else wanted & changed
        if wanted is None:
            return None
        return sorted((one for one in wanted if one.isdecimal()), key=int)

    async def _listed_of(
        self,
        where: AccountFilter,
        owner: frozenset[str] | None,
        ids: Sequence[str],
        after: str,
        limit: int,
    ) -> AccountPage:
        """A page of those among these ids that fit."""
        left = [one for one in ids if int(one) > int(after)]
        items: list[Account] = []
        while left and len(items) < limit:
            group = left[: min(MOST_IN, limit - len(items))]
            left = left[len(group) :]
            rows = await self._reads.list_rows(None, MOST_IN, group)
            found = await self._reads.make_accounts(rows)
            items += [one for one in found if _fits(one, where, owner)]
            after = group[-1]
        return AccountPage(items=tuple(items), next_cursor=after if left else None)

    async def _listed(
        self, where: AccountFilter, owner: frozenset[str] | None, after: str, limit: int
    ) -> AccountPage:
        """A page of all accounts that fit. It may be shorter than it could be: reading on would
        take too many calls."""
        filtered = bool(owner or where.segment is not None or where.statuses)
        size = _FILTERED if filtered else limit
        items: list[Account] = []
        for _ in range(_MOST_QUERIES):
            rows = await self._reads.list_rows(after, size, None)
            for account in await self._reads.make_accounts(rows):
                if not _fits(account, where, owner):
                    continue
                items.append(account)
                if len(items) == limit:
                    more = len(rows) == size or account.id != rows[-1]["id"]
                    return AccountPage(items=tuple(items), next_cursor=account.id if more else None)
            if len(rows) < size:
                return AccountPage(items=tuple(items))
            after = rows[-1]["id"]
        return AccountPage(items=tuple(items), next_cursor=after)


def _fits(account: Account, where: AccountFilter, owner: frozenset[str] | None) -> bool:
    if owner is not None and account.owner_id not in owner:
        return False
    if where.segment is not None and account.segment != where.segment:
        return False
    return not where.statuses or account.status is None or account.status in where.statuses


def open_zoho(context: CrmContext, http: httpx2.AsyncClient | None = None) -> ZohoCrm:
    """The org that the settings name; no connection is made yet. BadInputError.

    `http`: what carries the calls; None: connections of its own.
    """
    settings = context.settings
    mapping = check_names(load_field_mapping(settings.crm_mapping, shipped="zoho"))
    who = credentials_of(settings)
    tokens = SharedTokens(
        context.engine,
        service="zoho",
        secret=who.together,
        fetch=lambda: fetch_token(who, http),
        scheme=SCHEME,
    )
    credits = settings.zoho_daily_credits
    limits = Limits(
        key=key_of("zoho", who.accounts_url, who.client_id),
        concurrency=settings.zoho_concurrency,
        windows=() if credits is None else (Window(credits, settings.zoho_window_seconds),),
    )
    client = open_api_client(
        context, service="zoho", tokens=tokens, limits=limits, http=http, lacks_right=lacks_scope
    )
    place, link = _place_of(who)
    clocks = Clocks(late=2 * settings.api_timeout)
    return ZohoCrm(client, mapping, tenant=settings.tenant, place=place, link=link, clocks=clocks)


def _place_of(who: Credentials) -> tuple[str, str | None]:
    """(the region, where people find records)."""
    if who.api_url is not None or who.data_centre is None:
        return who.api_url or who.accounts_url, None
    host = "zohocloud.ca" if who.data_centre == "ca" else f"zoho.{who.data_centre}"
    return who.data_centre, f"https://crm.{host}"
