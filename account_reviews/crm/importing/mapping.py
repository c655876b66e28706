"""The mapping file: which column of which CSV file fills which field. See docs/crm-import.md."""

import codecs
import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from account_reviews.crm.importing.fields import MODULES, Kind, Module
from account_reviews.crm.mapping_files import (
    KeysOnce,
    Part,
    TimeZone,
    read_text,
    read_yaml,
    refused,
)
from account_reviews.domain.errors import BadInputError

PLACEHOLDER: Final = re.compile(r"\{([^{}]+)\}")
"""A column in a template."""
EPOCHS: Final = {"epoch": 1, "epoch_ms": 1000}
"""Date formats of times that are counted since 1970 -> how many make a second."""
_ENCODING: Final = re.compile(
    r"utf-(8|16|16-le|16-be|32)|ascii|cp\d+|iso8859-\d+|gb\w+|big5\w*|shift_ji\w+|euc_\w+|koi8-\w"
    r"|mac-\w+|johab|tis-620"
)
"""Encodings of text files, as Python calls them."""


def _plain_name(value: str) -> str:
    if Path(value).name != value or value in ("", ".", "..") or "\x00" in value:
        raise ValueError(f"{value!r} must be the name of a file in the import directory")
    return value


FileName = Annotated[str, AfterValidator(_plain_name)]
DecimalSign = Literal[".", ","]


class MostFrequent(Part):
    """For each `key` of another file, the `value` that stands there most often, ties by name."""

    file: FileName
    key: str
    value: str


_SOURCES = ("column", "first_of", "template", "constant")
_FITS: dict[str, tuple[Kind, ...]] = {
    "scale": (Kind.DECIMAL, Kind.INTEGER, Kind.FRACTION),
    "remove": (Kind.DECIMAL, Kind.INTEGER, Kind.FRACTION),
    "decimal": (Kind.DECIMAL, Kind.INTEGER, Kind.FRACTION),
    "dates": (Kind.DATE, Kind.MOMENT),
    "split": (Kind.LIST,),
    "slug": (Kind.TEXT,),
}


