"""What a proposed change writes, in the terms of a CRM that keeps its own records. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydantic import ValidationError

from account_reviews.domain.base import Scalar, sentence
from account_reviews.domain.canonical import plain
from account_reviews.domain.errors import CrmInvalidError
from account_reviews.domain.fields import FIELDS, missing_field
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.records import RecordType

_CREATES: Final = {Action.CREATE_TASK: RecordType.TASK, Action.ADD_NOTE: RecordType.NOTE}
_CHANGES: Final[dict[Action, tuple[RecordType, ...]]] = {
    Action.UPDATE_ACCOUNT: (RecordType.ACCOUNT,),
    Action.UPDATE_DEAL_STAGE: (RecordType.DEAL,),
    Action.UPDATE_CONTACT: (RecordType.CONTACT,),
    Action.CHANGE_OWNER: (RecordType.ACCOUNT, RecordType.DEAL, RecordType.CONTACT),
}


@dataclass(frozen=True)
class Write:
    """One write: `id` is None for a record that is to be made. Values have Python types."""

    type: RecordType
    id: str | None
    account_id: str
    values: dict[str, object]

    @property
    def owner_id(self) -> str | None:
        """The owner it names, who has to exist."""
        found = self.values.get("owner_id")
        return found if isinstance(found, str) else None


def plan_write(change: ProposedChange) -> Write:
    """Check a change and put its values into Python types. CrmInvalidError names the field."""
    values = _parse(change)
    missing = missing_field(change.action, values)
    if missing is not None:
        raise CrmInvalidError(f"{change.action} needs a value for {missing}", field=missing)
    if change.action in _CREATES:
        return Write(_CREATES[change.action], None, change.account_id, values)
    record = change.record
    allowed = _CHANGES[change.action]
    if record.type not in allowed or not record.id:
        kinds = " or ".join(allowed)
        given = f"{record.type} {record.id or 'without an id'}"
        message = f"{change.action} changes an existing {kinds}, not {given}"
        raise CrmInvalidError(message, field="record")
    return Write(record.type, record.id, change.account_id, values)


def created_id(record_type: RecordType, operation_id: str) -> str:
    """The id of a record that an operation makes: the same for every attempt."""
    return f"{record_type}-{hashlib.sha256(operation_id.encode()).hexdigest()[:16]}"


def wire(value: object) -> Scalar:
    """A stored value as it travels. TypeError for lists and other structures."""
    found = plain(value)
    if found is None or isinstance(found, str | int | float | bool):
        return found
    raise TypeError(f"{type(value).__name__} is no field value")


def wire_fields(values: Mapping[str, object]) -> dict[str, Scalar]:
    """Each value as it travels."""
    return {name: wire(value) for name, value in values.items()}


def _parse(change: ProposedChange) -> dict[str, object]:
    model = FIELDS[change.action]
    try:
        parsed = model.model_validate(change.after)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "after"
        if first["type"] == "extra_forbidden":
            message = f"{change.action} has no field {name!r}"
        else:
            message = f"{name} cannot be {change.after.get(name)!r}: {sentence(first['msg'])}"
        raise CrmInvalidError(message, field=name) from None
    found = {name: getattr(parsed, name) for name in change.after}
    return {name: str(value) if isinstance(value, Enum) else value for name, value in found.items()}
