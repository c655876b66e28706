"""Faults: what a check of the trail can find."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from account_reviews.audit.seals.leaves import Position


class Kind(StrEnum):
    """What is wrong."""

    DIFFERING = "differing"
    """A row is not what was sealed: it was edited, or swapped with another."""
    MISSING = "missing"
    """A row that was sealed, or that the history has, is gone."""
    EXTRA = "extra"
    """A row lies where none was sealed, or stands in no history, or is there twice."""
    SEAL = "seal"
    """A seal is wrong, gone, or another one than in the second place."""
    GUARD = "guard"
    """What guards the trail is gone, changed, or more than it has to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong. What is known of where it lies is given."""

    kind: Kind
    why: str
    seal: int | None = None
    position: Position | None = None
    event_id: str | None = None
    rows: int = 1
    """How many rows it stands for, where they are not known one by one."""

    def order(self) -> tuple[float, Position, str]:
        """By place in the trail; what has none comes last."""
        place = self.position or Position(0, 0)
        return (float("inf") if self.seal is None else self.seal, place, self.event_id or "")

    def document(self) -> dict[str, Any]:
        """As JSON."""
        xid, seq = self.position or (None, None)
        return {
            "kind": self.kind.value,
            "event_id": self.event_id,
            "seal": self.seal,
            "xid": xid,
            "seq": seq,
            "rows": self.rows,
            "why": self.why,
        }

    def describe(self) -> str:
        """One line for people."""
        where = [f"seal {self.seal}"] if self.seal is not None else []
        where += [f"row {self.position.xid}/{self.position.seq}"] if self.position else []
        where += [self.event_id] if self.event_id else []
        return f"{', '.join(where)}: {self.why}" if where else self.why
