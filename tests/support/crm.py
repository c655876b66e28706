"""A made-up account, and changes to it."""

from account_reviews.domain.base import Scalar
from account_reviews.domain.proposals import Action, ProposedChange, change_id, proposal_hash
from account_reviews.domain.records import RecordRef, RecordType


def ref(kind: RecordType, record_id: str) -> RecordRef:
    return RecordRef(type=kind, id=record_id)


ACCOUNT = ref(RecordType.ACCOUNT, "ac-1")


def change(
    action: Action,
    after: dict[str, Scalar],
    record: RecordRef | None = None,
    account_id: str = "ac-1",
) -> ProposedChange:
    target = record or RecordRef(
        type=RecordType.TASK if action is Action.CREATE_TASK else RecordType.NOTE
    )
    return ProposedChange(
        change_id=change_id(action, target, account_id, "test", after),
        action=action,
        account_id=account_id,
        record=target,
        after=after,
        hash=proposal_hash(action, target, {}, after),
        rule="test",
        title="A change",
        rationale="because the test says so",
    )
