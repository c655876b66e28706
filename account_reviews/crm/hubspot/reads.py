"""Snapshots: companies with all that belongs to them, many in few calls."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from account_reviews.crm.assembly import AccountRecords, assemble
from account_reviews.crm.field_mapping import ModuleMapping
from account_reviews.crm.hubspot.client import Found, HubSpotApi
from account_reviews.crm.hubspot.fields import OWNER, STAGE, Fields
from account_reviews.crm.hubspot.portal import Portal
from account_reviews.crm.hubspot.values import moment
from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import CrmUnreadableError
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    Activity,
    Contact,
    Deal,
    Note,
    Owner,
    Record,
    RecordType,
    SnapshotLimits,
    Task,
)

MOST: Final = 1000
"""Records of one type that are read of one account: the newest."""
_COUNTED: Final = 20_000
"""Those that are counted."""
SOURCE: Final = "hubspot"


@dataclass
class _Read:
    """One account as far as it has been read."""

    company: Found
    records: list[Record] = field(default_factory=list)
    totals: dict[RecordType, int] = field(default_factory=dict)
    cut: set[RecordType] = field(default_factory=set)
    fault: CrmUnreadableError | None = None


@dataclass(frozen=True)
class Snapshots:
    """By the id that was asked for. `unreadable`: why one could not be read."""

    found: dict[str, AccountSnapshot]
    unreadable: dict[str, CrmUnreadableError]


async def read_snapshots(
    api: HubSpotApi,
    portal: Portal,
    account_ids: Sequence[str],
    *,
    as_of: Timestamp,
    limits: SnapshotLimits,
) -> Snapshots:
    """Those that there are. One call per 50 companies, one per type of record for what belongs to
    them, one per 100 of these (50 deals)."""
    fields = await portal.fields()
    accounts = fields.module(RecordType.ACCOUNT)
    histories = [OWNER] if _reads(accounts, OWNER) else []
    companies = await api.read(
        accounts.module, account_ids, fields.wanted(accounts), histories=histories
    )
    reads = {one.id: _Read(one) for one in companies if one.id in set(account_ids)}
    if not reads:
        return Snapshots({}, {})
    modules = [one for one in fields.mapping.modules if one.record not in _NOT_BELOW]
    owners = await portal.owners()
    await asyncio.gather(*(_read_module(api, portal, accounts, one, reads) for one in modules))
    fetched = datetime.now(UTC)
    snapshots, unreadable = {}, {}
    for account_id, read in reads.items():
        try:
            records = _records_of(fields, accounts, read, owners, as_of, limits)
        except CrmUnreadableError as error:
            unreadable[account_id] = error
            continue
        snapshots[account_id] = assemble(
            records, as_of=as_of, limits=limits, fetched_at=fetched, source=SOURCE
        )
    return Snapshots(snapshots, unreadable)


_NOT_BELOW: Final = (RecordType.ACCOUNT, RecordType.OWNER)


async def _read_module(
    api: HubSpotApi,
    portal: Portal,
    accounts: ModuleMapping,
    module: ModuleMapping,
    reads: Mapping[str, _Read],
) -> None:
    """All records of one type that belong to the accounts, noted at each of them."""
    belonging = await api.associated(accounts.module, list(reads), module.module, most=_COUNTED)
    ids = {one: belonging[one][:MOST] for one in reads}
    histories = [STAGE] if _reads(module, STAGE) else []
    wanted = (await portal.fields()).wanted(module)
    every = [one for some in ids.values() for one in some]
    found = {
        one.id: one for one in await api.read(module.module, every, wanted, histories=histories)
    }
    fields = await portal.fields_for(module, found.values())
    for account_id, read in reads.items():
        _note(fields, module, read, [found[one] for one in ids[account_id] if one in found])
        if len(belonging[account_id]) > MOST:
            read.cut.add(module.record)
        total = read.totals.get(module.record, 0) + len(belonging[account_id])
        read.totals[module.record] = total


def _note(fields: Fields, module: ModuleMapping, read: _Read, found: Sequence[Found]) -> None:
    for one in found:
        try:
            read.records.append(fields.record(module, one, read.company.id))
        except CrmUnreadableError as error:
            read.fault = read.fault or error


def _records_of(
    fields: Fields,
    accounts: ModuleMapping,
    read: _Read,
    owners: Mapping[str, Owner],
    as_of: datetime,
    limits: SnapshotLimits,
) -> AccountRecords:
    if read.fault is not None:
        raise read.fault
    account = fields.record(accounts, read.company, read.company.id)
    assert isinstance(account, Account)
    since = as_of - timedelta(days=limits.lookback_days)
    records = [_as_of(one, as_of) for one in read.records]
    held = {kind for kind in fields.mapping.records() if kind is not RecordType.OWNER}
    return AccountRecords(
        account=account,
        modules=frozenset(held | {RecordType.OWNER}),
        contacts=[one for one in records if isinstance(one, Contact)],
        deals=[one for one in records if isinstance(one, Deal)],
        activities=[one for one in records if isinstance(one, Activity)],
        notes=[one for one in records if isinstance(one, Note)],
        tasks=[one for one in records if isinstance(one, Task)],
        owners=owners,
        previous_owner=_previous_owner(read.company, owners, since, as_of),
        totals={kind: total for kind, total in read.totals.items() if kind in read.cut},
    )


def _as_of(record: Record, as_of: datetime) -> Record:
    """Stages that a deal came to later are not shown."""
    if not isinstance(record, Deal) or not record.stage_history:
        return record
    steps = tuple(step for step in record.stage_history if step.at <= as_of)
    changed = record.stage_changed_at or (steps[-1].at if steps else None)
    return record.model_copy(update={"stage_history": steps, "stage_changed_at": changed})


def _previous_owner(
    company: Found, owners: Mapping[str, Owner], since: datetime, as_of: datetime
) -> Owner | None:
    """Whoever had it before the last change, if that was within the window."""
    steps = [
        (at, str(entry.get("value") or ""))
        for entry in company.histories.get(OWNER, ())
        if (at := _moment(entry.get("timestamp"))) is not None and at <= as_of
    ]
    steps.sort(key=lambda step: step[0], reverse=True)
    if len(steps) < 2 or steps[0][0] < since:
        return None
    return owners.get(steps[1][1])


def _reads(module: ModuleMapping, crm_field: str) -> bool:
    return any(rule.field == crm_field for rule in module.fields.values())


def _moment(value: object) -> datetime | None:
    try:
        return moment(value)
    except ValueError:
        return None
