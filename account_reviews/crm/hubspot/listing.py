"""Lists of companies: searches windowed by id, so that none comes to where searches end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from account_reviews.crm.hubspot.changes import Changes, at_least
from account_reviews.crm.hubspot.client import Found, HubSpotApi, is_record_id
from account_reviews.crm.hubspot.fields import OWNER, Fields
from account_reviews.crm.hubspot.portal import Portal
from account_reviews.crm.protocol import AccountFilter, AccountPage
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import Account, AccountStatus, RecordType

Group = Sequence[Mapping[str, Any]]


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
        ended = page.is_last
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
        every.append(at_least("hs_lastmodifieddate", where.changed_since))
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


def _order(record_id: str) -> tuple[int, str]:
    """Ids are numbers in text."""
    return len(record_id), record_id
