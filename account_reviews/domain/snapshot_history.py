"""What a CRM without histories does not say: told from the last snapshot that we stored. Pure.

A CRM that shows a record only as it stands says neither since when a deal is in its stage nor who
had the account before. The snapshot before this one may: what differs changed between the two.
"""

from datetime import datetime, timedelta

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.records import (
    AccountSnapshot,
    Deal,
    DealStage,
    Owner,
    SnapshotLimits,
    StageChange,
)


class DealThen(Model):
    """A deal as an earlier snapshot has it."""

    id: str
    stage: DealStage
    stage_changed_at: Timestamp | None = None
    stage_history: tuple[StageChange, ...] = ()


class LastSeen(Model):
    """What of an earlier snapshot is asked."""

    owner_id: str | None = None
    owner: Owner | None = None
    previous_owner: Owner | None = None
    owner_changed_at: Timestamp | None = None
    deals: tuple[DealThen, ...] = ()


def with_history(
    snapshot: AccountSnapshot, last: LastSeen | None, limits: SnapshotLimits
) -> AccountSnapshot:
    """The snapshot with what `last` adds to it; what it says by itself stays as it is.

    A change that lies between the two is dated as late as it can have been: when the CRM says that
    the record was changed last, else when it was read. Nothing is later than the clock of the
    snapshot, no history goes back in time, and an owner of before the look-back window is nobody's.
    """
    if last is None:
        return snapshot
    then = {deal.id: deal for deal in last.deals}
    deals = tuple(
        _dated(deal, then[deal.id], snapshot) if deal.id in then else deal
        for deal in snapshot.deals
    )
    update: dict[str, object] = {"deals": deals}
    if snapshot.previous_owner is None:
        update |= _owner_before(snapshot, last, limits)
    return snapshot.model_copy(update=update)


def _dated(deal: Deal, then: DealThen, snapshot: AccountSnapshot) -> Deal:
    """The deal with when its stages began, as far as that is known."""
    if deal.stage_changed_at is not None or deal.stage_history:
        return deal
    known = tuple(one for one in then.stage_history if one.at <= snapshot.as_of)
    since = then.stage_changed_at
    if deal.stage is not then.stage:
        since = _latest(deal.modified_at, snapshot)
        if known:
            since = max(since, known[-1].at)
        known = (*known, StageChange(stage=deal.stage, at=since))
    elif since is not None and since > snapshot.as_of:
        since = None
    return deal.model_copy(update={"stage_changed_at": since, "stage_history": known})


def _owner_before(
    snapshot: AccountSnapshot, last: LastSeen, limits: SnapshotLimits
) -> dict[str, object]:
    account = snapshot.account
    before, since = last.previous_owner, last.owner_changed_at
    if account.owner_id != last.owner_id:
        before, since = last.owner, _latest(account.modified_at, snapshot)
    begin = snapshot.as_of - timedelta(days=limits.lookback_days)
    if since is None or not begin <= since <= snapshot.as_of:
        return {}
    return {"previous_owner": before, "owner_changed_at": since}


def _latest(modified_at: datetime | None, snapshot: AccountSnapshot) -> datetime:
    """The last moment at which what differs can have changed."""
    read_at = min(snapshot.fetched_at, snapshot.as_of)
    return read_at if modified_at is None else min(modified_at, read_at)
