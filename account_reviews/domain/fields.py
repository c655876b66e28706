"""What each action may write, field by field, with types. Adjustments are checked against it."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from account_reviews.domain.base import Scalar, Timestamp, sentence
from account_reviews.domain.canonical import plain
from account_reviews.domain.characters import is_blank, written_on_one_line
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.ids import LONGEST_OWNER_ID
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import AccountStatus, DealStage
from account_reviews.domain.times import FIRST_YEAR, LAST_YEAR, is_usable_time

AnyTime = TypeVar("AnyTime", date, Timestamp)


def _readable(value: str) -> str:
    """On one line, without what acts on the text around it."""
    found = written_on_one_line(value)
    if is_blank(found):
        raise ValueError("there is nothing to read in it")
    return found


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=150),
    AfterValidator(_readable),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
Id = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_OWNER_ID)
]


def _usable(value: AnyTime) -> AnyTime:
    if not is_usable_time(value):
        raise ValueError(f"its year is not between {FIRST_YEAR} and {LAST_YEAR}")
    return value


Day = Annotated[date, AfterValidator(_usable)]
Moment = Annotated[Timestamp, AfterValidator(_usable)]


class Fields(BaseModel):
    """The writable fields of one action; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class CreateTaskFields(Fields):
    subject: Line | None = None
    description: Text | None = None
    due_at: Moment | None = None
    priority: Literal["critical", "high", "medium", "low"] | None = None
    owner_id: Id | None = None


class AddNoteFields(Fields):
    title: Line | None = None
    content: Text | None = None


class UpdateAccountFields(Fields):
    status: AccountStatus | None = None
    industry: Line | None = None
    segment: Line | None = None
    website: Line | None = None
    phone: Line | None = None
    billing_city: Line | None = None
    billing_country: Line | None = None
    annual_revenue: Annotated[Decimal, Field(ge=0, max_digits=30)] | None = None
    """As an import takes it: `1e9999999999` would be written out, digit by digit."""
    contract_end: Day | None = None
    renewal_date: Day | None = None


class UpdateDealStageFields(Fields):
    stage: DealStage | None = None


class ChangeOwnerFields(Fields):
    owner_id: Id | None = None


class UpdateContactFields(Fields):
    name: Line | None = None
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    phone: Line | None = None
    title: Line | None = None
    level: Literal["C-Level", "VP", "Director"] | None = None
    owner_id: Id | None = None
    active: bool | None = None


FIELDS: dict[Action, type[Fields]] = {
    Action.CREATE_TASK: CreateTaskFields,
    Action.ADD_NOTE: AddNoteFields,
    Action.UPDATE_ACCOUNT: UpdateAccountFields,
    Action.UPDATE_DEAL_STAGE: UpdateDealStageFields,
    Action.CHANGE_OWNER: ChangeOwnerFields,
    Action.UPDATE_CONTACT: UpdateContactFields,
}


NEEDED: Final[dict[Action, tuple[str, ...]]] = {
    Action.CREATE_TASK: ("subject",),
    Action.ADD_NOTE: ("content",),
    Action.UPDATE_DEAL_STAGE: ("stage",),
    Action.CHANGE_OWNER: ("owner_id",),
}
"""What a write of that action cannot be made without."""
_NEVER_EMPTY: Final = {"name", "subject", "content", "stage"}


def missing_field(action: Action, after: Mapping[str, object]) -> str | None:
    """The first field that the write needs and that has no value, or None."""
    never = [name for name, value in after.items() if value is None and name in _NEVER_EMPTY]
    needed = [name for name in NEEDED.get(action, ()) if after.get(name) is None]
    return next(iter((*needed, *never)), None)


def check_fields(action: Action, values: dict[str, Scalar]) -> dict[str, Scalar]:
    """The values in their wire form. BadInputError names the field, the value and what fits."""
    try:
        parsed = FIELDS[action].model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(FIELDS[action].model_fields)
            message = f"{action} has no field {name!r}; its fields are {allowed}"
        else:
            message = f"{name} cannot be {values.get(name)!r}: {sentence(first['msg'])}"
        raise BadInputError(message) from None
    found: dict[str, Scalar] = {}
    for name in values:
        value = plain(getattr(parsed, name))
        assert value is None or isinstance(value, str | int | float | bool)
        found[name] = value
    return found
