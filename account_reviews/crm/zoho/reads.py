"""Reading accounts with all that belongs to them: one and many in the same way.

Everything but notes comes by COQL queries over up to 50 accounts at a time, notes from their lists:
queries do not know them.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from account_reviews.crm.assembly import AccountRecords, assemble
from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping
from account_reviews.crm.zoho.client import (
    MOST_FIELDS,
    MOST_IDS,
    MOST_ROWS,
    ZohoApi,
    code_of,
    data_of,
)
from account_reviews.crm.zoho.fields import ALWAYS, OrgFields, account_column, query_columns
from account_reviews.crm.zoho.notes import Notes
from account_reviews.crm.zoho.records import Records
from account_reviews.crm.zoho.users import Users
from account_reviews.domain.errors import (
    CrmInvalidError,
    CrmRecordNotFoundError,
    CrmUnreadableError,
)
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    Record,
    RecordType,
    SnapshotLimits,
)

MOST_IN: Final = 50
"""Values that one `in` of a query takes."""
_FEW_ROWS: Final = 200
_SOME_ROWS: Final = 1_000
_MOST_PAGES: Final = 5
"""Of one module and group of accounts; beyond them the group is divided, and the newest of a
single account are taken."""
_CHILDREN: Final = (
    RecordType.CONTACT,
    RecordType.DEAL,
    RecordType.ACTIVITY,
    RecordType.TASK,
)
_MOST_DROPPED: Final = 10
_AT_A_TIME: Final = 8
"""Parts of reads of many accounts, in one process."""

_T = TypeVar("_T")


@dataclass
class Found:
    """Records of the CRM by account, and for whom they are not all."""

    of: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    """account -> how many there are, where not all were read."""

    def add(self, account_id: str, raw: dict[str, Any]) -> None:
        self.of.setdefault(account_id, []).append(raw)


class ZohoReads:
    """What reads accounts of the org. Errors are those of `domain.errors`."""

    def __init__(
        self, api: ZohoApi, fields: OrgFields, mapping: FieldMapping, records: Records, users: Users
    ) -> None:
        self._api = api
        self._fields = fields
        self._mapping = mapping
        self._records = records
        self._users = users
        self._notes = Notes(api)
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        (self._accounts,) = mapping.of(RecordType.ACCOUNT)

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: datetime, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot | CrmUnreadableError]:
        """The snapshots by id; of an account that cannot be read, why. Those that are not there are
        left out."""
        ids = [one for one in dict.fromkeys(account_ids) if one.isdecimal()]
        fetched_at = datetime.now(UTC)
        accounts = {one["id"]: one for one in await self.by_ids(self._accounts, ids)}
        there = [one for one in ids if one in accounts]
        if not there:
            return {}
        modules = [one for kind in _CHILDREN for one in self._mapping.of(kind)]
        notes = self._mapping.of(RecordType.NOTE)
        found = await asyncio.gather(
            *(self._children(module, there) for module in modules),
            *(self._notes_of(module, there) for module in notes),
        )
        lists = list(zip((*modules, *notes), found, strict=True))
        owners = await self._owners(accounts.values())
        result: dict[str, AccountSnapshot | CrmUnreadableError] = {}
        for account_id in there:
            try:
                parts = self._put_together(accounts[account_id], lists)
            except CrmUnreadableError as error:
                result[account_id] = error
                continue
            records = AccountRecords(**parts, owners=owners)
            result[account_id] = assemble(
                records, as_of=as_of, limits=limits, fetched_at=fetched_at, source="zoho"
            )
        return result

    def _put_together(
        self, raw: Mapping[str, Any], lists: Sequence[tuple[ModuleMapping, Found | None]]
    ) -> dict[str, Any]:
        """The fields of an AccountRecords. CrmUnreadableError."""
        account = self._records.make(self._accounts, raw, str(raw["id"]))
        assert isinstance(account, Account)
        made: dict[RecordType, list[Record]] = {}
        totals: dict[RecordType, int | None] = {}
        unknown = {module.record for module, found in lists if found is None}
        for module, found in lists:
            if found is None or module.record in unknown:
                continue
            mine = found.of.get(account.id, [])
            made.setdefault(module.record, []).extend(
                self._records.make(module, one, account.id) for one in mine
            )
            of_module = found.totals.get(account.id, len(mine))
            totals[module.record] = (totals.get(module.record) or 0) + of_module
        cut = {module.record for module, found in lists if found and account.id in found.totals}
        return {
            "account": account,
            "modules": frozenset(made) | {RecordType.ACCOUNT, RecordType.OWNER},
            "contacts": made.get(RecordType.CONTACT, ()),
            "deals": made.get(RecordType.DEAL, ()),
            "activities": made.get(RecordType.ACTIVITY, ()),
            "notes": made.get(RecordType.NOTE, ()),
            "tasks": made.get(RecordType.TASK, ()),
            "totals": {kind: total for kind, total in totals.items() if kind in cut},
        }

    async def make_accounts(self, raws: Iterable[Mapping[str, Any]]) -> list[Account]:
        """Accounts by themselves. CrmUnreadableError."""
        made = (self._records.make(self._accounts, raw, str(raw["id"])) for raw in raws)
        return [one for one in made if isinstance(one, Account)]

    async def list_rows(
        self, after: str | None, limit: int, ids: Sequence[str] | None
    ) -> list[dict[str, Any]]:
        """Accounts with larger ids than `after`, in the order of the ids; of `ids` alone, at most
        50, where they are given."""
        where = [f"id > '{after or 0}'"]
        if ids is not None:
            where.append(f"id in ({_quoted(ids)})")
        rows = await self.query(self._accounts, " and ".join(where), "order by id asc", limit)
        return rows if ids is None else _asked_for(rows, ids)

    async def by_ids(self, module: ModuleMapping, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Records by query, those that are there."""
        groups = [ids[n : n + MOST_IN] for n in range(0, len(ids), MOST_IN)]
        found = await asyncio.gather(
            *(
                self._in_turn(
                    self.query(module, f"id in ({_quoted(group)})", "order by id asc", _FEW_ROWS),
                    many=len(ids) > 1,
                )
                for group in groups
            )
        )
        return _asked_for([one for rows in found for one in rows], ids)

    async def as_they_are(
        self, module: ModuleMapping, ids: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """Records by their ids, as they stand now; those that are gone are left out."""
        fields = await self._fields.readable(module)
        usable = [one for one in dict.fromkeys(ids) if one.isdecimal()]
        found: dict[str, dict[str, Any]] = {}
        for n in range(0, len(usable), MOST_IDS):
            group = usable[n : n + MOST_IDS]
            answer = await self._api.records(
                f"/{module.module}", fields, ids=",".join(group), per_page=len(group)
            )
            found |= {one["id"]: one for one in _asked_for(data_of(answer), group)}
        return found

    async def query(
        self, module: ModuleMapping, where: str, order: str, limit: int
    ) -> list[dict[str, Any]]:
        """Rows of a module with all fields that are read. A column that queries refuse is left out
        from then on."""
        for _ in range(_MOST_DROPPED):
            fields = await self._fields.readable(module)
            try:
                return await self._query(module, fields, where, order, limit)
            except CrmInvalidError as error:
                column = error.field.partition(".")[0]
                if code_of(error) != "INVALID_QUERY" or not self._fields.drop(
                    module.module, column
                ):
                    raise
        raise CrmUnreadableError(f"Zoho CRM refuses too many fields of {module.module}")

    async def _query(
        self, module: ModuleMapping, fields: Sequence[str], where: str, order: str, limit: int
    ) -> list[dict[str, Any]]:
        rule = module.fields.get("account_id")
        parent = None if rule is None else rule.field
        columns = query_columns([one for one in fields if one not in ALWAYS], parent)
        size = MOST_FIELDS - len(ALWAYS)
        parts = [columns[n : n + size] for n in range(0, len(columns), size)] or [[]]
        merged: dict[str, dict[str, Any]] = {}
        for part in parts:
            selected = ", ".join([*ALWAYS, *part])
            query = f"select {selected} from {module.module} where {where} {order}"  # noqa: S608  names of a mapping, digits
            for row in await self._api.query(query, limit):
                merged.setdefault(row["id"], {}).update(row)
        if parent is not None:
            for row in merged.values():
                account = row.get(account_column(parent).strip("'"))
                if account is not None:
                    row[parent] = {"id": str(account)}
        return list(merged.values())

    async def _children(self, module: ModuleMapping, ids: Sequence[str]) -> Found | None:
        """All records of a module that belong to these accounts; None: the org has no such
        module."""
        groups = [ids[n : n + MOST_IN] for n in range(0, len(ids), MOST_IN)]
        try:
            reading = (
                self._in_turn(self._group(module, group), many=len(ids) > 1) for group in groups
            )
            found = await asyncio.gather(*reading)
        except CrmRecordNotFoundError as error:
            self._fields.tell(module.module, "*", f"{error.message}: its records are unknown")
            return None
        together = Found()
        for one in found:
            together.of |= one.of
            together.totals |= one.totals
        return together

    async def _in_turn(self, reading: Coroutine[Any, Any, _T], *, many: bool) -> _T:
        """One part of a read of many accounts: few at a time, so that in this process a read of
        one account does not wait behind them all."""
        if not many:
            return await reading
        async with self._turns:
            return await reading

    async def _group(self, module: ModuleMapping, ids: Sequence[str]) -> Found:
        parent = module.fields["account_id"].field or ""
        column = account_column(parent)
        belongs = f"{column} in ({_quoted(ids)})"
        found, last = Found(), None
        limit = _FEW_ROWS if len(ids) == 1 else _SOME_ROWS
        for _ in range(_MOST_PAGES):
            where = belongs if last is None else f"{belongs} and id < '{last}'"
            rows = await self.query(module, where, "order by id desc", limit)
            for row in rows:
                found.add(_parent_of(row, parent, ids), row)
            if len(rows) < limit:
                return found
            last, limit = min((row["id"] for row in rows), key=_numeric), MOST_ROWS
        if len(ids) > 1:
            half = len(ids) // 2
            parts = [await self._group(module, part) for part in (ids[:half], ids[half:])]
            return Found(parts[0].of | parts[1].of, parts[0].totals | parts[1].totals)
        found.totals[ids[0]] = await self._count(module, belongs)
        return found

    async def _count(self, module: ModuleMapping, where: str) -> int:
        counted = f"select COUNT(id) from {module.module} where {where}"  # noqa: S608  as above
        rows = await self._api.query_plain(counted, 1)
        number = next((value for row in rows for value in row.values()), None)
        if not isinstance(number, int):
            raise CrmUnreadableError("Zoho CRM answers a count with what is no number")
        return number

    async def _notes_of(self, module: ModuleMapping, ids: Sequence[str]) -> Found | None:
        fields = await self._fields.readable(module)
        parent = module.fields["account_id"].field or "Parent_Id"
        found = Found()
        rows = await self._notes.of(self._accounts.module, module.module, fields, parent, ids)
        for account_id, notes in rows.items():
            for raw in notes:
                found.add(account_id, raw)
        return found

    async def _owners(self, accounts: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Everybody of the org, with whoever owns one of these."""
        rule = self._accounts.fields.get("owner_id")
        owners = (raw.get(rule.field or "") if rule else None for raw in accounts)
        ids = {str(one["id"]) for one in owners if isinstance(one, dict) and one.get("id")}
        return await self._users.all(*ids)


def _quoted(ids: Iterable[str]) -> str:
    """Ids within a query. They are digits."""
    return ", ".join(f"'{one}'" for one in ids if one.isdecimal())


def _asked_for(rows: list[dict[str, Any]], ids: Iterable[str]) -> list[dict[str, Any]]:
    """The rows, all of which were asked for. Taken otherwise, a mixed-up answer would read as if
    the records were gone. CrmUnreadableError."""
    wanted = set(ids)
    for row in rows:
        if row["id"] not in wanted:
            raise CrmUnreadableError(
                f"Zoho CRM gives the record {row['id']}, which nobody asked for"
            )
    return rows


def _parent_of(row: Mapping[str, Any], parent: str, ids: Sequence[str]) -> str:
    """The one of `ids` that the row belongs to. CrmUnreadableError."""
    found = row.get(parent)
    account = found.get("id") if isinstance(found, dict) else found
    if account is None:
        raise CrmUnreadableError(f"Zoho CRM gives the record {row['id']} without its {parent}")
    if str(account) not in ids:
        raise CrmUnreadableError(
            f"Zoho CRM gives the record {row['id']} of {account}, which nobody asked for"
        )
    return str(account)


def _numeric(text: str) -> int:
    return int(text)
