"""What changed in a portal, by searches of each type of record."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping
from account_reviews.crm.hubspot.client import HubSpotApi, is_record_id
from account_reviews.crm.hubspot.fields import Fields
from account_reviews.crm.hubspot.portal import FRESH
from account_reviews.crm.hubspot.values import milliseconds
from account_reviews.crm.protocol import ChangedPage
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import RecordRef, RecordType

_PAGE: Final = 200
_KEPT: Final = 4
_CHANGED_AT: Final = {"contacts": "lastmodifieddate"}
"""The property of the last change, where it is called otherwise."""


@dataclass
class _Progress:
    """Which companies have records that changed, as far as it has been found out."""

    began: float
    above: dict[str, str] = field(default_factory=dict)
    """Type -> the last id that was looked at."""
    done: set[str] = field(default_factory=set)
    companies: set[str] = field(default_factory=set)


class Changes:
    """Companies of which a record changed, found once per moment and process.

    A deal that moves on is no change of its company in HubSpot. What was found stays, page by page,
    when a call fails in between.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[datetime, _Progress] = {}

    async def since(self, api: HubSpotApi, fields: Fields, moment: datetime) -> set[str]:
        """Ids of the companies."""
        progress = self._known.get(moment)
        if progress is None or self._clock() - progress.began > FRESH:
            self._known = dict(list(self._known.items())[-_KEPT + 1 :])
            progress = self._known[moment] = _Progress(self._clock())
        (accounts,) = fields.mapping.of(RecordType.ACCOUNT)
        for module in _modules(fields.mapping):
            if module.record is not RecordType.ACCOUNT:
                await self._look(api, module.module, accounts.module, moment, progress)
        return progress.companies

    async def _look(
        self, api: HubSpotApi, kind: str, companies: str, moment: datetime, progress: _Progress
    ) -> None:
        group = [_changed_at(kind, moment)]
        while kind not in progress.done:
            above = progress.above.get(kind)
            page = await api.search(kind, [group], (), above=above, limit=_PAGE)
            ids = [one.id for one in page.items]
            if ids:
                holders = await api.associated(kind, ids, companies, most=_PAGE)
                progress.companies |= {one for some in holders.values() for one in some}
                progress.above[kind] = ids[-1]
            if page.is_last:
                progress.done.add(kind)


async def changed_records(
    api: HubSpotApi, fields: Fields, since: datetime, cursor: str | None
) -> ChangedPage:
    """A page of the records that changed, one type after the other, each by id.

    The cursor is the type and the last id. BadInputError for another one.
    """
    modules = _modules(fields.mapping)
    kind, _, above = (cursor or f"{modules[0].module}/").partition("/")
    at = next((n for n, one in enumerate(modules) if one.module == kind), None)
    if at is None or (above and not is_record_id(above)):
        raise BadInputError(f"{cursor!r} is no place in HubSpot's changes")
    module = modules[at]
    page = await api.search(
        kind, [[_changed_at(kind, since)]], fields.wanted(module), above=above or None, limit=_PAGE
    )
    items = tuple(
        RecordRef(type=module.record, id=one.id, version=fields.version(module, one.properties))
        for one in page.items
    )
    if not page.is_last:
        following: str | None = f"{kind}/{items[-1].id}"
    else:
        following = f"{modules[at + 1].module}/" if at + 1 < len(modules) else None
    return ChangedPage(items=items, next_cursor=following)


def at_least(name: str, moment: datetime) -> dict[str, Any]:
    """The filter of a search for what is not older."""
    return {"propertyName": name, "operator": "GTE", "value": str(milliseconds(moment))}


def _changed_at(kind: str, moment: datetime) -> dict[str, Any]:
    return at_least(_CHANGED_AT.get(kind, "hs_lastmodifieddate"), moment)


def _modules(mapping: FieldMapping) -> list[ModuleMapping]:
    """Each type once."""
    found = {one.module: one for one in mapping.modules if one.record is not RecordType.OWNER}
    return list(found.values())
