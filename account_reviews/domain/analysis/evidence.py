"""Evidence: how a CRM record and its field are cited."""

from collections.abc import Iterable
from datetime import datetime

from account_reviews.domain.analysis.model import Evidence
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.canonical import content_hash, plain
from account_reviews.domain.memory import MemoryHit
from account_reviews.domain.records import (
    Account,
    Activity,
    Contact,
    Deal,
    Owner,
    Record,
    RecordRef,
    RecordType,
    Task,
)

_TYPES: dict[type[Record], RecordType] = {
    Account: RecordType.ACCOUNT,
    Activity: RecordType.ACTIVITY,
    Contact: RecordType.CONTACT,
    Deal: RecordType.DEAL,
    Owner: RecordType.OWNER,
    Task: RecordType.TASK,
}

MEASURED = frozenset({"activities", "recent_activities", "previous_activities", "interactions"})
"""Counts over a moving window. They change from day to day without anything happening."""


def ref(record: Record) -> RecordRef:
    """Points at a record, with its version and link."""
    name = getattr(record, "name", None) or getattr(record, "subject", None)
    return RecordRef(
        type=_TYPES[type(record)],
        id=record.id,
        name=name,
        version=record.version,
        url=record.url,
    )


def scalar(value: object) -> Scalar:
    """A field value in its wire form."""
    found = plain(value)
    assert found is None or isinstance(found, str | int | float | bool)
    return found


def cite(record: Record, field: str, *, at: Timestamp | None = None) -> Evidence:
    """A field of a record as it stands."""
    return Evidence(record=ref(record), field=field, value=scalar(getattr(record, field)), at=at)


def cite_count(record: Record, field: str, count: int, at: Timestamp | None) -> Evidence:
    """A count over the records of an account; `field` is one of MEASURED."""
    assert field in MEASURED
    return Evidence(record=ref(record), field=field, value=count, at=at)


def cite_change(
    record: Record, field: str, before: Scalar, after: Scalar, at: Timestamp | None
) -> Evidence:
    """A field that differs from the baseline."""
    return Evidence(record=ref(record), field=field, before=before, after=after, value=after, at=at)


def cite_memory(hit: MemoryHit) -> Evidence:
    """What is remembered, by its kind and title."""
    record = RecordRef(type=RecordType.NOTE, id=hit.id, name=hit.title, url=hit.source.url)
    return Evidence(record=record, field="memory", value=hit.kind, at=hit.occurred_at)


def evidence_hash(evidence: Iterable[Evidence]) -> str:
    """What the evidence says, without record versions, times of reading and moving counts."""
    facts = {
        content_hash(
            {
                "type": item.record.type,
                "id": item.record.id,
                "field": item.field,
                "before": item.before,
                "after": item.after,
                "value": None if item.field in MEASURED else item.value,
            }
        )
        for item in evidence
    }
    return content_hash(sorted(facts))


def same_moment(value: Scalar, at: datetime | None) -> bool:
    """Whether a value is the time `at`, and not only its day."""
    if not isinstance(value, str) or at is None or len(value) <= 10:
        return False
    try:
        return datetime.fromisoformat(value) == at
    except (ValueError, TypeError):
        return False
