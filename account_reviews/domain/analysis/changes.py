"""What differs from the snapshot of the last review.

A change is something that happened since; a standing condition (a deal that is still stalled) is a
finding of every review, but a change only in the one in which it began.
"""

from collections.abc import Iterator

from account_reviews.domain.analysis.evidence import ref, scalar
from account_reviews.domain.analysis.facts import Facts, stage_since
from account_reviews.domain.analysis.model import DetectedChange
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.records import Account, Contact, Deal, DealStage, Record, RecordType

IGNORED = frozenset({"id", "version", "url", "modified_at", "custom"})
"""Account fields that say when or where something was read, not what it says; `custom` is
compared key by key."""

ATTENTION = frozenset({"owner_change", "status_change", "deal_stalled", "inactivity_threshold"})
"""What is worth a person's look. That an account is reviewed for the first time is not."""

_TYPES = {
    "owner_id": "owner_change",
    "status": "status_change",
    "annual_revenue": "revenue_change",
}

_ORDER = (
    DealStage.PROSPECTING,
    DealStage.QUALIFICATION,
    DealStage.NEEDS_ANALYSIS,
    DealStage.VALUE_PROPOSITION,
    DealStage.PROPOSAL,
    DealStage.NEGOTIATION,
    DealStage.CLOSED_WON,
)

IDLE_LEVELS = ("idle_attention", "idle_signal", "idle_critical")


def detect_changes(facts: Facts, before: Facts | None) -> tuple[DetectedChange, ...]:
    """All changes since `before`. Without one the account itself is new."""
    if before is None:
        return (_change("new_account", facts.account, "id", (None, facts.account.id), facts.as_of),)
    return (
        *_account_fields(facts, before.account),
        *_contacts(facts, before),
        *_deals(facts, before),
        *_activities(facts, before),
        *_thresholds(facts, before),
    )


def is_regression(before: Scalar, after: Scalar) -> bool:
    """True when a deal went back, was lost or was given up as stalled."""
    if after in (DealStage.CLOSED_LOST, DealStage.STALLED):
        return True
    places = {stage.value: place for place, stage in enumerate(_ORDER)}
    return places.get(str(after), 0) < places.get(str(before), 0)


def idle_level(facts: Facts) -> int:
    """How many of the inactivity thresholds are crossed, 0 when unknown."""
    idle = facts.idle
    if idle is None:
        return 0
    return sum(crosses(name, idle, facts.policy) for name in IDLE_LEVELS)


def _change(
    kind: str,
    record: Record,
    field: str,
    values: tuple[Scalar, Scalar],
    at: Timestamp | None,
) -> DetectedChange:
    before, after = values
    return DetectedChange(
        type=kind,
        record=ref(record),
        field=field,
        before=before,
        after=after,
        at=at,
        requires_attention=kind in ATTENTION
        or (kind == "deal_stage_change" and is_regression(before, after)),
    )


def _account_fields(facts: Facts, before: Account) -> Iterator[DetectedChange]:
    now = facts.account
    at = now.modified_at if now.modified_at and now.modified_at <= facts.as_of else facts.as_of
    for field in Account.model_fields:
        old, new = scalar_or_none(before, field), scalar_or_none(now, field)
        if field not in IGNORED and old != new:
            kind = _TYPES.get(field, "custom_field_modified")
            yield _change(kind, now, field, (old, new), at)
    for key in sorted({*before.custom, *now.custom}):
        previous, current = before.custom.get(key), now.custom.get(key)
        if previous != current:
            yield _change("custom_field_modified", now, f"custom.{key}", (previous, current), at)


def scalar_or_none(account: Account, field: str) -> Scalar:
    """A field's wire form; None for the fields that have none."""
    return None if field in IGNORED else scalar(getattr(account, field))


def _contacts(facts: Facts, before: Facts) -> Iterator[DetectedChange]:
    known = {contact.id for contact in before.snapshot.contacts}
    for contact in sorted(facts.snapshot.contacts, key=lambda item: item.id):
        if contact.id not in known and _is_new(contact, RecordType.CONTACT, before):
            at = contact.created_at or facts.as_of
            yield _change("contact_added", contact, "id", (None, contact.id), at)


def _deals(facts: Facts, before: Facts) -> Iterator[DetectedChange]:
    known = {deal.id: deal for deal in before.snapshot.deals}
    for deal in sorted(facts.snapshot.deals, key=lambda item: item.id):
        old = known.get(deal.id)
        at = stage_since(deal, facts.as_of) or facts.as_of
        if old is not None and old.stage is not deal.stage:
            yield _change("deal_stage_change", deal, "stage", (old.stage, deal.stage), at)
        elif old is None and _is_new(deal, RecordType.DEAL, before):
            created = deal.created_at or at
            yield _change("deal_stage_change", deal, "stage", (None, deal.stage), created)


def _is_new(record: Contact | Deal, module: RecordType, before: Facts) -> bool:
    """Made after the baseline; by its date, or because the baseline held all records."""
    if record.created_at is not None:
        return record.created_at > before.as_of
    snapshot = before.snapshot
    held = len(snapshot.contacts if module is RecordType.CONTACT else snapshot.deals)
    return before.has(module) and snapshot.totals.get(module, held) <= held


def _activities(facts: Facts, before: Facts) -> Iterator[DetectedChange]:
    held = before.snapshot
    seen = {item.id for item in held.activities} | {mark.id for mark in held.activity_marks}
    for item in sorted(facts.snapshot.activities, key=lambda activity: activity.id):
        made = item.created_at or item.at
        fresh = item.id not in seen and before.as_of < made <= facts.as_of
        if item.type.is_high_value and fresh:
            yield _change("high_value_activity", item, "type", (None, item.type), item.at)


def _thresholds(facts: Facts, before: Facts) -> Iterator[DetectedChange]:
    last = facts.last_activity
    if last is not None and idle_level(facts) > idle_level(before):
        value = last.value
        yield _change(
            "inactivity_threshold", facts.account, "last_activity_at", (None, value), facts.as_of
        )
    stalled_before = {item.deal.id for item in before.stalled}
    for item in facts.stalled:
        if item.deal.id not in stalled_before:
            since = stage_since(item.deal, facts.as_of)
            yield _change("deal_stalled", item.deal, "stage", (None, item.deal.stage), since)
