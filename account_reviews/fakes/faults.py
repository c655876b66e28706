"""What goes wrong, and when: the rules of a fault file."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class FaultAction(StrEnum):
    STATUS = "status"
    """Answers `status` with `code`; nothing is done."""
    ELEMENT_ERROR = "element_error"
    """The first record of a write is refused with `code`, the others are written."""
    DROP_BEFORE = "drop_before"
    """The connection ends without an answer; nothing is done."""
    DROP_AFTER = "drop_after"
    """It is done, then the connection ends without an answer."""
    COMMIT_LATE = "commit_late"
    """The connection ends without an answer; it is done `delay_ms` later."""
    DELAY = "delay"
    """It is done, and the answer comes `delay_ms` later."""
    REVOKE = "revoke"
    """The token is revoked before the request is looked at."""
    MALFORMED = "malformed"
    """It is done, and the answer is `body`, or the first half of what it would have been."""
    INDEX_LAG = "index_lag"
    """What is created is found by a search only `delay_ms` later."""
    EDIT = "edit"
    """Somebody else changes the record just before."""


class Match(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str | None = None
    path: str = "*"
    """A glob: `*` takes anything, slashes too."""

    def takes(self, method: str, path: str) -> bool:
        return (self.method is None or self.method.upper() == method) and fnmatchcase(
            path, self.path
        )


class FaultRule(BaseModel):
    """One kind of trouble."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Match = Match()
    after: int = Field(0, ge=0)
    """Requests that match and pass before it begins."""
    times: int | None = Field(None, ge=1)
    """How often it comes. None: for ever."""
    probability: float = Field(1.0, ge=0, le=1)
    action: FaultAction
    status: int = Field(500, ge=200, le=599)
    code: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    delay_ms: int = Field(0, ge=0)


class FaultPlan(BaseModel):
    """A fault file. The first rule that fires wins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 1
    rules: tuple[FaultRule, ...] = ()


@dataclass
class _Count:
    seen: int = 0
    fired: int = 0


class FaultEngine:
    """Gives each request the fault that it meets. The same requests meet the same faults."""

    def __init__(self, plan: FaultPlan) -> None:
        self.set_plan(plan)

    def set_plan(self, plan: FaultPlan) -> None:
        """Begin anew with other rules."""
        self._plan = plan
        self._counts = [_Count() for _ in plan.rules]
        self._chance = random.Random(plan.seed)  # noqa: S311  nobody is to be kept out by it

    def next(self, method: str, path: str) -> FaultRule | None:
        """The fault of the request that has come. A rule counts what no earlier one took."""
        for rule, count in zip(self._plan.rules, self._counts, strict=True):
            if not rule.match.takes(method, path):
                continue
            count.seen += 1
            if count.seen <= rule.after or (rule.times is not None and count.fired >= rule.times):
                continue
            if rule.probability < 1 and self._chance.random() >= rule.probability:
                continue
            count.fired += 1
            return rule
        return None


def read_faults(path: Path) -> FaultPlan:
    """The rules of a fault file. ValueError says in one sentence what is wrong with it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"the fault file {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the fault file {path} is no JSON: {error}") from None
    try:
        if not isinstance(found, Mapping):
            raise TypeError
        return FaultPlan.model_validate(found)
    except TypeError:
        raise ValueError(f'the fault file {path} holds no object with "rules"') from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"the fault file {path} has a bad {place}: {first['msg']}") from None
