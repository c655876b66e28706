"""Properties of HubSpot as our records, and our values as properties, by the mapping. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from account_reviews.crm.field_mapping import FieldMapping, ModuleMapping
from account_reviews.crm.field_values import Reading, read_record, with_mark, written_values
from account_reviews.crm.hubspot.client import Found
from account_reviews.crm.hubspot.values import moment, title_of, to_html, to_text
from account_reviews.domain.base import Scalar, first_fault
from account_reviews.domain.canonical import canonical_json, money, plain
from account_reviews.domain.errors import CrmInvalidError, CrmUnreadableError
from account_reviews.domain.records import (
    Account,
    Activity,
    Contact,
    Deal,
    DealStage,
    Note,
    Record,
    RecordType,
    StageChange,
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
STAGE: Final = "dealstage"
OWNER: Final = "hubspot_owner_id"
_MARKUP: Final = frozenset({"hs_note_body", "hs_task_body", "hs_call_body", "hs_meeting_body"})
"""Properties that hold HTML."""
_PROBABILITY: Final = "hs_deal_stage_probability"
"""From 0 to 1, where ours goes from 0 to 100."""
_BESIDE: Final[dict[RecordType, tuple[str, ...]]] = {
    RecordType.ACCOUNT: ("domain",),
    RecordType.CONTACT: ("firstname", "lastname"),
    RecordType.DEAL: ("hs_is_closed", "hs_is_closed_won"),
}
"""What is read beside the mapping's fields, to understand them."""
_OUTSIDE: Final = frozenset(
    {
        "hs_full_name_or_email", "hs_lastmodifieddate", "lastmodifieddate", "notes_last_updated",
        "notes_last_contacted", "hs_last_sales_activity_timestamp", "createdate", "hs_createdate",
        "hs_is_closed", "hs_is_closed_won", "hs_v2_date_entered_current_stage", _PROBABILITY,
    }
)  # fmt: skip
"""What HubSpot itself sets and counts: no part of a version."""
_OURS_OUTSIDE: Final = frozenset(
    {"created_at", "modified_at", "last_activity_at", "stage_changed_at", "probability"}
)
_CRITICAL: Final = "[Critical] "
"""Before the subject of a task: HubSpot's highest priority is HIGH."""
_NAMELESS: Final = "(no subject)"