class Rule(Part):
    """Where one field comes from. Steps are taken in the order of the keys."""

    column: str | None = None
    first_of: tuple[str, ...] | None = None
    """The first of these columns that is not empty."""
    template: str | None = None
    """Text with {column} in it; empty when all its columns are."""
    constant: str | None = None
    most_frequent: MostFrequent | None = None
    """Look the value up in another file."""
    values: dict[str, str] | None = None
    """text -> value; an empty value means unknown. Any other text is an error, unless `default`."""
    default: str | None = None
    """For empty text, and for text that `values` does not name."""
    slug: bool = False
    """Make an id of it: lower case, words joined by hyphens."""
    remove: str = ""
    """Characters to take out of a number, such as "$,"."""
    decimal: DecimalSign | None = None
    """The decimal sign of a number; default: that of the file."""
    scale: Decimal | None = None
    """Multiply a number by this."""
    split: str | None = None
    """Separator of a list."""
    dates: tuple[str, ...] | None = None
    """Formats of dates and times; default: those of the file."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"give one of {', '.join(_SOURCES)} (found {found})")
        if self.scale is not None and not self.scale.is_finite():
            raise ValueError(f"scale cannot be {self.scale}")
        _check_formats(self.dates or ())
        return self

    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        if self.column is not None:
            return (self.column,)
        if self.template is not None:
            return tuple(PLACEHOLDER.findall(self.template))
        return self.first_of or ()


class FileMapping(Part):
    """One file that fills one module. A file may appear several times."""

    file: FileName
    module: str
    fields: dict[str, Rule]
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """The comma, or what a first line such as `sep=;` says."""
    encoding: str = "utf-8"
    skip_lines: int = Field(default=0, ge=0, le=1000)
    """Lines before the header, such as the title of a report."""
    null: tuple[str, ...] = ()
    """Texts that mean "unknown", besides the empty one."""
    replace: dict[str, dict[str, str]] = Field(default_factory=dict)
    """column -> {text: better text}: spellings to put right before anything else."""
    skip_when: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    """column -> text or texts: rows that are left out on purpose."""
    distinct: bool = False
    """Take rows that give an equal record once."""
    unknown_owners: bool = False
    """An owner that is not there becomes unknown; the record stays, and the import goes on."""
    decimal: DecimalSign | None = None
    """The decimal sign of numbers; the other one and blanks may part thousands then."""
    dates: tuple[str, ...] = ()
    """strptime formats or EPOCHS, tried in order; none: ISO 8601."""
    time_zone: TimeZone = "UTC"
    """Of dates and times that name no zone."""

    @property
    def target(self) -> Module:
        """The module it fills."""
        return MODULES[self.module]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone it speaks of."""
        return ZoneInfo(self.time_zone)

    @property
    def names_zone(self) -> bool:
        """Whether the mapping says which zone the file speaks of."""
        return "time_zone" in self.model_fields_set

    @field_validator("delimiter")
    @classmethod
    def _usable_delimiter(cls, value: str | None) -> str | None:
        if value is not None and value in '"\r\n\x00':
            raise ValueError(f"{value!r} cannot stand between values")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        """As Python calls it: `UTF8`, `utf-8-sig` and `latin-1` are known too."""
        try:
            found = codecs.lookup(value.strip()).name.replace("utf-8-sig", "utf-8")
        except (LookupError, ValueError):
            found = ""
        if not _ENCODING.fullmatch(found):
            examples = "utf-8, utf-16, cp1252, iso-8859-1, cp1250, cp1251, gbk or shift_jis"
            raise ValueError(f"unknown encoding {value!r}; write it like {examples}")
        return found

    @field_validator("module")
    @classmethod
    def _known_module(cls, value: str) -> str:
        if value not in MODULES:
            raise ValueError(f"unknown module {value!r}; the modules are {', '.join(MODULES)}")
        return value

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        _check_formats(self.dates)
        for name, rule in self.fields.items():
            _check_rule(self.target, name, rule)
        missing = [
            name
            for name, item in self.target.fields.items()
            if item.required and name not in self.fields
        ]
        if missing:
            raise ValueError(f"{self.module} needs the field {missing[0]}, which is not mapped")
        return self

    def columns(self) -> set[str]:
        """Every column of the file it mentions."""
        read = {name for rule in self.fields.values() for name in rule.columns()}
        return read | set(self.skip_when) | set(self.replace)


class Mapping(Part):
    """A whole mapping file."""

    files: tuple[FileMapping, ...] = Field(min_length=1)


def _check_rule(module: Module, name: str, rule: Rule) -> None:
    found = module.field_of(name)
    if found is None:
        allowed = module.describe_fields()
        raise ValueError(f"{module.name} has no field {name!r}; its fields are {allowed}")
    for key, kinds in _FITS.items():
        if getattr(rule, key) not in (None, False, "") and found.kind not in kinds:
            raise ValueError(f"{key} does not fit {name}, which is a {found.kind.value} field")


def _check_formats(formats: tuple[str, ...]) -> None:
    sample = datetime(2001, 2, 3)  # noqa: DTZ001  only its format counts
    for item in formats:
        if item in EPOCHS:
            continue
        try:
            read = datetime.strptime(sample.strftime(item), item)  # noqa: DTZ007  same
        except ValueError:
            read = None
        if read is None or "%" not in item:
            known = " or ".join(EPOCHS)
            raise ValueError(f"{item!r} is not a date format; write it like %d-%m-%y, or {known}")
        if read.year != sample.year:
            raise ValueError(f"{item!r} has no year; write it like %d-%m-%y")


class _Loader(KeysOnce, yaml.BaseLoader):
    """Every scalar stays the text it is: `No` is no boolean. Letters have one spelling (NFC), as in
    the files."""

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        return unicodedata.normalize("NFC", super().construct_scalar(node))


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file. BadInputError names the file, the key and what is allowed there."""
    text = read_text(path, "--mapping needs a mapping file")
    return parse_mapping(read_yaml(text, str(path), _Loader), str(path))


def parse_mapping(document: object, name: str) -> Mapping:
    """Check the content of a mapping file called `name`. BadInputError."""
    if not isinstance(document, dict):
        raise BadInputError(f"{name}: a mapping file starts with `files:`")
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        raise refused(error, name, document, parts="files", called="file") from None
