"""What our own approved writes have left in an account, so that it is told as no news."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import Field, ValidationError

from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.records import (
    OPEN_TASKS,
    AccountSnapshot,
    Record,
    RecordRef,
    RecordType,
    Task,
    task_word,
)

_Kind = TypeVar("_Kind", bound=Record)


class OwnWrite(Model):
    """One write of ours that stands in the CRM. `record` is what it made or changed."""

    change_id: str
    action: Action
    record: RecordRef
    after: dict[str, Scalar] = Field(default_factory=dict)
    at: Timestamp


def with_own_writes(baseline: AccountSnapshot, writes: Sequence[OwnWrite]) -> AccountSnapshot:
    """The baseline as our writes since have left it: what differs from it somebody else did."""
    updates = [write for write in writes if not write.action.creates]
    if not updates:
        return baseline
    return baseline.model_copy(
        update={
            "account": _written(baseline.account, RecordType.ACCOUNT, updates),
            "deals": tuple(_written(one, RecordType.DEAL, updates) for one in baseline.deals),
            "contacts": tuple(
                _written(one, RecordType.CONTACT, updates) for one in baseline.contacts
            ),
        }
    )


def last_written(record: RecordRef, field: str, writes: Iterable[OwnWrite]) -> Scalar:
    """What we wrote last to that field; None where we wrote nothing."""
    ours = [
        write
        for write in writes
        if (write.record.type, write.record.id) == (record.type, record.id) and field in write.after
    ]
    return max(ours, key=lambda write: write.at).after[field] if ours else None


def open_copy(
    change: ProposedChange, tasks: Iterable[Task], writes: Sequence[OwnWrite]
) -> Task | None:
    """The open task in the CRM that is what this change would make; the earliest due of several.

    It is one when a write of this very change made it, or when its subject is the same.
    """
    if change.action is not Action.CREATE_TASK:
        return None
    made = {
        write.record.id
        for write in writes
        if write.action is Action.CREATE_TASK and write.change_id == change.change_id
    }
    subject = _plain(str(change.after.get("subject") or ""))
    found = [
        task
        for task in tasks
        if task_word(task.status) in OPEN_TASKS
        and (task.id in made or (subject and _plain(task.subject) == subject))
    ]
    return min(found, key=lambda task: (task.due_at is None, task.due_at, task.id), default=None)


def _written(record: _Kind, kind: RecordType, writes: Iterable[OwnWrite]) -> _Kind:
    known = type(record).model_fields
    fields: dict[str, Scalar] = {}
    for write in sorted(writes, key=lambda one: one.at):
        if write.record.type is kind and write.record.id == record.id:
            fields |= {name: value for name, value in write.after.items() if name in known}
    if not fields:
        return record
    try:
        return type(record).model_validate({**record.model_dump(), **fields})
    except ValidationError:  # of a release that wrote other values: then it is told
        return record


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
