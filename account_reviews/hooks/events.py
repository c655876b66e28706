"""What a hook is given. Nothing of a value: of inputs only the names of their fields and a hash."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any


class HookName(StrEnum):
    """When hooks are called; also the names of the methods of an object that is one."""

    SESSION_START = "session_start"
    """The first run of a review has begun."""
    SESSION_END = "session_end"
    """Its last run has ended."""
    PRE_TASK = "pre_task"
    """A try of any other activity begins: rules, our own tables, upkeep."""
    POST_TASK = "post_task"
    PRE_TOOL = "pre_tool"
    """A try of an activity of the CRM or the memory begins."""
    POST_TOOL = "post_tool"


class Anomaly(StrEnum):
    """Why somebody may want to look at a review that has ended."""

    SLOW = "slow"
    FAILED = "failed"
    FAILED_AGAIN = "failed_again"
    """The account's review before this one had failed, too."""


class Inputs:
    """Describes an input; found out when somebody asks, since it can take a millisecond."""

    def __init__(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        self._describe = describe

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """`keys` and `sha256`, as `domain.audit.redaction.describe` gives them."""
        return self._describe()


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEvent:
    """One moment. What is not known, or has no meaning at that moment, is None."""

    name: HookName
    at: datetime
    """In UTC."""
    tenant: str
    workflow_id: str
    run_id: str
    """The run a step belongs to; of a session its first run, which names the review."""
    agent: str
    """Who does the work: the workflow's type, as in the label `agent` of the metrics."""
    review_id: str | None = None
    account_id: str | None = None
    trace_id: str | None = None
    """32 hex digits: the same in traces, in the trail and in logs."""

    tool: str | None = None
    """`crm.fetch_snapshot` and the like, for the tool hooks."""
    task: str | None = None
    """`analysis.analyse` and the like, for the task hooks."""
    activity_id: str | None = None
    attempt: int | None = None
    """From 1. The hooks of two tries at the same step differ by it."""
    inputs: Inputs | None = field(default=None, repr=False, compare=False)
    """Behind `input_keys` and `input_sha256`."""

    duration_seconds: float | None = None
    """Of this try, or of the whole session; at the end only."""
    error_type: str | None = None
    """The class of the error; None when it went well."""

    kind: str | None = None
    """Of a session: `on_demand`, `scheduled` ..."""
    status: str | None = None
    """Of a session that has ended: `completed`, `failed`, `cancelled` ..."""
    outcome: str | None = None
    """Likewise: `completed`, `nothing_to_do`, `rejected` ..."""
    anomalies: tuple[Anomaly, ...] = ()
    """Likewise, why to look at it."""

    @property
    def input_keys(self) -> tuple[str, ...]:
        """Names of the input's fields: dotted paths, sorted, 200 at most."""
        return tuple(self.inputs.description["keys"]) if self.inputs is not None else ()

    @property
    def input_sha256(self) -> str | None:
        """The input's content hash."""
        return str(self.inputs.description["sha256"]) if self.inputs is not None else None
