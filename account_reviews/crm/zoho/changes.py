"""Which accounts have changed, by the lists of all modules."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping
from account_reviews.crm.zoho.client import ZohoApi
from account_reviews.crm.zoho.fields import MODIFIED_TIME, OrgFields, stamp
from account_reviews.domain.errors import CrmInvalidError, CrmRecordNotFoundError
from account_reviews.domain.records import RecordType

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
