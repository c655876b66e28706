"""The log of a process: one JSON object per line on stderr, a format for people on a terminal.

Each line of a workflow or an activity has the ids of its review and its trace. Writing happens in
a thread of its own: formatting needs modules the sandbox would import anew, and a stderr nobody
reads must not hold up a review. Secrets and personal data are masked.
"""

import logging
import logging.handlers
import queue
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, TextIO

import orjson
import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor
from temporalio import activity, workflow
from temporalio.runtime import LogForwardingConfig, LoggingConfig, TelemetryFilter

from account_reviews.domain.audit.redaction import DEFAULT, Rules, redact, redact_text
from account_reviews.domain.characters import shown_line_by_line, shown_on_one_line
from account_reviews.telemetry.failed_attempts import failed_attempts_from
from account_reviews.telemetry.spans import trace_here
from account_reviews.temporal.names import is_review_id, parse_review_id

_MOST_WAITING: Final = 10_000
_CORE: Final = "temporalio.core"
_IDS: Final = "review_ids"
_OF_THE_SDK: Final = ("temporal_workflow", "temporal_activity", "temporal_log")
_TRACE: Final = "exception"
_MOST_OF_A_TRACE: Final = 100_000
"""Characters; a thousand frames are about as long."""
_LOUD: Final = ("asyncio", "urllib3", "botocore", "aioboto3")
"""Libraries that log their own inner life at info."""


def core_logging() -> LoggingConfig:
    """What the SDK's core has to say goes the same way."""
    return LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(
            logger=logging.getLogger(_CORE),
            append_target_to_name=False,
            prepend_target_on_message=False,
        ),
    )


@contextmanager
def logging_to(
    stream: TextIO | None = None, *, level: str = "info", rules: Rules = DEFAULT
) -> Iterator[None]:
    """Log everything of this process from `level` on to `stream` (default: stderr)."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(formatter(people=target.isatty(), rules=rules))
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(_MOST_WAITING)
    entry = _Entry(waiting)
    entry.addFilter(_remember_ids)
    root, loud = logging.getLogger(), [logging.getLogger(name) for name in _LOUD]
    before = (root.level, [one.level for one in loud])
    listener = logging.handlers.QueueListener(waiting, handler)
    listener.start()
    root.addHandler(entry)
    root.setLevel(level.upper())
    for one in loud:
        one.setLevel(max(logging.WARNING, root.level))
    try:
        with _ids_apart(), failed_attempts_from(root.level):
            yield
    finally:
        root.removeHandler(entry)
        root.setLevel(before[0])
        for one, was in zip(loud, before[1], strict=True):
            one.setLevel(was)
        listener.stop()


def formatter(*, people: bool, rules: Rules = DEFAULT) -> logging.Formatter:
    """Lines of `ts level logger event ...`, as JSON or for people."""
    last: list[Processor] = [_shown, structlog.dev.ConsoleRenderer()] if people else [_json]
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _ids,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _Redact(rules),
            *last,
        ],
    )


def ids_now() -> dict[str, str | int]:
    """The ids of the workflow or activity that runs here, empty elsewhere."""
    if workflow.in_workflow():
        info = workflow.info()
        found = _ids_of(info.workflow_id, info.run_id, info.workflow_type)
    elif activity.in_activity():
        about = activity.info()
        found = _ids_of(about.workflow_id, about.workflow_run_id, about.workflow_type)
        found |= {
            "activity": about.activity_type,
            "activity_id": about.activity_id,
            "attempt": about.attempt,
        }
    else:
        found = {}
    context = trace.get_current_span().get_span_context()
    current = trace.format_trace_id(context.trace_id) if context.is_valid else trace_here.get()
    if current:
        found["trace_id"] = current
    return found


def _ids_of(
    workflow_id: str | None, run_id: str | None, workflow_type: str | None
) -> dict[str, str | int]:
    known = {"workflow_id": workflow_id, "run_id": run_id, "workflow_type": workflow_type}
    found: dict[str, str | int] = {name: value for name, value in known.items() if value}
    try:
        account_id, tenant = parse_review_id(workflow_id or "")
    except ValueError:
        named = {"review_id": workflow_id or ""} if is_review_id(workflow_id or "") else {}
        return found | named
    return found | {"review_id": workflow_id or "", "account_id": account_id, "tenant": tenant}


class _Entry(logging.handlers.QueueHandler):
    """Hands records on. One too many is dropped: the log never holds up a review."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            return


def _remember_ids(record: logging.LogRecord) -> bool:
    """Only the thread that logs knows where it is."""
    setattr(record, _IDS, ids_now())
    return True


def _ids(_: Any, __: str, event: EventDict) -> EventDict:
    about = event.get("temporal_workflow")
    for name in _OF_THE_SDK:
        event.pop(name, None)
    for name, value in event.pop(_IDS, {}).items():
        event.setdefault(name, value)
    if isinstance(about, dict) and "workflow_id" not in event:  # a failed task ends outside of it
        where = (about.get(name) for name in ("workflow_id", "run_id", "workflow_type"))
        event.update(_ids_of(*where))
    return event


class _Redact:
    """Masks everything but the ids, which are made of account ids and hashes."""

    _KEPT: Final = frozenset({"at", "level", "logger"})

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def __call__(self, _: Any, __: str, event: EventDict) -> MutableMapping[str, Any]:
        shown: dict[str, Any] = {name: event[name] for name in self._KEPT if name in event}
        shown["event"] = redact_text(str(event.get("event", "")), self._rules)
        rest = {name: value for name, value in event.items() if name not in shown}
        trace = rest.pop(_TRACE, None)
        masked = redact(rest, self._rules)
        shown |= masked if isinstance(masked, dict) else {}
        if trace is not None:
            shown[_TRACE] = self._whole(str(trace))
        return shown

    def _whole(self, trace: str) -> str:
        """A trace has its most telling line at its end, so it is not cut like other texts."""
        text = redact_text(trace, self._rules, most=len(trace))
        if len(text) <= _MOST_OF_A_TRACE:
            return text
        half = _MOST_OF_A_TRACE // 2
        gone = len(text) - 2 * half
        return f"{text[:half]}… {gone} characters left out …{text[-half:]}"


def _shown(_: Any, __: str, event: EventDict) -> EventDict:
    """What a terminal would obey is made visible; a trace keeps its lines."""
    return {
        name: shown_line_by_line(value)
        if name == _TRACE
        else shown_on_one_line(value)
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }


def _json(_: Any, __: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str).decode()


@contextmanager
def _ids_apart() -> Iterator[None]:
    """The SDK writes its ids into the message too; here they are fields."""
    loggers = (workflow.logger, activity.logger)
    before = (workflow.logger.workflow_info_on_message, activity.logger.activity_info_on_message)
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
    try:
        yield
    finally:
        loggers[0].workflow_info_on_message = before[0]
        loggers[1].activity_info_on_message = before[1]
