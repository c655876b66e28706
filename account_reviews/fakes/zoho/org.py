"""The records of the org: what stands in them, who changed them, what a search finds."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from account_reviews.fakes.zoho.schema import (
    CLOSED_TASK,
    LOOKUP,
    MODULES,
    MOMENT,
    OPERATION_FIELD,
    OWNER,
    Field,
)

ZONE: Final = timezone(timedelta(hours=2))
"""The org's own; all its times are told in it."""


def told(moment: datetime) -> str:
    """A time as Zoho tells it: whole seconds, with an offset."""
    return moment.astimezone(ZONE).replace(microsecond=0).isoformat()


@dataclass
class Row:
    """One record. Times in `values` are texts, lookups are ids."""

    module: str
    id: str
    values: dict[str, Any]
    created: datetime
    modified: datetime
    created_by: str
    modified_by: str
    indexed: datetime
    """When a search first finds it."""
    locked: str | None = None
    """The code with which every write is refused: a lock, a blueprint, an approval."""
    changes: list[tuple[datetime, str, dict[str, Any], dict[str, Any]]] = field(
        default_factory=list
    )
    """When, by whom, what stood before, what was written."""

    @property
    def version(self) -> datetime:
        return self.modified.replace(microsecond=0)


@dataclass(frozen=True)
class Written:
    """One write, as whoever checks the fake wants to know it."""

    at: datetime
    module: str
    id: str
    kind: str
    """insert, update or delete."""
    before: Mapping[str, Any]
    """What stood in these fields."""
    values: Mapping[str, Any]
    by: str
    operation_id: str | None
    guarded: bool
    """Whether it named the version that it changes."""


@dataclass
class User:
    id: str
    name: str
    email: str
    active: bool = True
    manager_id: str | None = None

    def shown(self) -> dict[str, Any]:
        first, _, last = self.name.rpartition(" ")
        return {
            "id": self.id,
            "full_name": self.name,
            "first_name": first or None,
            "last_name": last,
            "email": self.email,
            "status": "active" if self.active else "inactive",
            "confirm": True,
            "Reporting_To": None if self.manager_id is None else {"id": self.manager_id},
        }


