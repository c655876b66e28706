"""Zoho CRM under the contract of CRMs: its fake, filled and disturbed from outside."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from account_reviews.crm.field_mapping import ModuleMapping, load_field_mapping
from account_reviews.crm.protocol import CrmBackend
from account_reviews.crm.zoho.fields import stamp
from account_reviews.domain.records import AccountSnapshot, ActivityType, Owner, Record, RecordType
from account_reviews.fakes.faults import FaultPlan, FaultRule
from account_reviews.fakes.zoho.org import Row, User
from tests.support.zoho_crm import ZohoStage, stage

_MAPPING = load_field_mapping(None, shipped="zoho")
_OWN = ("id", "version", "url", "account_id", "created_at", "modified_at", "custom")
_WRITES = "/crm/v8/[A-Z]*"


class ZohoWorld:
    """A fake org and whoever else works in it."""

    def __init__(self) -> None:
        self._stage: ZohoStage = stage(accounts=0)
        self._ids: dict[str, str] = {}

    @property
    def backend(self) -> CrmBackend:
        return self._stage.crm.of("default")

    async def fill(
        self, snapshots: Iterable[AccountSnapshot], owners: Iterable[Owner]
    ) -> Mapping[str, str]:
        self._stage, self._ids = stage(accounts=0), {}
        org = self._stage.org
        for user_id in set(org.users) - {org.api_user}:
            del org.users[user_id]
        everybody = list(owners)
        for owner in everybody:
            self._ids[owner.id] = org.new_id()
        for owner in everybody:
            boss = None if owner.manager_id is None else self._ids[owner.manager_id]
            email = owner.email or ""
            user = User(self._ids[owner.id], owner.name, email, owner.active, boss)
            org.users[user.id] = user
        for snapshot in snapshots:
            account = self._put(RecordType.ACCOUNT, snapshot.account, None)
            lists: tuple[tuple[RecordType, tuple[Record, ...]], ...] = (
                (RecordType.CONTACT, snapshot.contacts),
                (RecordType.DEAL, snapshot.deals),
                (RecordType.ACTIVITY, snapshot.activities),
                (RecordType.NOTE, snapshot.notes),
                (RecordType.TASK, snapshot.tasks),
            )
            for kind, records in lists:
                for record in records:
                    self._put(kind, record, account.id)
        return self._ids

    async def edit(self, kind: RecordType, record_id: str, **fields: Any) -> None:
        row = self._row(kind, record_id)
        values = self._values(_module(kind, row.module), fields)
        self._stage.org.update(row, values, self._stage.clock.now(), by=next(iter(self._people)))

    async def remove(self, kind: RecordType, record_id: str) -> None:
        self._stage.org.delete(self._row(kind, record_id), self._stage.clock.now())

    async def lose_answer(self, *, committed: bool) -> None:
        action = "drop_after" if committed else "drop_before"
        self._fail(
            *(
                {"match": {"method": method, "path": _WRITES}, "times": 1, "action": action}
                for method in ("POST", "PUT")
            )
        )

    async def disconnect(self) -> None:
        self._fail({"action": "drop_before"})

    @property
    def _people(self) -> dict[str, User]:
        found: dict[str, User] = self._stage.org.users
        return found

    def _fail(self, *rules: dict[str, Any]) -> None:
        plan = FaultPlan(rules=tuple(FaultRule.model_validate(rule) for rule in rules))
        self._stage.app.faults.set_plan(plan)

    def _row(self, kind: RecordType, record_id: str) -> Row:
        rows = (self._stage.org.find(one.module, record_id) for one in _MAPPING.of(kind))
        found: Row = next(row for row in rows if row is not None)
        return found

    def _put(self, kind: RecordType, record: Record, account_id: str | None) -> Row:
        called = getattr(record, "type", None) is ActivityType.CALL
        module = _module(kind, "Calls" if called else "Events")
        values = self._values(module, dict(record))
        parent = module.fields.get("account_id")
        if parent is not None and parent.field is not None:
            values[parent.field] = account_id
        made = getattr(record, "created_at", None) or getattr(record, "at", None)
        made = made or self._stage.clock.now().replace(year=2025)
        row: Row = self._stage.org.insert(module.module, values, made, lag_s=0, quiet=True)
        row.modified = getattr(record, "modified_at", None) or made
        self._ids[record.id] = row.id
        return row

    def _values(self, module: ModuleMapping, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Our fields as they are stored there."""
        found: dict[str, Any] = {}
        for name, value in fields.items():
            rule = module.fields.get(name)
            if rule is None or rule.field is None or name in _OWN:
                continue
            plain = _stored(value)
            if name == "owner_id" and isinstance(plain, str):
                plain = self._ids.get(plain, plain)
            found[rule.field] = rule.in_crm(plain) if isinstance(plain, str) else plain
        if "Full_Name" in found:
            found["Last_Name"] = found["Full_Name"]
        return found


def _module(kind: RecordType, name: str) -> ModuleMapping:
    modules = _MAPPING.of(kind)
    return next((one for one in modules if one.module == name), modules[0])


def _stored(value: Any) -> Any:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


@asynccontextmanager
async def zoho_world() -> AsyncIterator[ZohoWorld]:
    yield ZohoWorld()
