"""The base of every model that travels or is stored."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, ValidationError


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value.isoformat()} is outside the years 1 to 9999 in UTC") from None


def sentence(message: str) -> str:
    """What pydantic says of a value, to go on within a sentence: words it allows stay as they are
    accepted."""
    found = message.removeprefix("Value error, ")
    return found[:1].lower() + found[1:]


Timestamp = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware point in time, always kept in UTC."""

Scalar = str | int | float | bool | None
"""A CRM field value on the wire. Money is a decimal string, time RFC 3339 with Z."""


class Model(BaseModel):
    """Frozen; unknown fields are ignored so that old histories and newer senders both decode.

    What checks a value is built when the first one comes: a command needs few of all models. A
    worker builds them all before it begins, see `build_models`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


def build_models() -> int:
    """Build what checks values, for every model that is loaded; gives how many were built.

    For a process that goes on: its first review does not wait for it, nor two threads at once.
    """
    left, found, built = [BaseModel], set[type[BaseModel]](), 0
    while left:
        model = left.pop()
        if model in found:
            continue
        found.add(model)
        left += model.__subclasses__()
        if model.__module__.startswith("account_reviews.") and not model.__pydantic_complete__:
            built += bool(model.model_rebuild())
    return built


def first_fault(error: ValidationError) -> str:
    """What does not fit first, as "deals.0.stage: input should be ...", without the value."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "it"
    return f"{where}: {sentence(first['msg'])}"
