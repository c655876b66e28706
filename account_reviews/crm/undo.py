"""What it takes to take a write back, from what the CRM shows now."""

from datetime import UTC, datetime
from typing import NamedTuple

from account_reviews.crm.merged import refuse_merged
from account_reviews.crm.protocol import CrmBackend, Wanted
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import AccountSnapshot, RecordRef, RecordType, SnapshotLimits
from account_reviews.domain.review.state import ReviewState, UndoOf
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.domain.review.undo import (
    Recorded,
    item_of,
    propose_undo,
    recorded_by,
    why_not,
)


class Prepared(NamedTuple):
    """The account as it is now, and the write that takes another one back, or why there is none."""

    snapshot: AccountSnapshot
    found: ProposedChange | str


async def prepare_undo(
    crm: CrmBackend,
    state: ReviewState,
    undo: UndoOf,
    made: ApplyResult | None,
    limits: SnapshotLimits,
    *,
    by: str,
) -> Prepared | str:
    """The exact write for one that the review `state` made; a sentence when the review itself says
    that there is none. `made`: what the ledger says of it, None when it says nothing. Errors of the
    CRM."""
    why = why_not(state, undo.change_id)
    if why is not None:
        return why
    item, write = item_of(state, undo.change_id), state.written[undo.change_id]
    assert item is not None
    recorded = recorded_by(state, undo.change_id)
    if made is not None:
        recorded = Recorded(before=made.before, written=made.current)
    snapshot = await crm.snapshot(state.account_id, as_of=datetime.now(UTC), limits=limits)
    refuse_merged(state.account_id, snapshot)
    wanted = Wanted(record=write.record, fields=tuple(recorded.written))
    (now,) = await crm.read_back((wanted,))
    if now is None:
        return Prepared(snapshot, f"the record of {item.change.title!r} is gone from the CRM")
    record = _as_it_is(snapshot, write.record)
    reason = undo.reason
    return Prepared(
        snapshot, propose_undo(item.change, recorded, record, now, by=by, reason=reason)
    )


def _as_it_is(snapshot: AccountSnapshot, record: RecordRef) -> RecordRef:
    """With its version now. One beyond what is read keeps that of the write: when it has changed,
    the write finds out."""
    among = {
        RecordType.ACCOUNT: (snapshot.account,),
        RecordType.DEAL: snapshot.deals,
        RecordType.CONTACT: snapshot.contacts,
    }.get(record.type, ())
    found = next((one for one in among if one.id == record.id), None)
    return record if found is None else record.model_copy(update={"version": found.version})
