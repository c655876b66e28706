"""A snapshot from the records of one account, by the rules that hold for every CRM. Pure.

Whatever a backend has read goes in here as it is: what had not happened by then is left out, lists
are ordered and cut, what was cut is counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from account_reviews.domain.base import Timestamp
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    Activity,
    ActivityMark,
    Contact,
    Deal,
    Note,
    Owner,
    Record,
    RecordType,
    SnapshotLimits,
    Task,
)

_R = TypeVar("_R", bound=Record)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class AccountRecords:
    """One account and all that was read of it, in any order.

    `modules` are those that the CRM holds at all: a list of one that is not among them is unknown,
    an empty list of one that is says that there is nothing. `totals` counts what the CRM has where
    it was not read to its end.
    """

    account: Account
    modules: frozenset[RecordType]
    contacts: Sequence[Contact] = ()
    deals: Sequence[Deal] = ()
    activities: Sequence[Activity] = ()
    notes: Sequence[Note] = ()
    tasks: Sequence[Task] = ()
    owners: Mapping[str, Owner] | None = None
    """By id: the owner, and those above him. None or missing: unknown."""
    previous_owner: Owner | None = None
    """Whoever had it before, when that changed within the look-back window."""
    totals: Mapping[RecordType, int | None] | None = None


def assemble(
    records: AccountRecords,
    *,
    as_of: Timestamp,
    limits: SnapshotLimits,
    fetched_at: Timestamp,
    source: str,
) -> AccountSnapshot:
    """The snapshot at `as_of`. What was created or happened later is not shown; tasks are, whenever
    they were made. Lists are newest first; open deals come before closed ones."""
    account = records.account
    if account.last_activity_at is not None and account.last_activity_at > as_of:
        account = account.model_copy(update={"last_activity_at": None})
    contacts = _newest(_by_then(records.contacts, as_of))
    deals = _newest(_by_then(records.deals, as_of))
    deals.sort(key=lambda deal: deal.stage.is_closed)
    activities = _newest(_by_then(records.activities, as_of))
    notes = _newest(_by_then(records.notes, as_of))
    tasks = _newest(records.tasks)
    since = as_of - timedelta(days=limits.lookback_days)
    found: dict[RecordType, int | None] = {
        RecordType.CONTACT: len(contacts),
        RecordType.DEAL: len(deals),
        RecordType.ACTIVITY: len(activities),
        RecordType.NOTE: len(notes),
        RecordType.TASK: len(tasks),
    }
    found |= records.totals or {}
    owners = records.owners or {}
    owner = owners.get(account.owner_id or "")
    return AccountSnapshot(
        account=account,
        owner=owner,
        previous_owner=records.previous_owner,
        manager=manager_of(owner, owners),
        contacts=tuple(contacts[: limits.contacts]),
        deals=tuple(deals[: limits.deals]),
        activities=tuple(activities[: limits.activities]),
        activity_marks=tuple(_mark(item) for item in activities if item.at >= since),
        notes=tuple(notes[: limits.notes]),
        tasks=tuple(tasks[: limits.tasks]),
        modules=records.modules,
        totals={
            kind: total
            for kind, total in found.items()
            if kind in records.modules and total is not None
        },
        fetched_at=fetched_at,
        as_of=as_of,
        source=source,
    )


def manager_of(owner: Owner | None, owners: Mapping[str, Owner]) -> Owner | None:
    """Of an owner who is no longer active: the nearest active manager, else his own one."""
    if owner is None or owner.active:
        return None
    own = found = owners.get(owner.manager_id or "")
    passed = {owner.id}
    while found is not None and found.id not in passed and not found.active:
        passed.add(found.id)
        found = owners.get(found.manager_id or "")
    best = own if found is None or found.id in passed else found
    return None if best is None or best.id == owner.id else best


def _by_then(records: Sequence[_R], as_of: datetime) -> list[_R]:
    return [one for one in records if all(moment <= as_of for moment in _moments(one))]


def _newest(records: Sequence[_R]) -> list[_R]:
    """Newest first; what is of one moment stands by id."""
    return sorted(sorted(records, key=lambda one: one.id), key=_newness, reverse=True)


def _moments(record: Record) -> list[datetime]:
    found = (getattr(record, "created_at", None), getattr(record, "at", None))
    return [moment for moment in found if moment is not None]


def _newness(record: Record) -> datetime:
    when = getattr(record, "at", None) or getattr(record, "created_at", None)
    return when if isinstance(when, datetime) else _LONG_AGO


def _mark(item: Activity) -> ActivityMark:
    return ActivityMark(id=item.id, type=item.type, at=item.at)
