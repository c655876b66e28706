"""The mapping file of a CRM: which of its fields is which of ours. See docs/field-mapping.md.

What a backend asks for, how it reads the answer and what it may write all follow from here. Names
of modules and fields are those of the CRM's API.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from account_reviews.crm.importing.fields import CUSTOM, MODULES, Module, ModuleField
from account_reviews.crm.mapping_files import (
    KeysOnce,
    Part,
    TimeZone,
    read_text,
    read_yaml,
    refused,
)
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.money import is_currency
from account_reviews.domain.records import RecordType

_MODULES: Final = {
    RecordType.OWNER: "owners",
    RecordType.ACCOUNT: "accounts",
    RecordType.CONTACT: "contacts",
    RecordType.DEAL: "deals",
    RecordType.ACTIVITY: "activities",
    RecordType.NOTE: "notes",
    RecordType.TASK: "tasks",
}
_OWN: Final = ("id", "account_id")
"""Fields that a backend can know without the mapping: who a record is, and whose."""


def _named(value: str) -> str:
    if not value.strip() or value != value.strip():
        raise ValueError(f"{value!r} is no name of a field or module")
    return value


Name = Annotated[str, AfterValidator(_named)]


class FieldRule(Part):
    """Where one of our fields stands in the CRM, and how its values are called there."""

    field: Name | None = None
    """The CRM's field."""
    constant: str | None = None
    """The same for every record, instead of a field."""
    part: str | None = None
    """Of a value that has several: which. A user or a record that is pointed at has `id`, `name`
    and often `email`; unless it is given, the id."""
    values: dict[str, str] | None = None
    """The CRM's text -> ours; an empty text means unknown. To write ours, the first of them that
    means it is taken. A text of our own vocabulary need not stand here."""
    default: str | None = None
    """Ours, for a text that is neither in `values` nor in our vocabulary."""
    write: bool = False
    """Whether a review may write it."""
    optional: bool = False
    """Not every org has it: `crm check` says nothing when it is missing."""
    label: str | None = None
    """What people call it; None: our own word."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"field": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.field is None) == (self.constant is None):
            raise ValueError("give one of field, constant")
        if self.constant is not None and (self.write or self.part):
            raise ValueError("constant goes with neither write nor part")
        return self

    def in_crm(self, ours: str) -> str:
        """The CRM's text for one of ours."""
        return next((text for text, mine in (self.values or {}).items() if mine == ours), ours)


class ModuleMapping(Part):
    """One module of the CRM, whose records are records of ours. It may appear several times."""

    module: Name
    record: RecordType
    fields: dict[str, FieldRule]
    operation_id: Name | None = None
    """A field that must be unique in the CRM: what a review creates carries the id of its
    operation there."""
    mark: str | None = None
    """Our text field whose last line names the operation, where the CRM has no unique field."""

    @property
    def target(self) -> Module:
        """What it fills."""
        return MODULES[_MODULES[self.record]]

    @property
    def custom(self) -> Iterator[tuple[str, FieldRule]]:
        """Free fields: name -> rule."""
        for name, rule in self.fields.items():
            if name.startswith(CUSTOM):
                yield name.removeprefix(CUSTOM), rule

    def describe(self, name: str) -> ModuleField:
        """What one of our fields holds. KeyError for one that there is not."""
        found = self.target.field_of(name)
        if found is None:
            raise KeyError(name)
        return found

    def crm_fields(self) -> tuple[str, ...]:
        """Every field of the CRM that is read, each once, in the order of the file."""
        named = [rule.field for rule in self.fields.values() if rule.field is not None]
        return tuple(dict.fromkeys([*named, *([self.operation_id] if self.operation_id else [])]))

    def writable(self) -> tuple[str, ...]:
        """Our fields that a review may write."""
        return tuple(name for name, rule in self.fields.items() if rule.write)

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        target = self.target
        for name, rule in self.fields.items():
            _check_rule(target, name, rule)
        missing = [
            name
            for name, item in target.fields.items()
            if item.required and name not in self.fields and name not in _OWN
        ]
        if missing:
            raise ValueError(f"{self.record} needs the field {missing[0]}, which is not mapped")
        if self.mark is not None and self.mark not in self.writable():
            raise ValueError(f"mark names {self.mark!r}, which is no field with `write: true`")
        return self


class FieldMapping(Part):
    """A whole mapping file."""

    modules: tuple[ModuleMapping, ...] = Field(min_length=1)
    time_zone: TimeZone = "UTC"
    """Of dates that we keep as times, both ways."""
    currency: str | None = None
    """ISO 4217, of its amounts; None: the one of the policy."""
    custom_prefixes: tuple[str, ...] = ()
    """Fields of accounts whose names begin so are free fields, without being named."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What only one CRM knows; its page says which."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of dates."""
        return ZoneInfo(self.time_zone)

    def of(self, record: RecordType) -> tuple[ModuleMapping, ...]:
        """The modules that hold records of that kind; empty: the CRM holds none."""
        return tuple(one for one in self.modules if one.record is record)

    def records(self) -> frozenset[RecordType]:
        """The kinds of records that the CRM holds."""
        return frozenset(one.record for one in self.modules)

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str | None) -> str | None:
        if value is not None and not is_currency(value):
            raise ValueError(f"{value!r} is no code of a currency; write it like EUR")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.of(RecordType.ACCOUNT)) != 1:
            raise ValueError("there must be one module with `record: account`")
        return self


def load_field_mapping(path: Path | None, *, shipped: str) -> FieldMapping:
    """The mapping of a file, else the one that is shipped in the folder `shipped` of `crm/`.

    BadInputError names the file, the key, its value and what is allowed there.
    """
    if path is None:
        source = files("account_reviews.crm").joinpath(shipped, "mapping.yaml")
        name, text = str(source), source.read_text("utf-8")
    else:
        name, text = str(path), read_text(path, "REVIEWS_CRM_MAPPING names a mapping file")
    return parse_field_mapping(read_yaml(text, name, _Loader), name)


def parse_field_mapping(document: object, name: str) -> FieldMapping:
    """Check the content of a mapping file called `name`. BadInputError."""
    if not isinstance(document, dict):
        raise BadInputError(f"{name}: a mapping file of a CRM starts with `modules:`")
    try:
        return FieldMapping.model_validate(document)
    except ValidationError as error:
        raise refused(error, name, document, parts="modules", called="module") from None


class _Loader(KeysOnce, yaml.SafeLoader):
    """`No`, `on` and dates stay the texts they are."""

    yaml_implicit_resolvers = {  # noqa: RUF012  yaml asks for it so
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _check_rule(module: Module, name: str, rule: FieldRule) -> None:
    found = module.field_of(name)
    if found is None or name == "id":
        allowed = module.describe_fields().removeprefix("id, ")
        raise ValueError(f"{module.name} have no field {name!r}; their fields are {allowed}")
    ours = [
        *(rule.values or {}).values(),
        *[text for text in (rule.default, rule.constant) if text],
    ]
    for text in ours:
        if text and not found.allows(text):
            choices = ", ".join(found.choices)
            raise ValueError(f"{name} cannot be {text!r}; it is one of {choices}")
    if rule.write and name.startswith(CUSTOM):
        raise ValueError(f"{name} cannot be written: reviews write no free fields")
