"""What recording an event needs: the context of its run, the content of a row, common steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Self

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from account_reviews.audit.capture.payloads import (
    Details,
    actor_of,
    described,
    failure_of,
    milliseconds,
    named,
    request_of,
    value_of,
)
from account_reviews.domain.audit.events import EventType, Severity
from account_reviews.domain.audit.redaction import Rules, redact_text
from account_reviews.temporal.names import DEFAULT_TENANT

ENDS: Final[Mapping[str, Severity]] = {
    "completed": Severity.INFO,
    "failed": Severity.ERROR,
    "timed_out": Severity.WARNING,
    "canceled": Severity.WARNING,
    "terminated": Severity.WARNING,
}
"""How a run can end, as Temporal names it, and how bad that is."""


@dataclass(frozen=True, slots=True)
class RunKey:
    """Which history: its namespace, workflow and run."""

    namespace: str
    workflow_id: str
    run_id: str


@dataclass(slots=True)
class Begun:
    """Something that a later event ends or refers to."""

    name: str
    at: str
    """When it began; once it was picked up, when it was."""
    id: str = ""
    actor: str | None = None


@dataclass(slots=True)
class RunContext:
    """What the events so far have said that later rows need. Small, and plain JSON at rest."""

    workflow_type: str = ""
    tenant: str = DEFAULT_TENANT
    review_id: str | None = None
    account_id: str | None = None
    trace_id: str | None = None
    started_by: str | None = None
    started_at: str = ""
    worker: str | None = None
    """Who completed the last workflow task: what that task decided is of this worker."""
    begun: dict[str, Begun] = field(default_factory=dict)
    """By event id."""

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        begun = {
            key: {"name": one.name, "at": one.at, "id": one.id, "actor": one.actor}
            for key, one in self.begun.items()
        }
        return {name: getattr(self, name) for name in _FIELDS} | {"begun": begun}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """The inverse; an empty document is the context before the first event."""
        begun = {key: Begun(**one) for key, one in document.get("begun", {}).items()}
        return cls(**{**document, "begun": begun})

    def copy(self) -> Self:
        """One that can go on without touching this one."""
        return replace(self, begun={key: replace(one) for key, one in self.begun.items()})

    def begin(self, event_id: int, name: str, at: datetime, **more: str | None) -> None:
        """Keep what began with this event."""
        self.begun[str(event_id)] = Begun(name, at.isoformat(), **more)  # type: ignore[arg-type]

    def end(self, event_id: int) -> Begun | None:
        """What began with that event and ends now."""
        return self.begun.pop(str(event_id), None)

    def find(self, event_id: int) -> Begun | None:
        """What began with that event and goes on."""
        return self.begun.get(str(event_id))


_FIELDS: Final = tuple(one.name for one in fields(RunContext))


@dataclass(frozen=True, slots=True)
class RowContent:
    """What a row says beyond what all rows of a run share."""

    event_type: EventType
    action: str
    details: Details = field(default_factory=dict)
    severity: Severity = Severity.INFO
    actor: str | None = None
    """None: the worker that decided it, else the server."""
    resource: str | None = None
    """None: the workflow itself."""


class EventRow:
    """Reads one event. Its subclasses have a method for each type, which takes the attributes."""

    def __init__(
        self, run: RunKey, event: HistoryEvent, at: datetime, context: RunContext, rules: Rules
    ) -> None:
        self.run = run
        self.event = event
        self.context = context
        self.rules = rules
        self.at = at

    def _pick_up(self, attributes: Any) -> Begun | None:
        """From now on its duration is that of the work, not of the wait for a worker."""
        begun = self.context.find(attributes.scheduled_event_id)
        if begun is not None:
            begun.at = self.at.isoformat()
        return begun

    def _ended_after(self, attributes: Any) -> int | None:
        return self._duration(self.context.end(attributes.scheduled_event_id))

    def _duration(self, begun: Begun | None) -> int | None:
        return self._since(begun.at) if begun else None

    def _since(self, begin: str) -> int | None:
        return milliseconds(datetime.fromisoformat(begin), self.at) if begin else None

    def _add_failure(self, details: Details, attributes: Any) -> None:
        names = attributes.DESCRIPTOR.fields_by_name if attributes is not None else ()
        if "failure" in names and attributes.HasField("failure"):
            details["failure"] = failure_of(attributes.failure, self.rules)

    def _summary(self) -> str | None:
        if not self.event.user_metadata.HasField("summary"):
            return None
        value = value_of([self.event.user_metadata.summary])
        return _shown(value, self.rules) if isinstance(value, str) else None

    def _message(self, header: Any, passed: Any) -> Details:
        return {"input": described(passed, self.rules), "request": request_of(header)}

    def _asked_by(self, header: Any, passed: Any) -> str | None:
        return actor_of(header, value_of(passed))


@lru_cache(maxsize=2048)
def _shown(summary: str, rules: Rules) -> str:
    """Summaries repeat: most reviews have the same few."""
    return redact_text(summary, rules)


def word(value: object) -> str | None:
    return named(value) if isinstance(value, str) else None


def whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def indexed(fields: Mapping[str, Payload], name: str) -> str | None:
    return word(value_of([fields[name]])) if name in fields else None


def identity(attributes: Any) -> str | None:
    """Who reported it, where the event says so."""
    return named(getattr(attributes, "identity", "")) or None