class Org:
    """All modules, and the users. Every change goes through `insert`, `update` or `delete`."""

    def __init__(self, *, first_id: int, index_lag_s: float = 2.0) -> None:
        self.users: dict[str, User] = {}
        self.rows: dict[str, dict[str, Row]] = {module: {} for module in MODULES}
        self.deleted: dict[str, list[tuple[str, datetime, str]]] = {name: [] for name in MODULES}
        self.fields: dict[str, dict[str, Field]] = {
            module: {one.name: one for one in fields} for module, fields in MODULES.items()
        }
        self.written: list[Written] = []
        self.index_lag_s = index_lag_s
        self.api_user = ""
        self._next = first_id
        self._children: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
        self._unique: dict[tuple[str, str, str], str] = {}

    def new_id(self) -> str:
        self._next += 1
        return str(self._next)

    def add_field(self, module: str, new: Field) -> None:
        """Give the org a custom field, or change one."""
        self.fields[module][new.name] = new

    def drop_field(self, module: str, name: str) -> None:
        self.fields[module].pop(name, None)

    def find(self, module: str, record_id: str) -> Row | None:
        return self.rows[module].get(record_id)

    def holder(self, module: str, name: str, value: object) -> Row | None:
        """The record whose unique field has that value."""
        found = self._unique.get((module, name, str(value).casefold()))
        return None if found is None else self.rows[module].get(found)

    def children(self, module: str, name: str, parent_id: str) -> Iterator[Row]:
        """Records whose lookup points at the parent, oldest first."""
        for record_id in list(self._children.get((module, name, parent_id), ())):
            yield self.rows[module][record_id]

    def unique_fields(self, module: str) -> Iterable[Field]:
        return (one for one in self.fields[module].values() if one.unique)

    def insert(
        self,
        module: str,
        values: Mapping[str, Any],
        now: datetime,
        *,
        by: str | None = None,
        operation_id: str | None = None,
        lag_s: float | None = None,
        quiet: bool = False,
    ) -> Row:
        """A new record; `quiet` ones are not counted as written."""
        user = by or self.api_user
        filled = {"Owner": user, **values}
        if module == "Contacts" and "Full_Name" not in filled:
            names = (filled.get("First_Name"), filled.get("Last_Name"))
            filled["Full_Name"] = " ".join(name for name in names if name)
        wait = timedelta(seconds=self.index_lag_s if lag_s is None else lag_s)
        row = Row(module, self.new_id(), {}, now, now, user, user, now + wait)
        self.rows[module][row.id] = row
        self._put(row, filled)
        if not quiet:
            operation = operation_id or filled.get(OPERATION_FIELD)
            self.written.append(
                Written(now, module, row.id, "insert", {}, filled, user, operation, guarded=True)
            )
        return row

    def update(
        self,
        row: Row,
        values: Mapping[str, Any],
        now: datetime,
        *,
        by: str | None = None,
        guarded: bool = False,
        operation_id: str | None = None,
    ) -> None:
        """Change a record. `guarded`: the write named the version that it changes."""
        user = by or self.api_user
        before = {name: row.values.get(name) for name in values}
        if module_stage_changed(row, values):
            values = {**values, "Stage_Modified_Time": told(now)}
        if row.module == "Tasks" and values.get("Status") == CLOSED_TASK:
            values = {**values, "Closed_Time": told(now)}
        self._put(row, values)
        row.modified, row.modified_by = now, user
        row.changes.append((now, user, before, dict(values)))
        self.written.append(
            Written(now, row.module, row.id, "update", before, values, user, operation_id, guarded)
        )

    def delete(self, row: Row, now: datetime, *, by: str | None = None) -> None:
        user = by or self.api_user
        for name in list(row.values):
            self._forget(row, name)
        del self.rows[row.module][row.id]
        self.deleted[row.module].append((row.id, now, user))
        self.written.append(
            Written(now, row.module, row.id, "delete", {}, {}, user, None, guarded=False)
        )

    def merge(self, loser: Row, winner: Row, now: datetime) -> None:
        """One account goes into another: its records move, it is gone."""
        for (module, name, parent_id), children in list(self._children.items()):
            if parent_id == loser.id:
                for child in list(children):
                    self.update(self.rows[module][child], {name: winner.id}, now)
        self.delete(loser, now)

    def shown(self, row: Row, names: Iterable[str] | None) -> dict[str, Any]:
        """A record as a read gives it; unknown names are passed over."""
        known = self.fields[row.module]
        wanted = known if names is None else [name for name in names if name in known]
        found = {name: self.value(row, name) for name in wanted}
        return {**found, "id": row.id}

    def value(self, row: Row, name: str) -> Any:
        """One field as it is told: lookups as objects with a name."""
        match name:
            case "id":
                return row.id
            case "Created_Time":
                return told(row.created)
            case "Modified_Time":
                return told(row.modified)
            case "Created_By":
                return self._user(row.created_by)
            case "Modified_By":
                return self._user(row.modified_by)
            case _:
                pass
        value = row.values.get(name)
        known = self.fields[row.module].get(name)
        if value is None or known is None:
            return value
        if known.type == OWNER:
            return self._user(value)
        if known.type == LOOKUP:
            return self._pointed(known, value)
        return value

    def raw(self, row: Row, name: str) -> Any:
        """One field to compare by: times as moments, lookups as ids."""
        match name:
            case "id":
                return row.id
            case "Created_Time":
                return row.created.replace(microsecond=0)
            case "Modified_Time":
                return row.version
            case "Created_By":
                return row.created_by
            case "Modified_By":
                return row.modified_by
            case _:
                pass
        value = row.values.get(name)
        known = self.fields[row.module].get(name)
        if known is not None and known.type == MOMENT and isinstance(value, str):
            return datetime.fromisoformat(value).astimezone(UTC)
        return value

    def is_closed(self, row: Row, now: datetime) -> bool:
        """Whether an activity is over."""
        if row.module == "Tasks":
            return bool(row.values.get("Status") == CLOSED_TASK)
        name = "Call_Start_Time" if row.module == "Calls" else "End_DateTime"
        end = self.raw(row, name)
        return isinstance(end, datetime) and end <= now

    def _user(self, user_id: str) -> dict[str, Any] | None:
        user = self.users.get(user_id)
        return None if user is None else {"name": user.name, "id": user.id, "email": user.email}

    def _pointed(self, known: Field, record_id: str) -> dict[str, Any]:
        for module in known.lookup:
            row = self.rows[module].get(record_id)
            if row is not None:
                shown: dict[str, Any] = {"name": name_of(row), "id": record_id}
                if known.name == "Parent_Id":
                    shown["module"] = {"api_name": module, "id": f"58431040000000000{len(module)}"}
                return shown
        return {"name": None, "id": record_id}

    def _put(self, row: Row, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self._forget(row, name)
            row.values[name] = value
            known = self.fields[row.module].get(name)
            if known is None or value is None:
                continue
            if known.type == LOOKUP:
                self._children[row.module, name, value][row.id] = None
            if known.unique:
                self._unique[row.module, name, str(value).casefold()] = row.id

    def _forget(self, row: Row, name: str) -> None:
        old = row.values.get(name)
        if old is None:
            return
        if isinstance(old, str):
            self._children.get((row.module, name, old), {}).pop(row.id, None)
        key = (row.module, name, str(old).casefold())
        if self._unique.get(key) == row.id:
            del self._unique[key]


def module_stage_changed(row: Row, values: Mapping[str, Any]) -> bool:
    """Whether a write moves a deal to another stage."""
    return (
        row.module == "Deals" and "Stage" in values and values["Stage"] != row.values.get("Stage")
    )


def name_of(row: Row) -> str | None:
    """What people call a record."""
    for name in ("Account_Name", "Full_Name", "Deal_Name", "Subject", "Event_Title", "Note_Title"):
        found = row.values.get(name)
        if isinstance(found, str) and (row.module, name) not in _LOOKUPS:
            return found
    return None


_LOOKUPS: Final = {("Contacts", "Account_Name"), ("Deals", "Account_Name")}
