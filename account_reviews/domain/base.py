"""The base of every model that travels or is stored."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Timestamp = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware point in time, always kept in UTC."""

Scalar = str | int | float | bool | None
"""A CRM field value on the wire. Money is a decimal string, time RFC 3339 with Z."""


class Model(BaseModel):
    """Frozen; unknown fields are ignored so that old histories and newer senders both decode."""

    model_config = ConfigDict(frozen=True, extra="ignore")
