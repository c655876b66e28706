"""Lists of companies: searches windowed by id, so that none comes to where searches end."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from account_reviews.crm.hubspot.client import Found, HubSpotApi, is_record_id
from account_reviews.crm.hubspot.fields import OWNER, Fields
from account_reviews.crm.hubspot.portal import FRESH, Portal
from account_reviews.crm.hubspot.values import milliseconds
from account_reviews.crm.protocol import AccountFilter, AccountPage
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import Account, AccountStatus, RecordType

_PAGE: Final = 200
_KEPT: Final = 4
_CHANGED_AT: Final = {"contacts": "lastmodifieddate"}
"""The property of the last change, where it is called otherwise."""
Group = Sequence[Mapping[str, Any]]


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
        kinds = [
            one.module
            for one in fields.mapping.modules
            if one.record not in (RecordType.ACCOUNT, RecordType.OWNER)
        ]
        for kind in dict.fromkeys(kinds):
            await self._look(api, kind, accounts.module, moment, progress)
        return progress.companies

    async def _look(
        self, api: HubSpotApi, kind: str, companies: str, moment: datetime, progress: _Progress
    ) -> None:
        name = _CHANGED_AT.get(kind, "hs_lastmodifieddate")
        group = [_at_least(name, moment)]
        while kind not in progress.done:
            above = progress.above.get(kind)
            page = await api.search(kind, [group], (), above=above, limit=_PAGE)
            ids = [one.id for one in page.items]
            if ids:
                holders = await api.associated(kind, ids, companies, most=_PAGE)
                progress.companies |= {one for some in holders.values() for one in some}
                progress.above[kind] = ids[-1]
            if page.total <= len(ids) or not ids:
                progress.done.add(kind)


@dataclass(frozen=True)
class _Wanted:
    """A filter in HubSpot's terms. `owners`: ids, None for anybody."""

    where: AccountFilter
    owners: frozenset[str] | None

    def fits(self, account: Account) -> bool:
        where = self.where
        if self.owners is not None and account.owner_id not in self.owners:
            return False
        if where.segment is not None and account.segment != where.segment:
            return False
        return not where.statuses or account.status in (None, *where.statuses)


async def list_companies(
    api: HubSpotApi,
    portal: Portal,
    changes: Changes,
    where: AccountFilter,
    *,
    cursor: str | None,
    limit: int,
) -> AccountPage:
    """Accounts by id; the cursor is the last id of the page before. BadInputError for another."""
    if cursor is not None and not is_record_id(cursor):
        raise BadInputError(f"{cursor!r} is no place in a list of HubSpot's accounts")
    owners = await _owners_of(portal, where.owner)
    if owners is not None and not owners:
        return AccountPage(items=())
    fields, wanted = await portal.fields(), _Wanted(where, owners)
    changed: set[str] = set()
    if where.changed_since is not None:
        changed = await changes.since(api, fields, where.changed_since)
    if where.account_ids is not None:
        return await _named(api, fields, wanted, changed, cursor, limit)
    groups = await _groups(portal, fields, wanted)
    if groups is None:
        return AccountPage(items=())
    return await _searched(api, fields, wanted, groups, changed, cursor, limit)


async def _named(
    api: HubSpotApi,
    fields: Fields,
    wanted: _Wanted,
    changed: set[str],
    cursor: str | None,
    limit: int,
) -> AccountPage:
    """Accounts that were asked for by id: read, not searched for."""
    asked = sorted({one for one in wanted.where.account_ids or () if is_record_id(one)}, key=_order)
    left = [one for one in asked if cursor is None or _order(one) > _order(cursor)]
    page = left[:limit]
    since = wanted.where.changed_since
    found = {
        one.id: one
        for one in await _read(api, fields, page)
        if one.id in page or one.id not in asked
    }
    if since is not None:
        found = {key: one for key, one in found.items() if key in changed or _is_new(one, since)}
    accounts = [fields.listed(one) for one in found.values()]
    items = sorted((one for one in accounts if wanted.fits(one)), key=lambda one: _order(one.id))
    return AccountPage(items=tuple(items), next_cursor=page[-1] if len(left) > limit else None)


