"""The records of the fake HubSpot: objects of all types, their histories and associations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from account_reviews.fakes.hubspot_properties import LINKS, PROPERTIES, Property

_FIRST_ID: Final = 20_000_000_001
CLOSED: Final = {"closedwon", "closedlost"}


class RefusedError(Exception):
    """HubSpot does not take it: a status, a category and a message."""

    def __init__(
        self, status: int, category: str, message: str, *, code: str | None = None,
        name: str | None = None, context: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.status, self.category, self.code, self.name = status, category, code, name
        self.message, self.context = message, dict(context or {})
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """As it is answered."""
        found: dict[str, Any] = {
            "status": "error",
            "message": self.message,
            "correlationId": "00000000-0000-4000-8000-000000000000",
            "category": self.category,
        }
        if self.code or self.context:
            error = {"message": self.message, "code": self.code, "context": self.context}
            found["errors"] = [error if self.name is None else {**error, "in": self.name}]
        return found


@dataclass
class Stored:
    """One object. Every value is text."""

    id: str
    type: str
    properties: dict[str, str]
    created: datetime
    updated: datetime
    searchable: datetime
    """From when on a search finds it."""
    history: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """Newest first."""
    merged: list[str] = field(default_factory=list)


@dataclass
class Records:
    """All that a portal holds."""

    index_lag: timedelta = timedelta(0)
    objects: dict[str, dict[str, Stored]] = field(
        default_factory=lambda: {kind: {} for kind in PROPERTIES}
    )
    properties: dict[str, dict[str, Property]] = field(
        default_factory=lambda: {kind: dict(found) for kind, found in PROPERTIES.items()}
    )
    owners: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: dict[tuple[str, str], dict[str, dict[str, int]]] = field(default_factory=dict)
    """(from, to) -> id -> id -> number of the association type."""
    _merged: dict[tuple[str, str], str] = field(default_factory=dict)
    _unique: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _next: int = _FIRST_ID

    def find(self, kind: str, record_id: str, id_property: str | None = None) -> Stored | None:
        """By id, or by a property with unique values. A merged record is the one it went into."""
        if id_property not in (None, "hs_object_id"):
            record_id = self._unique.get((kind, str(id_property), record_id), "")
        return self.objects[kind].get(self._merged.get((kind, record_id), record_id))

    def create(
        self, kind: str, properties: Mapping[str, Any], links: Iterable[tuple[str, str]],
        now: datetime, *, lag: timedelta | None = None,
    ) -> Stored:  # fmt: skip
        """A new object, associated with (type, id). RefusedError; nothing is made then."""
        values = self.checked(kind, properties)
        if (
            kind in ("notes", "tasks", "meetings", "calls", "emails")
            and "hs_timestamp" not in values
        ):
            raise RefusedError(
                400,
                "VALIDATION_ERROR",
                "hs_timestamp is required",
                code="REQUIRED_FIELD",
                name="hs_timestamp",
            )
        targets = list(links)
        for other, other_id in targets:
            if self.find(other, other_id) is None:
                raise RefusedError(404, "OBJECT_NOT_FOUND", f"No {other} with id {other_id} exists")
        self._check_unique(kind, values, None)
        record_id = str(self._next)
        self._next += 1
        made = Stored(record_id, kind, {}, now, now, now + (self.index_lag if lag is None else lag))
        self.objects[kind][record_id] = made
        text = iso(now)
        made.properties |= {"hs_object_id": record_id, "createdate": text, "hs_createdate": text}
        self._set(made, values, now)
        for other, other_id in targets:
            self.associate(kind, record_id, other, other_id)
        return made

    def update(self, record: Stored, properties: Mapping[str, Any], now: datetime) -> None:
        """RefusedError; nothing is changed then."""
        values = self.checked(record.type, properties)
        self._check_unique(record.type, values, record.id)
        self._set(record, values, now)

    def associate(self, kind: str, record_id: str, other: str, other_id: str) -> None:
        self._link(kind, other).setdefault(record_id, {})[other_id] = LINKS.get((kind, other), 1)
        self._link(other, kind).setdefault(other_id, {})[record_id] = LINKS.get((other, kind), 1)

    def associated(self, kind: str, record_id: str, other: str) -> dict[str, int]:
        """Ids of the other type with the number of the association, in the order they came."""
        return self._link(kind, other).get(self._merged.get((kind, record_id), record_id), {})

    def merge(self, kind: str, loser: str, winner: str) -> None:
        """The loser goes into the winner, with its associations."""
        kept = self.objects[kind][winner]
        kept.merged.append(loser)
        self.objects[kind].pop(loser)
        self._merged[kind, loser] = winner
        for one, other in list(self.links):
            if one == kind:
                for other_id in self.links[one, other].pop(loser, {}):
                    self._link(other, kind).get(other_id, {}).pop(loser, None)
                    self.associate(kind, winner, other, other_id)

    def remove(self, kind: str, record_id: str) -> None:
        """To the recycling bin: reads do not find it."""
        self.objects[kind].pop(record_id, None)
        for one, other in list(self.links):
            if one == kind:
                for other_id in self.links[one, other].pop(record_id, {}):
                    self._link(other, kind).get(other_id, {}).pop(record_id, None)
        gone = [
            key for key, holder in self._unique.items() if key[0] == kind and holder == record_id
        ]
        for key in gone:
            del self._unique[key]

    def checked(self, kind: str, properties: Mapping[str, Any]) -> dict[str, str]:
        """Values as text. RefusedError names the property that does not fit."""
        known = self.properties[kind]
        values = {name: "" if value is None else _text(value) for name, value in properties.items()}
        for name, value in values.items():
            found = known.get(name)
            if found is None:
                raise _invalid(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
            if found.read_only:
                raise _invalid(name, "READ_ONLY_VALUE", f"{name} is a read only property")
            if found.options and value and value not in found.options:
                allowed = ", ".join(found.options)
                raise _invalid(
                    name, "INVALID_OPTION", f"{value} was not one of the allowed options: {allowed}"
                )
            if found.type == "number" and value and not _is_number(value):
                raise _invalid(name, "INVALID_NUMBER", f"{value} was not a valid number")
            if name == "hubspot_owner_id" and value and not self._is_owner(value):
                raise _invalid(name, "INVALID_OWNER_ID", f"Owner {value} does not exist")
        return values

    def _is_owner(self, owner_id: str) -> bool:
        found = self.owners.get(owner_id)
        return found is not None and not found["archived"]

    def _check_unique(self, kind: str, values: Mapping[str, str], own: str | None) -> None:
        for name, value in values.items():
            holder = self._unique.get((kind, name, value))
            if self.properties[kind][name].unique and value and holder not in (None, own):
                raise RefusedError(
                    409, "CONFLICT", f"{value} already has that value. Existing ID: {holder}",
                    code="CONFLICTING_UNIQUE_VALUE", name=name,
                )  # fmt: skip

    def _set(self, record: Stored, values: Mapping[str, str], now: datetime) -> None:
        changed = {
            name: value
            for name, value in values.items()
            if value != record.properties.get(name, "")
        }
        derived = _derived(record, changed, now)
        for name, value in {**changed, **derived}.items():
            record.properties[name] = value
            if self.properties[record.type][name].unique and value:
                self._unique[record.type, name, value] = record.id
        for name, value in changed.items():
            entry = {"value": value, "timestamp": iso(now), "sourceType": "INTEGRATION"}
            record.history.setdefault(name, []).insert(0, entry)
        if changed or record.updated == record.created:
            record.updated = now
            record.properties["hs_lastmodifieddate"] = iso(now)
            if record.type == "contacts":
                record.properties["lastmodifieddate"] = iso(now)

    def _link(self, kind: str, other: str) -> dict[str, dict[str, int]]:
        return self.links.setdefault((kind, other), {})


def _derived(record: Stored, changed: Mapping[str, str], now: datetime) -> dict[str, str]:
    """What HubSpot itself sets with a stage or a name."""
    if record.type == "contacts":
        held = {**record.properties, **changed}
        name = " ".join(filter(None, (held.get("firstname"), held.get("lastname"))))
        return {"hs_full_name_or_email": name or held.get("email", "")}
    stage = changed.get("dealstage")
    if record.type != "deals" or stage is None:
        return {}
    return {
        "hs_is_closed": str(stage in CLOSED).lower(),
        "hs_is_closed_won": str(stage == "closedwon").lower(),
        "hs_v2_date_entered_current_stage": iso(now),
    }


def iso(at: datetime) -> str:
    """ISO 8601 with milliseconds and Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(record: Stored, names: Sequence[str], with_history: Sequence[str] = ()) -> dict[str, Any]:
    """As a read gives it: the properties that were named, empty ones as null."""
    always = ("hs_object_id", "createdate", "hs_lastmodifieddate")
    found = {name: record.properties.get(name) or None for name in (*always, *names)}
    answer: dict[str, Any] = {
        "id": record.id,
        "properties": found,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.updated),
        "archived": False,
    }
    if with_history:
        answer["propertiesWithHistory"] = {
            name: record.history.get(name, []) for name in with_history
        }
    return answer


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _invalid(name: str, code: str, message: str) -> RefusedError:
    return RefusedError(
        400, "VALIDATION_ERROR", f"Property values were not valid: {message}", code=code, name=name,
        context={"propertyName": [name]},
    )  # fmt: skip
