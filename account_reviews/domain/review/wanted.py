"""Changes that somebody wants become exact writes, by what the account holds. Pure."""

from account_reviews.domain.analysis.evidence import scalar
from account_reviews.domain.base import Scalar
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.fields import check_fields, missing_field
from account_reviews.domain.proposals import (
    Action,
    ProposedChange,
    change_id,
    proposal_hash,
    same,
)
from account_reviews.domain.records import AccountSnapshot, Record, RecordRef, RecordType
from account_reviews.domain.review.commands import WantedChange

RULE = "proposed"
"""Instead of the id of a rule: somebody proposed it."""
_TYPES: dict[Action, tuple[RecordType, ...]] = {
    Action.UPDATE_ACCOUNT: (RecordType.ACCOUNT,),
    Action.UPDATE_DEAL_STAGE: (RecordType.DEAL,),
    Action.UPDATE_CONTACT: (RecordType.CONTACT,),
    Action.CHANGE_OWNER: (RecordType.ACCOUNT, RecordType.DEAL, RecordType.CONTACT),
}
_CREATED = {Action.CREATE_TASK: RecordType.TASK, Action.ADD_NOTE: RecordType.NOTE}


def exact_changes(
    wanted: tuple[WantedChange, ...],
    snapshot: AccountSnapshot,
    known: tuple[ProposedChange, ...],
    by: str,
    reason: str | None,
) -> tuple[ProposedChange, ...]:
    """Each as an exact write by `by`. BadInputError says which cannot be proposed, and why."""
    found: list[ProposedChange] = []
    for number, one in enumerate(wanted, 1):
        try:
            change = exact_change(one, snapshot, known, by, reason)
        except BadInputError as error:
            raise BadInputError(f"change {number}: {error.message}") from None
        if any(change.change_id == other.change_id for other in found):
            raise BadInputError(f"change {number}: it is the same as an earlier one of the list")
        found.append(change)
    return tuple(found)


def exact_change(
    wanted: WantedChange,
    snapshot: AccountSnapshot,
    known: tuple[ProposedChange, ...],
    by: str,
    reason: str | None,
) -> ProposedChange:
    """One of them. BadInputError for what is none of this account or no write."""
    if wanted.change_id is not None:
        return _of_the_analysis(wanted.change_id, known, by)
    if wanted.action is None:
        raise BadInputError("say which action, or give the change_id of a proposed change")
    action, account = wanted.action, snapshot.account
    after = check_fields(action, wanted.after)
    if not after:
        raise BadInputError(f"{action} writes nothing: give the new values under after")
    missing = missing_field(action, after)
    if missing is not None:
        raise BadInputError(f"{action} needs a value for {missing}")
    record, before = _target(wanted, action, snapshot, after)
    if not action.creates and all(same(before.get(name), value) for name, value in after.items()):
        raise BadInputError(f"{record.name or record.id} has these values already")
    return ProposedChange(
        change_id=change_id(action, record, account.id, RULE, after),
        action=action,
        account_id=account.id,
        record=record,
        before=before,
        after=after,
        hash=proposal_hash(action, record, before, after),
        rule=RULE,
        title=wanted.title or _title(action, record, after),
        rationale=wanted.rationale or reason or f"proposed by {by}",
        author=by,
    )


def _of_the_analysis(wanted: str, known: tuple[ProposedChange, ...], by: str) -> ProposedChange:
    change = next((one for one in known if one.change_id == wanted), None)
    if change is None:
        raise BadInputError(f"the analysis proposes no change {wanted!r}")
    return change.model_copy(update={"author": by})


def _target(
    wanted: WantedChange, action: Action, snapshot: AccountSnapshot, after: dict[str, Scalar]
) -> tuple[RecordRef, dict[str, Scalar]]:
    """The record and what stands in its fields now."""
    given = wanted.record
    if action in _CREATED:
        if given is not None and given.id is not None:
            raise BadInputError(f"{action} makes a new record: leave out the record's id")
        return RecordRef(type=_CREATED[action]), {}
    allowed = _TYPES[action]
    kind = given.type if given is not None else allowed[0]
    if kind not in allowed:
        raise BadInputError(f"{action} changes {' or '.join(allowed)}, not {kind}")
    found = _find(snapshot, kind, given.id if given is not None else None)
    name = getattr(found, "name", None)
    record = RecordRef(type=kind, id=found.id, name=name, version=found.version, url=found.url)
    return record, {field: scalar(getattr(found, field, None)) for field in after}


def _find(snapshot: AccountSnapshot, kind: RecordType, record_id: str | None) -> Record:
    account = snapshot.account
    if kind is RecordType.ACCOUNT:
        if record_id not in (None, account.id):
            raise BadInputError(f"the review is about account {account.id!r}, not {record_id!r}")
        return account
    if record_id is None:
        raise BadInputError(f"say which {kind}: its id is missing")
    records: tuple[Record, ...] = snapshot.deals if kind is RecordType.DEAL else snapshot.contacts
    found = next((one for one in records if one.id == record_id), None)
    if found is None:
        raise BadInputError(f"account {account.name} has no {kind} {record_id!r}")
    return found


def _title(action: Action, record: RecordRef, after: dict[str, Scalar]) -> str:
    shown = after.get("subject") or after.get("title") or record.name or record.id
    words = action.value.replace("_", " ").capitalize()
    return f"{words}: {shown}"[:150] if shown else words
