"""What the org says of its fields, and how values travel."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from account_reviews.crm.field_check import FieldType, FoundField
from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping
from account_reviews.crm.field_values import day_of
from account_reviews.crm.zoho.client import ZohoApi
from account_reviews.domain.errors import (
    CrmInvalidError,
    CrmPermissionError,
    CrmRecordNotFoundError,
    CrmUnreadableError,
)

FRESH_SECONDS: Final = 900.0
"""For how long what the org says of its fields is believed."""
MODIFIED_TIME: Final = "Modified_Time"
ALWAYS: Final = ("id", MODIFIED_TIME)
POLYMORPHIC: Final = frozenset({"What_Id"})
"""Fields that point at a record of one of several modules."""
_DAYS: Final = frozenset({"Due_Date", "Closing_Date"})
"""Where nothing is known of the fields: those that hold days."""
_TYPES: Final = {
    "text": FieldType.TEXT, "textarea": FieldType.TEXT, "email": FieldType.TEXT,
    "phone": FieldType.TEXT, "website": FieldType.TEXT, "autonumber": FieldType.TEXT,
    "picklist": FieldType.WORD, "integer": FieldType.NUMBER, "bigint": FieldType.NUMBER,
    "double": FieldType.NUMBER, "currency": FieldType.NUMBER, "percent": FieldType.NUMBER,
    "decimal": FieldType.NUMBER, "date": FieldType.DATE, "datetime": FieldType.TIME,
    "boolean": FieldType.BOOLEAN, "multiselectpicklist": FieldType.LIST,
    "lookup": FieldType.REFERENCE, "ownerlookup": FieldType.REFERENCE,
    "userlookup": FieldType.REFERENCE, "multi_module_lookup": FieldType.REFERENCE,
}  # fmt: skip

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OrgField:
    """One field of a module, as far as the org describes it."""

    found: FoundField
    external: bool = False
    """A record can be asked for by its value."""


class OrgFields:
    """The fields of the org, asked for once in a quarter of an hour and process."""

    def __init__(
        self, api: ZohoApi, mapping: FieldMapping, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._mapping = mapping
        self._clock = clock
        self._known: dict[str, tuple[float, dict[str, OrgField] | None]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._unusable: dict[str, set[str]] = {}
        self._told: set[tuple[str, str]] = set()

    async def of(self, module: str) -> Mapping[str, OrgField] | None:
        """The fields of a module by name; None when the org does not tell us.

        CrmRecordNotFoundError when there is no such module.
        """
        async with self._locks.setdefault(module, asyncio.Lock()):
            at, found = self._known.get(module, (float("-inf"), None))
            if self._clock() - at < FRESH_SECONDS:
                return found
            try:
                found = await self.ask(module)
            except CrmPermissionError as error:
                self.tell(module, "*", f"the fields cannot be looked up: {error.message}")
                found = None
            self._known[module] = (self._clock(), found)
            return found

    async def ask(self, module: str) -> dict[str, OrgField]:
        """The same, asked for now.

        CrmPermissionError, CrmRecordNotFoundError, CrmUnreadableError.
        """
        try:
            answer = await self._api.get("/settings/fields", {"module": module})
        except CrmInvalidError:
            raise CrmRecordNotFoundError(f"Zoho CRM has no module {module}") from None
        described = (_described(one) for one in _entries(answer.body) if isinstance(one, dict))
        found = {one.found.name: one for one in described if one is not None}
        if not found:  # there is no module without an id
            raise CrmUnreadableError(f"Zoho CRM describes no field of {module}")
        return found

    async def readable(self, module: ModuleMapping) -> tuple[str, ...]:
        """The fields to ask for: those of the mapping that the org has, and free ones."""
        known = await self.of(module.module)
        wanted = [*ALWAYS, *module.crm_fields()]
        unusable = self._unusable.get(module.module, set())
        if known is None:
            return tuple(one for one in dict.fromkeys(wanted) if one not in unusable)
        if "custom" in module.target.fields:
            prefixes = self._mapping.custom_prefixes
            wanted += [name for name in known if prefixes and name.startswith(prefixes)]
        for name in wanted:
            if name not in known and name not in ALWAYS and not _is_optional(module, name):
                self.tell(module.module, name, "the org has no such field: it is unknown")
        fitting = (one for one in wanted if one in known or one in ALWAYS)
        return tuple(one for one in dict.fromkeys(fitting) if one not in unusable)

    def drop(self, module: str, name: str) -> bool:
        """Ask for it no more, since queries refuse it. False when that changes nothing."""
        unusable = self._unusable.setdefault(module, set())
        if not name or name in unusable or name in ALWAYS:
            return False
        unusable.add(name)
        self.tell(module, name, "queries do not take this field: it is unknown")
        return True

    def tell(self, module: str, name: str, why: str) -> None:
        """Say once per process that something is unknown."""
        if (module, name) not in self._told:
            self._told.add((module, name))
            _log.warning("Zoho CRM: %s.%s: %s", module, name, why)

    async def operation_field(self, module: ModuleMapping) -> OrgField | None:
        """The unique field for the operation id, where the org has it."""
        if module.operation_id is None:
            return None
        known = await self.of(module.module)
        if known is None:
            return OrgField(FoundField(module.operation_id, FieldType.TEXT, unique=True))
        found = known.get(module.operation_id)
        return found if found is not None and found.found.unique else None

    async def encode(self, module: ModuleMapping, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the CRM's fields as they travel. CrmInvalidError for a text that the org's
        pick list does not have."""
        known = await self.of(module.module) or {}
        for name, value in values.items():
            _check_word(module, name, value, known.get(name))
        return {
            name: _encoded(value, known.get(name), name, self._mapping)
            for name, value in values.items()
        }


