"""What an import can fill: modules, their fields and kinds, read off the tables."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ARRAY, Boolean, Column, Date, DateTime, Double, Integer, Numeric, Table
from sqlalchemy.dialects.postgresql import JSONB

from account_reviews.crm.sql import tables
from account_reviews.domain.ids import (
    LONGEST_ID,
    LONGEST_OWNER_ID,
    is_too_long_for_a_review,
)
from account_reviews.domain.records import (
    CLOSED_TASKS,
    OPEN_TASKS,
    AccountStatus,
    ActivityType,
    DealStage,
    RecordType,
    task_word,
)

CUSTOM: Final = "custom."
"""`custom.NAME` fills one of the free fields of an account."""


class Kind(StrEnum):
    TEXT = "text"
    INTEGER = "whole number"
    DECIMAL = "number"
    FRACTION = "number from 0 to 1"
    DATE = "date"
    MOMENT = "time"
    BOOLEAN = "yes or no"
    LIST = "list"
    JSON = "free fields"


@dataclass(frozen=True)
class ModuleField:
    """One field: how its text is read, what it may hold, what it points at."""

    name: str
    kind: Kind
    required: bool
    references: str | None = None
    choices: tuple[str, ...] = ()
    maximum: int | None = None
    rounded: bool = False
    """Taken as the nearest whole number."""
    names: str | None = None
    """The module whose records it names: its own, or the one it points at."""
    longest: int | None = None
    """Characters."""

    def allows(self, text: str) -> bool:
        """Whether the vocabulary, if there is one, has the text."""
        word = task_word(text) if self.choices == _TASK_WORDS else text
        return not self.choices or word in self.choices

    def too_long(self, text: str) -> str | None:
        """Why the text is too long to be used later; None when it is not."""
        if self.longest is not None and len(text) > self.longest:
            return f"is longer than {self.longest} characters"
        if self.names == "accounts" and is_too_long_for_a_review(text):
            return "is too long: its review could not be named, letters outside of a-z count more"
        return None


@dataclass(frozen=True)
class Module:
    """One kind of record, in the order of import: what is pointed at comes first."""

    name: str
    table: Table
    record_type: RecordType | None
    fields: dict[str, ModuleField]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name a record."""
        return tuple(column.name for column in self.table.primary_key.columns)

    @property
    def versioned(self) -> bool:
        """False for histories, which have neither version nor digest."""
        return "version" in self.table.c

    def describe_fields(self) -> str:
        """The names of the fields, for messages."""
        names = [name for name in self.fields if name != "custom"]
        return ", ".join(names + ["custom.NAME"] * ("custom" in self.fields))

    def field_of(self, name: str) -> ModuleField | None:
        """The field behind a name of a mapping; `custom.NAME` is text."""
        if name.startswith(CUSTOM) and len(name) > len(CUSTOM) and "custom" in self.fields:
            return ModuleField(name, Kind.TEXT, required=False)
        return None if name == "custom" else self.fields.get(name)


_TASK_WORDS: Final = (*OPEN_TASKS, *CLOSED_TASKS)
_BOOKKEEPING: Final = ("version", "digest")
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "accounts.status": tuple(AccountStatus),
    "contacts.level": ("C-Level", "VP", "Director"),
    "deals.stage": tuple(DealStage),
    "deal_stage_changes.stage": tuple(DealStage),
    "activities.type": tuple(ActivityType),
    "tasks.status": _TASK_WORDS,
}
_MAXIMA: Final = {"deals.probability": 100}
_LONGEST: Final = {"owners.name": 500}
"""An index holds it."""
_LONGEST_LINE: Final = 2000
"""Of names, subjects and other texts of one line: titles, lists and briefs show them."""
_TEXTS: Final = frozenset({"content", "description", "outcome"})
"""Texts of many lines, as long as a record may be."""
_LONGEST_IDS: Final = {"owners": LONGEST_OWNER_ID}
_ROUNDED: Final = frozenset({"deals.probability"})


def _kind(column: Column[Any]) -> Kind:
    kinds = (
        (Boolean, Kind.BOOLEAN),
        (Integer, Kind.INTEGER),
        (Double, Kind.FRACTION),
        (Numeric, Kind.DECIMAL),
        (DateTime, Kind.MOMENT),
        (Date, Kind.DATE),
        (ARRAY, Kind.LIST),
        (JSONB, Kind.JSON),
    )
    return next((kind for sort, kind in kinds if isinstance(column.type, sort)), Kind.TEXT)


def _field(table: Table, column: Column[Any]) -> ModuleField:
    full_name = f"{table.name}.{column.name}"
    target = next((key.column.table.name for key in column.foreign_keys), None)
    named = table.name if column.name == "id" else target
    longest = None if column.name in _TEXTS else _LONGEST_LINE
    if named is not None:
        longest = _LONGEST_IDS.get(named, LONGEST_ID)
    return ModuleField(
        name=column.name,
        kind=_kind(column),
        required=not column.nullable and column.server_default is None,
        references=target,
        choices=_CHOICES.get(full_name, ()),
        maximum=_MAXIMA.get(full_name),
        rounded=full_name in _ROUNDED,
        names=named,
        longest=_LONGEST.get(full_name, longest),
    )


def _module(table: Table, record_type: RecordType | None = None) -> Module:
    fields = {
        column.name: _field(table, column) for column in table.c if column.name not in _BOOKKEEPING
    }
    return Module(table.name, table, record_type, fields)


MODULES: Final[dict[str, Module]] = {
    module.name: module
    for module in (
        _module(tables.owners, RecordType.OWNER),
        _module(tables.accounts, RecordType.ACCOUNT),
        _module(tables.account_owner_changes),
        _module(tables.contacts, RecordType.CONTACT),
        _module(tables.deals, RecordType.DEAL),
        _module(tables.deal_stage_changes),
        _module(tables.activities, RecordType.ACTIVITY),
        _module(tables.notes, RecordType.NOTE),
        _module(tables.tasks, RecordType.TASK),
    )
}
