"""What an account memory holds."""

from enum import StrEnum

from pydantic import Field

from account_reviews.domain.base import Model, Scalar, Timestamp


class MemoryKind(StrEnum):
    REVIEW = "review"
    DECISION = "decision"
    NOTE = "note"
    FACT = "fact"
    RISK = "risk"
    COMMITMENT = "commitment"


class MemorySource(Model):
    """Where an item comes from: the system, its record, and a link when there is one."""

    system: str
    record_id: str | None = None
    url: str | None = None


class MemoryItem(Model):
    account_id: str
    kind: MemoryKind
    title: str | None = None
    text: str
    occurred_at: Timestamp
    valid_from: Timestamp | None = None
    valid_to: Timestamp | None = None
    source: MemorySource
    attributes: dict[str, Scalar] = Field(default_factory=dict)
    visibility: str = "internal"
    language: str = "english"


class MemoryHit(Model):
    id: str
    kind: MemoryKind
    title: str | None = None
    text: str
    score: float = 0.0
    source: MemorySource
    occurred_at: Timestamp
    attributes: dict[str, Scalar] = Field(default_factory=dict)