async def _searched(
    api: HubSpotApi,
    fields: Fields,
    wanted: _Wanted,
    groups: Sequence[Group],
    changed: set[str],
    cursor: str | None,
    limit: int,
) -> AccountPage:
    module = fields.module(RecordType.ACCOUNT)
    found: dict[str, Account] = {}
    above, ended = cursor, False
    while len(found) < limit and not ended:
        page = await api.search(
            module.module, groups, fields.wanted(module), above=above, limit=limit - len(found)
        )
        ended = page.total <= len(page.items) or not page.items
        until = None if ended else page.items[-1].id
        beside = [one for one in changed if _between(one, above, until)]
        more = await _read(api, fields, beside)
        for one in (*page.items, *more):
            account = fields.listed(one)
            if wanted.fits(account) and _between(one.id, above, until):
                found[account.id] = account
        above = until
    items = sorted(found.values(), key=lambda one: _order(one.id))
    if len(items) > limit:
        return AccountPage(items=tuple(items[:limit]), next_cursor=items[limit - 1].id)
    return AccountPage(items=tuple(items), next_cursor=None if ended else above)


async def _groups(portal: Portal, fields: Fields, wanted: _Wanted) -> list[Group] | None:
    """The filter as HubSpot takes it: any group fits. None: nothing can fit."""
    module = fields.module(RecordType.ACCOUNT)
    where = wanted.where
    every: list[Mapping[str, Any]] = []
    if wanted.owners is not None:
        every.append({"propertyName": OWNER, "operator": "IN", "values": sorted(wanted.owners)})
    if where.changed_since is not None:
        every.append(_at_least("hs_lastmodifieddate", where.changed_since))
    if where.segment is not None:
        name = await _known_property(portal, fields, "segment")
        if name is None:
            return None
        value = module.fields["segment"].in_crm(where.segment)
        every.append({"propertyName": name, "operator": "EQ", "value": value})
    status = await _known_property(portal, fields, "status") if where.statuses else None
    if status is None:
        return [every]
    rule = module.fields["status"]
    others = [one.value for one in AccountStatus if one not in where.statuses]
    texts = {text for text, ours in (rule.values or {}).items() if ours in others}
    texts |= {one for one in others if one not in (rule.values or {})}
    unknown = {"propertyName": status, "operator": "NOT_HAS_PROPERTY"}
    if not texts:
        return [every]
    known = {"propertyName": status, "operator": "NOT_IN", "values": sorted(texts)}
    return [[*every, known], [*every, unknown]]


async def _known_property(portal: Portal, fields: Fields, name: str) -> str | None:
    """The property behind a field of ours, where the portal has it."""
    module = fields.module(RecordType.ACCOUNT)
    rule = module.fields.get(name)
    if rule is None or rule.field is None:
        return None
    return rule.field if rule.field in await portal.properties(module.module) else None


async def _owners_of(portal: Portal, owner: str | None) -> frozenset[str] | None:
    """Ids of the owners that are meant: by id, or all of exactly that name."""
    if owner is None:
        return None
    everybody = await portal.owners()
    return frozenset(one.id for one in everybody.values() if owner in (one.id, one.name))


async def _read(api: HubSpotApi, fields: Fields, ids: Iterable[str]) -> tuple[Found, ...]:
    module = fields.module(RecordType.ACCOUNT)
    return await api.read(module.module, sorted(ids, key=_order), fields.wanted(module))


def _is_new(found: Found, since: datetime) -> bool:
    at = found.changed_at
    return at is None or at >= since


def _between(one: str, above: str | None, until: str | None) -> bool:
    after = above is None or _order(one) > _order(above)
    return after and (until is None or _order(one) <= _order(until))


def _at_least(name: str, moment: datetime) -> dict[str, Any]:
    return {"propertyName": name, "operator": "GTE", "value": str(milliseconds(moment))}


def _order(record_id: str) -> tuple[int, str]:
    """Ids are numbers in text."""
    return len(record_id), record_id
