"""Whether the mapping fits what a CRM says of its fields. Pure, but for the protocol."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

from account_reviews.crm.field_mapping import FieldMapping, FieldRule, ModuleMapping
from account_reviews.crm.importing.fields import Kind, ModuleField
from account_reviews.domain.base import Model


class FieldType(StrEnum):
    """What a field of a CRM holds, in the words of no CRM."""

    TEXT = "text"
    WORD = "pick list"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    BOOLEAN = "yes or no"
    LIST = "list"
    REFERENCE = "reference"


@dataclass(frozen=True)
class FoundField:
    """What a CRM says of one field. `type` None: it does not say, or nothing that we know."""

    name: str
    type: FieldType | None
    words: tuple[str, ...] = ()
    """Of a pick list: the texts that its API gives, in its order. Empty: any, or unknown."""
    writable: bool = True
    unique: bool = False


class MappingProblem(Model):
    """One field that is not as the mapping has it."""

    field: str
    """Ours, as `deals.stage`."""
    crm_field: str
    """The CRM's, as `Deals.Stage`."""
    expected: str
    found: str


@runtime_checkable
class ChecksMapping(Protocol):
    """A CRM that reads by a mapping file."""

    async def check_mapping(self) -> tuple[MappingProblem, ...]:
        """Each field that is missing or of another type, by what the CRM says of its fields now.

        Errors as of any call.
        """
        ...


_FITTING: Final[dict[Kind, tuple[FieldType, ...]]] = {
    Kind.TEXT: tuple(FieldType),
    Kind.INTEGER: (FieldType.NUMBER,),
    Kind.DECIMAL: (FieldType.NUMBER,),
    Kind.FRACTION: (FieldType.NUMBER,),
    Kind.DATE: (FieldType.DATE, FieldType.TIME),
    Kind.MOMENT: (FieldType.TIME, FieldType.DATE),
    Kind.BOOLEAN: (FieldType.BOOLEAN,),
    Kind.LIST: (FieldType.LIST, FieldType.TEXT, FieldType.WORD),
}


def check_fields(
    mapping: FieldMapping, found: Mapping[str, Sequence[FoundField] | None]
) -> tuple[MappingProblem, ...]:
    """The problems, in the order of the mapping. `found`: module -> its fields; None: there is no
    such module."""
    return tuple(
        problem
        for module in mapping.modules
        for problem in _problems_of(module, found.get(module.module))
    )


def _problems_of(
    module: ModuleMapping, fields: Sequence[FoundField] | None
) -> Iterator[MappingProblem]:
    if fields is None:
        yield MappingProblem(
            field=module.target.name, crm_field=module.module, expected="a module", found="none"
        )
        return
    known = {one.name: one for one in fields}
    for name, rule in module.fields.items():
        if rule.field is not None:
            found = known.get(rule.field)
            for expected, said in _differences(rule, module.describe(name), found):
                yield _problem(module, name, rule.field, expected, said)
    if module.operation_id is not None:
        operation = known.get(module.operation_id)
        if operation is None:
            yield _problem(module, "operation_id", module.operation_id, "a unique field", "none")
        elif not operation.unique:
            yield _problem(
                module, "operation_id", module.operation_id, "a unique field", "not unique"
            )


def _differences(
    rule: FieldRule, ours: ModuleField, found: FoundField | None
) -> Iterator[tuple[str, str]]:
    if found is None:
        if not rule.optional:
            yield ours.kind.value, "no such field"
        return
    if found.type is None:
        yield ours.kind.value, "a field of which the CRM gives no type"
    elif rule.values is None and found.type not in _FITTING[ours.kind]:
        yield ours.kind.value, f"a {found.type.value}"
    if rule.write and not found.writable:
        yield "a field that can be written", "one that cannot"
    missing = [word for word in ours.choices if rule.in_crm(word) not in found.words]
    if rule.write and found.words and missing:
        yield "a word for each of ours, since it may be written", f"none for {', '.join(missing)}"
    if ours.choices and rule.default is None:
        for word in found.words:
            if word not in (rule.values or {}) and not ours.allows(word):
                yield f"one of {', '.join(ours.choices)}, or a line under `values`", repr(word)


def _problem(
    module: ModuleMapping, name: str, crm_field: str, expected: str, found: str
) -> MappingProblem:
    return MappingProblem(
        field=f"{module.target.name}.{name}",
        crm_field=f"{module.module}.{crm_field}",
        expected=expected,
        found=found,
    )
