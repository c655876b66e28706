"""What is known of a portal for a while: its owners, properties, stages."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping
from account_reviews.crm.hubspot.client import Found, HubSpotApi
from account_reviews.crm.hubspot.fields import STAGE, Fields
from account_reviews.domain.errors import CrmPermissionError
from account_reviews.domain.records import Owner, RecordType

FRESH: Final = 900.0
"""Seconds that what is known of a portal is taken as it was."""
_ASKED_AGAIN: Final = 10.0
"""Seconds after which a miss is reason to ask again."""
_T = TypeVar("_T")


@dataclass
class _Kept(Generic[_T]):
    value: _T
    at: float


class _Cache(Generic[_T]):
    """One value that is fetched once for all who ask at a time."""

    def __init__(self, fetch: Callable[[], Awaitable[_T]], clock: Callable[[], float]) -> None:
        self._fetch, self._clock = fetch, clock
        self._kept: _Kept[_T] | None = None
        self._lock = asyncio.Lock()

    async def get(self, *, younger: float = FRESH) -> _T:
        async with self._lock:
            if self._kept is None or self._clock() - self._kept.at >= younger:
                self._kept = _Kept(await self._fetch(), self._clock())
            return self._kept.value


class Portal:
    """Asked by one process."""

    def __init__(
        self, api: HubSpotApi, mapping: FieldMapping, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self.mapping = mapping
        self._owners = _Cache(self._read_owners, clock)
        self._stages = _Cache(self._read_stages, clock)
        self._properties: dict[str, _Cache[dict[str, Mapping[str, Any]]]] = {}
        self._clock = clock
        self.lacks_unique: set[str] = set()
        """Types that lack the property for operations, as far as they were looked at."""

    async def fields(self) -> Fields:
        """The mapping, with the free fields of accounts."""
        free: tuple[str, ...] = ()
        if self.mapping.custom_prefixes:
            (accounts,) = self.mapping.of(RecordType.ACCOUNT)
            known = await self.properties(accounts.module)
            free = tuple(
                sorted(name for name in known if name.startswith(self.mapping.custom_prefixes))
            )
        return Fields(self.mapping, free=free)

    async def fields_for(self, module: ModuleMapping, found: Iterable[Found]) -> Fields:
        """The same, with the labels of stages where a deal has one that the mapping lacks."""
        fields = await self.fields()
        if module.record is not RecordType.DEAL:
            return fields
        seen = [
            {STAGE: value}
            for one in found
            for value in (
                one.properties.get(STAGE),
                *(entry.get("value") for entry in one.histories.get(STAGE, ())),
            )
        ]
        if any(fields.unknown_stages(one) for one in seen):
            fields.stages = await self.stages()
        return fields

    async def stages(self) -> dict[str, str]:
        """The stages of deals that the mapping does not name, by id: their labels."""
        named = {
            text
            for module in self.mapping.of(RecordType.DEAL)
            for rule in module.fields.values()
            for text in rule.values or ()
        }
        found = await self._stages.get()
        return {stage: label for stage, label in found.items() if stage not in named}

    async def owners(self) -> dict[str, Owner]:
        """Everybody by id."""
        return await self._owners.get()

    async def owners_again(self) -> dict[str, Owner]:
        """The same, when somebody is not among those that are known."""
        return await self._owners.get(younger=_ASKED_AGAIN)

    async def properties(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Of a type, by name."""
        cache = self._properties.get(kind)
        if cache is None:
            cache = _Cache(lambda: self._api.properties(kind), self._clock)
            self._properties[kind] = cache
        return await cache.get()

    async def unique_property(self, module: ModuleMapping) -> str | None:
        """The property for operations, where the portal has it and keeps it unique."""
        if module.operation_id is None:
            return None
        found = (await self.properties(module.module)).get(module.operation_id)
        if found is not None and found.get("hasUniqueValue"):
            self.lacks_unique.discard(module.module)
            return module.operation_id
        self.lacks_unique.add(module.module)
        return None

    async def _read_owners(self) -> dict[str, Owner]:
        found = {}
        for one in await self._api.owners():
            owner_id = str(one.get("id") or "")
            names = (one.get("firstName"), one.get("lastName"))
            name = " ".join(str(part) for part in names if part) or one.get("email") or owner_id
            if owner_id:
                found[owner_id] = Owner(
                    id=owner_id,
                    version=str(one.get("updatedAt") or ""),
                    name=str(name),
                    email=None if not one.get("email") else str(one["email"]),
                    active=not one.get("archived"),
                )
        return found

    async def _read_stages(self) -> dict[str, str]:
        """Labels by id; none where the app may not see pipelines."""
        try:
            found = await self._api.stages()
        except CrmPermissionError:
            return {}
        return {stage: str(one.get("label") or "") for stage, one in found.items()}
