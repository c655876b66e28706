"""Which accounts have changed, by the lists of all modules."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping
from account_reviews.crm.protocol import ChangedPage
from account_reviews.crm.zoho.client import MOST_FIELDS, ZohoApi
from account_reviews.crm.zoho.fields import MODIFIED_TIME, OrgFields, stamp
from account_reviews.crm.zoho.records import Records
from account_reviews.domain.errors import (
    BadInputError,
    CrmInvalidError,
    CrmRecordNotFoundError,
)
from account_reviews.domain.records import RecordRef, RecordType

OVERLAP: Final = timedelta(seconds=2)
"""Times have whole seconds, and what is written while a list is read may come late."""
_KEPT_SECONDS: Final = 120.0
_KEPT: Final = 8


class Changes:
    """Accounts of which something changed since a moment: their ids, for a while kept, since a list
    of accounts is read in pages."""

    def __init__(
        self,
        api: ZohoApi,
        fields: OrgFields,
        mapping: FieldMapping,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._fields = fields
        self._mapping = mapping
        self._clock = clock
        self._kept: dict[datetime, tuple[float, frozenset[str]]] = {}

    async def since(self, moment: datetime, *, anew: bool) -> frozenset[str]:
        """The ids. `anew`: also when what was found last is kept."""
        at, kept = self._kept.get(moment, (float("-inf"), frozenset[str]()))
        if not anew and self._clock() - at < _KEPT_SECONDS:
            return kept
        found = await asyncio.gather(
            *(self._of_module(module, moment) for module in self._mapping.modules)
        )
        together = frozenset[str]().union(*found)
        self._kept[moment] = (self._clock(), together)
        while len(self._kept) > _KEPT:
            del self._kept[min(self._kept, key=lambda one: self._kept[one][0])]
        return together

    async def _of_module(self, module: ModuleMapping, moment: datetime) -> set[str]:
        """Accounts whose records of a module changed, each record taken once per version."""
        rule = module.fields.get("account_id")
        parent = None if module.record is RecordType.ACCOUNT or rule is None else rule.field
        fields = ["id", MODIFIED_TIME, *([parent] if parent else [])]
        headers = {"If-Modified-Since": stamp(moment - OVERLAP)}
        seen: set[tuple[str, str]] = set()
        accounts: set[str] = set()
        try:
            async for page in self._api.pages(f"/{module.module}", fields, headers):
                for row in page:
                    version = (row["id"], str(row.get(MODIFIED_TIME)))
                    if version in seen:
                        continue
                    seen.add(version)
                    held = row.get(parent) if parent else {"id": row["id"]}
                    account = held.get("id") if isinstance(held, dict) else held
                    if account is not None:
                        accounts.add(str(account))
        except (CrmInvalidError, CrmRecordNotFoundError) as error:
            self._fields.tell(module.module, "*", f"changes cannot be listed: {error.message}")
        return accounts

    async def records(self, records: Records, since: datetime, cursor: str | None) -> ChangedPage:
        """A page of what changed, module by module, with the versions of records.

        BadInputError for a cursor that is none.
        """
        number, where = _place_of(cursor, len(self._mapping.modules))
        module = self._mapping.modules[number]
        fields = await self._fields_of(module)
        headers = {"If-Modified-Since": stamp(since - OVERLAP)}
        rows: list[dict[str, Any]] = []
        further: dict[str, Any] | None = None
        try:
            rows, further = await self._api.page(f"/{module.module}", fields, where, headers)
        except (CrmInvalidError, CrmRecordNotFoundError) as error:
            self._fields.tell(module.module, "*", f"changes cannot be listed: {error.message}")
        items = tuple(
            RecordRef(
                type=module.record,
                id=row["id"],
                version=records.version(module, row, records.read(module, row).values),
            )
            for row in rows
        )
        if further is not None:
            return ChangedPage(items=items, next_cursor=json.dumps([number, further]))
        last = number + 1 == len(self._mapping.modules)
        return ChangedPage(items=items, next_cursor=None if last else json.dumps([number + 1, {}]))

    async def _fields_of(self, module: ModuleMapping) -> list[str]:
        """What a version is made of."""
        readable = set(await self._fields.readable(module))
        written = [module.fields[name].field for name in module.writable()]
        wanted = ["id", MODIFIED_TIME, *(one for one in written if one in readable)]
        return [one for one in dict.fromkeys(wanted) if one is not None][:MOST_FIELDS]


def _place_of(cursor: str | None, modules: int) -> tuple[int, dict[str, Any]]:
    """(which module, where in its list)."""
    if cursor is None:
        return 0, {"page": 1}
    try:
        number, where = json.loads(cursor)
        if 0 <= number < modules:
            return number, dict(where) or {"page": 1}
    except (ValueError, TypeError):
        pass
    raise BadInputError(f"{cursor!r} is no cursor of a list of changes")
