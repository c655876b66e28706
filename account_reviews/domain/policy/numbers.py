"""Numbers and lengths of time that keys of the policy take."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from account_reviews.domain.durations import Span

Days = Annotated[int, Field(strict=True, ge=1, le=3650)]
Points = Annotated[int, Field(strict=True, ge=0, le=100)]
Count = Annotated[int, Field(strict=True, ge=0, le=1000)]
Some = Annotated[int, Field(strict=True, ge=1, le=1000)]
Amount = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000_000)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Factor = Annotated[float, Field(strict=True, gt=0, le=5)]
Hours = Annotated[timedelta, Span("1s", "365d", "h")]
Long = Annotated[timedelta, Span("1s", "3650d")]