@dataclass
class Fields:
    """The mapping of one portal, and what its pipelines call the stages of deals."""

    mapping: FieldMapping
    stages: dict[str, str] = field(default_factory=dict)
    """Stage id -> label, of those that the mapping does not name."""
    free: tuple[str, ...] = ()
    """Properties of companies that begin as the mapping's `custom_prefixes` say."""

    def module(self, kind: RecordType) -> ModuleMapping:
        """Where records of that kind are read and written. CrmInvalidError: nowhere."""
        found = self.mapping.of(kind)
        if not found:
            raise CrmInvalidError(f"the mapping has no module of {kind} records", field="record")
        return found[0]

    def wanted(self, module: ModuleMapping) -> tuple[str, ...]:
        """Every property to ask for."""
        free = self.free if module.record is RecordType.ACCOUNT else ()
        return tuple(dict.fromkeys((*module.crm_fields(), *_BESIDE.get(module.record, ()), *free)))

    def version(self, module: ModuleMapping, properties: Mapping[str, Any]) -> str:
        """A digest of what people can change. HubSpot's own time of the last change moves whenever
        it counts something anew, such as the notes of a company, and would make each note that a
        review adds a conflict of its next write."""
        outside = {rule.field for name, rule in module.fields.items() if name in _OURS_OUTSIDE} | {
            module.operation_id
        }
        counted = {
            name: properties.get(name) or None
            for name in self.wanted(module)
            if name not in _OUTSIDE and name not in outside
        }
        return hashlib.sha256(canonical_json(counted)).hexdigest()[:16]

    def reading(self, module: ModuleMapping, properties: Mapping[str, Any]) -> Reading:
        """Our fields of a record."""
        found = read_record(self.mapping, module, self._plain(module, properties))
        values = found.values
        if module.record is RecordType.DEAL and values.get("stage") is None:
            values["stage"] = _closed_stage(properties)
        subject = values.get("subject")
        if self._spells_critical(module) and str(subject or "").startswith(_CRITICAL):
            values["subject"] = str(subject).removeprefix(_CRITICAL)
            values["priority"] = "critical"
        return found

    def unknown_stages(self, found: Mapping[str, Any]) -> bool:
        """Whether the pipelines have to be asked what the stage of a deal is called."""
        stage = found.get(STAGE)
        rules = [rule for one in self.mapping.of(RecordType.DEAL) for rule in one.fields.values()]
        named = any(rule.field == STAGE and stage in (rule.values or {}) for rule in rules)
        known = stage in self.stages or stage in set(DealStage)
        return bool(stage) and not named and not known

    def record(self, module: ModuleMapping, found: Found, account_id: str) -> Record:
        """One record. CrmUnreadableError names it and the field that it cannot be without."""
        kind = module.record
        values = self.reading(module, found.properties).values
        values |= {"id": found.id, "version": self.version(module, found.properties)}
        if kind is not RecordType.ACCOUNT:
            values["account_id"] = account_id
        _fill_in(kind, values, found)
        if kind is RecordType.DEAL:
            values["stage_history"] = self.stage_history(module, found)
        try:
            return MODELS[kind].model_validate(_without_unknown(kind, values))
        except ValidationError as error:
            raise CrmUnreadableError(
                f"the {kind} {found.id!r} of HubSpot cannot be read: {first_fault(error)}",
                hint="see whether the mapping file translates its value, docs/hubspot.md",
            ) from None

    def listed(self, found: Found) -> Account:
        """An account in a list: what cannot be read of it is unknown and holds up no other."""
        module = self.module(RecordType.ACCOUNT)
        try:
            account = self.record(module, found, found.id)
        except CrmUnreadableError:
            version = self.version(module, found.properties)
            name = str(found.properties.get("name") or found.id)
            account = Account(id=found.id, version=version, name=name)
        assert isinstance(account, Account)
        return account

    def stage_history(self, module: ModuleMapping, found: Found) -> tuple[StageChange, ...]:
        """The stages a deal was in, the oldest first; one that nobody can read is left out."""
        steps = []
        for entry in reversed(found.histories.get(STAGE, ())):
            stage = self.reading(module, {STAGE: entry.get("value")}).values.get("stage")
            at = _moment(entry.get("timestamp"))
            if stage is not None and at is not None:
                steps.append(StageChange(stage=DealStage(stage), at=at))
        return tuple(sorted(steps, key=lambda step: step.at))

    def shown(
        self, module: ModuleMapping, properties: Mapping[str, Any], names: Mapping[str, Any] | Any
    ) -> dict[str, Scalar]:
        """Fields as they travel. CrmInvalidError: there is no such field."""
        values = self.reading(module, properties).values
        found: dict[str, Scalar] = {}
        for name in names:
            if module.target.field_of(name) is None:
                raise CrmInvalidError(f"{module.record} has no field {name!r}", field=name)
            value = plain(values.get(name))
            scalar = value is None or isinstance(value, str | int | float | bool)
            found[name] = value if scalar else str(value)  # type: ignore[assignment]
        return found

    def properties(
        self, module: ModuleMapping, values: Mapping[str, Any], *, mark: str | None = None
    ) -> dict[str, str]:
        """Our values as properties to write; `mark`: an operation to name in the text.

        CrmInvalidError for a field that the mapping does not let be written.
        """
        given = dict(values)
        if mark is not None and module.mark is not None:
            text = given.get(module.mark)
            given[module.mark] = with_mark(None if text is None else str(text), mark)
        if self._spells_critical(module) and given.get("priority") == "critical":
            given |= {"priority": "high", "subject": f"{_CRITICAL}{given.get('subject') or ''}"}
        found: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {}
        by_label = {label: stage for stage, label in self.stages.items()}
        for name, value in given.items():
            for crm_field, written in written_values(module, {name: value}).items():
                part = module.fields[name].part
                if part is None and crm_field == STAGE:
                    found[crm_field] = by_label.get(written, written)
                elif part is None:
                    found[crm_field] = written
                else:
                    parts.setdefault(crm_field, {})[part] = written
        for crm_field, texts in parts.items():
            title, text = texts.get("title"), texts.get("text")
            found[crm_field] = to_html(str(text or ""), title=None if not title else str(title))
        return {
            name: _as_text(to_html(value) if name in _MARKUP - parts.keys() and value else value)
            for name, value in found.items()
        }

    def ours(self, module: ModuleMapping, crm_field: str) -> str:
        """The name of our field behind a property, as people know it."""
        named = (name for name, rule in module.fields.items() if rule.field == crm_field)
        return next(named, crm_field)

    def _plain(self, module: ModuleMapping, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Values as the mapping's rules take them."""
        found = dict(properties)
        for name in _MARKUP & found.keys():
            found[name] = _texts(found[name])
        if found.get(_PROBABILITY):
            found[_PROBABILITY] = _percent(str(found[_PROBABILITY]))
        if module.record is RecordType.DEAL:
            stage = found.get(STAGE)
            label = self.stages.get(str(stage))
            values = (
                next((r.values for r in module.fields.values() if r.field == STAGE), None) or {}
            )
            if label is not None and stage not in values:
                found[STAGE] = label
        return found

    def _spells_critical(self, module: ModuleMapping) -> bool:
        """Whether the mapping has no word of HubSpot for our highest priority."""
        rule = module.fields.get("priority")
        if module.record is not RecordType.TASK or rule is None or "subject" not in module.fields:
            return False
        return rule.values is not None and "critical" not in rule.values.values()


def _texts(markup: object) -> Any:
    """Markup as text, also by its parts: `part: title` and `part: text` of a mapping."""
    if not isinstance(markup, str) or not markup:
        return markup
    title, rest = title_of(markup)
    return {"id": to_text(markup), "title": title, "text": to_text(rest)}


def _percent(text: str) -> str | None:
    try:
        number = Decimal(text)
        return money(number * 100) if 0 <= number <= 1 else text
    except ArithmeticError:
        return text


def _closed_stage(properties: Mapping[str, Any]) -> str | None:
    """Of a stage that the mapping does not know: whether it is the end, at least."""
    if str(properties.get("hs_is_closed_won")).lower() == "true":
        return DealStage.CLOSED_WON.value
    closed = str(properties.get("hs_is_closed")).lower() == "true"
    return DealStage.CLOSED_LOST.value if closed else None


def _fill_in(kind: RecordType, values: dict[str, Any], found: Found) -> None:
    """What a record of ours has to have, and one of HubSpot need not."""
    read = found.properties
    match kind:
        case RecordType.ACCOUNT:
            values["name"] = values.get("name") or read.get("domain") or found.id
        case RecordType.CONTACT:
            parts = (read.get("firstname"), read.get("lastname"))
            both = " ".join(str(part) for part in parts if part)
            values["name"] = values.get("name") or both or values.get("email") or found.id
        case RecordType.DEAL:
            values["name"] = values.get("name") or found.id
        case RecordType.TASK:
            values["subject"] = values.get("subject") or _NAMELESS
        case RecordType.NOTE:
            values["content"] = values.get("content") or ""
        case RecordType.ACTIVITY:
            values["at"] = values.get("at") or values.get("created_at")


def _without_unknown(kind: RecordType, values: Mapping[str, Any]) -> dict[str, Any]:
    """None stands for unknown where the model knows that; else its own default does."""
    known = MODELS[kind].model_fields
    return {
        name: value
        for name, value in values.items()
        if name in known and (value is not None or known[name].is_required())
    }


def _as_text(value: object) -> str:
    """As HubSpot takes it: an empty text empties a property."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case Decimal():
            return money(value)
        case datetime():
            text = value.astimezone(UTC).isoformat(timespec="milliseconds")
            return text.replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _moment(value: object) -> datetime | None:
    try:
        return moment(value)
    except ValueError:
        return None