def _described(entry: Mapping[str, Any]) -> OrgField | None:
    name = entry.get("api_name")
    if not isinstance(name, str) or not name:
        return None
    options = entry.get("pick_list_values")
    words = [
        str(one.get("actual_value") or one.get("display_value") or "")
        for one in (options if isinstance(options, list) else ())
        if isinstance(one, dict)
    ]
    unique, external = entry.get("unique"), entry.get("external")
    found = FoundField(
        name=name,
        type=_TYPES.get(str(entry.get("data_type"))),
        words=tuple(word for word in words if word and word != "-None-"),
        writable=not (entry.get("read_only") or entry.get("field_read_only")),
        unique=bool(unique) or bool(external),
    )
    return OrgField(found, external=bool(external))


def _check_word(module: ModuleMapping, name: str, value: Any, known: OrgField | None) -> None:
    """The API would take any text, and the record would show what nobody can choose."""
    words = () if known is None else known.found.words
    if not isinstance(value, str) or not words or value in words:
        return
    ours = next((one for one, rule in module.fields.items() if rule.field == name), name)
    raise CrmInvalidError(
        f"{ours} cannot be {value!r}: the pick list {module.module}.{name} has {', '.join(words)}",
        field=ours,
        hint="give the mapping a line under `values` for it, or the pick list the word",
    )


def _is_optional(module: ModuleMapping, name: str) -> bool:
    rules = [rule for rule in module.fields.values() if rule.field == name]
    return bool(rules) and all(rule.optional for rule in rules)


def _encoded(value: Any, known: OrgField | None, name: str, mapping: FieldMapping) -> Any:
    kind = None if known is None else known.found.type
    if isinstance(value, datetime):
        if kind is FieldType.DATE or (known is None and name in _DAYS):
            return day_of(value, mapping.zone).isoformat()
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, str) and (
        kind is FieldType.REFERENCE or (kind is None and name == "Owner")
    ):
        return {"id": value}
    return value


def stamp(moment: datetime) -> str:
    """A time as Zoho takes it: whole seconds, with an offset."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def query_columns(fields: Iterable[str], parent: str | None) -> list[str]:
    """Columns of a query: what points at one of several modules is asked for by its account."""
    names = [one for one in fields if one not in POLYMORPHIC]
    if parent in POLYMORPHIC:
        names.append(account_column(parent or ""))
    return names


def account_column(parent: str) -> str:
    """The id of the account that a field points at, in a query."""
    return f"'{parent}->Accounts.id'" if parent in POLYMORPHIC else f"{parent}.id"


def _entries(body: Any) -> list[Any]:
    found = body.get("fields") if isinstance(body, dict) else None
    return found if isinstance(found, list) else []
