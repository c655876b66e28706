"""Records of the API as ours. Pure, but for what it tells of values it could not read."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping
from account_reviews.crm.field_values import Reading, parse_moment, read_record
from account_reviews.crm.importing.fields import Kind
from account_reviews.crm.record_writes import wire
from account_reviews.domain.base import Scalar, first_fault
from account_reviews.domain.canonical import content_hash, rfc3339
from account_reviews.domain.errors import CrmUnreadableError
from account_reviews.domain.records import (
    Account,
    Activity,
    Contact,
    Deal,
    Note,
    Record,
    RecordType,
    Task,
)

MODELS: Final[dict[RecordType, type[Record]]] = {
    RecordType.ACCOUNT: Account,
    RecordType.CONTACT: Contact,
    RecordType.DEAL: Deal,
    RecordType.ACTIVITY: Activity,
    RecordType.NOTE: Note,
    RecordType.TASK: Task,
}
CHANGED_BY_US: Final = (RecordType.ACCOUNT, RecordType.CONTACT, RecordType.DEAL)
"""Records that reviews change. Their versions hold more than a time."""
MODIFIED: Final = "Modified_Time"
_UNNAMED: Final = "(nothing)"

Tell = Callable[[str, str, str], None]
"""Module, field, why: something of it is unknown."""


class Records:
    """Makes records of what the API gave."""

    def __init__(self, mapping: FieldMapping, link: str | None, tell: Tell) -> None:
        """`link`: the address of the CRM for people, without a slash at its end; None: unknown."""
        self._mapping = mapping
        self._link = link
        self._tell = tell

    def read(self, module: ModuleMapping, raw: Mapping[str, Any]) -> Reading:
        """Our fields of a record."""
        reading = read_record(self._mapping, module, raw)
        for problem in reading.problems:
            self._tell(module.module, problem.crm_field, f"a value {problem.why}: it is unknown")
        return reading

    def make(self, module: ModuleMapping, raw: Mapping[str, Any], account_id: str) -> Record:
        """The record. CrmUnreadableError names it and what it is nothing without."""
        reading = self.read(module, raw)
        values = {name: value for name, value in reading.values.items() if value is not None}
        values |= self._needed(module, values)
        values |= {
            "id": str(raw["id"]),
            "version": self.version(module, raw, reading.values),
            "url": self.url(module, str(raw["id"])),
        }
        if module.record is not RecordType.ACCOUNT:
            values["account_id"] = account_id
        try:
            return MODELS[module.record].model_validate(values)
        except ValidationError as error:
            why = next((one.why for one in reading.problems), None)
            said = f"{first_fault(error)}; its value {why}" if why else first_fault(error)
            raise CrmUnreadableError(
                f"{module.record} {raw['id']} of Zoho CRM cannot be read: {said}",
                hint="`reviews crm check` names what the mapping does not translate",
            ) from None

    def version(
        self, module: ModuleMapping, raw: Mapping[str, Any], values: Mapping[str, Any]
    ) -> str:
        """The version of a record: when it was modified, which Zoho tells in whole seconds; of one
        that reviews change also what stands in the fields that they may write."""
        at = modified_at(raw)
        if module.record not in CHANGED_BY_US:
            return at
        writable = {name: wire(values.get(name)) for name in sorted(module.writable())}
        return f"{at}~{content_hash(writable)[:8]}"

    def url(self, module: ModuleMapping, record_id: str) -> str | None:
        """Where a person finds it."""
        if self._link is None or module.record is RecordType.NOTE:
            return None
        return f"{self._link}/crm/tab/{module.module}/{record_id}"

    def fields(
        self, module: ModuleMapping, raw: Mapping[str, Any], names: tuple[str, ...]
    ) -> dict[str, Scalar]:
        """Some of our fields, as they travel."""
        values = self.read(module, raw).values
        return {name: wire(values.get(name)) for name in names}

    def _needed(self, module: ModuleMapping, values: Mapping[str, Any]) -> dict[str, Any]:
        """What stands for a text that a record must have and has not; when it happened, for an
        activity without a time."""
        found: dict[str, Any] = {
            name: _UNNAMED
            for name, field in module.target.fields.items()
            if field.required
            and field.kind is Kind.TEXT
            and not field.choices
            and name not in ("id", "account_id")
            and name not in values
        }
        if module.record is RecordType.ACTIVITY and "at" not in values and "created_at" in values:
            found["at"] = values["created_at"]
        return found


def modified_at(raw: Mapping[str, Any]) -> str:
    """When a record was modified, in one spelling. CrmUnreadableError."""
    try:
        return rfc3339(parse_moment(raw.get(MODIFIED)))
    except ValueError as error:
        raise CrmUnreadableError(
            f"the record {raw.get('id')} of Zoho CRM cannot be read: its {MODIFIED} {error}"
        ) from None
