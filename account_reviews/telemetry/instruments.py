"""Everything that is counted, by name. Without a provider of metrics counting does nothing.

Count in activities, in interceptors outside the sandbox and in observers of the runner, never in
workflow code: that runs again on every replay. Labels hold ids of schedules and names of kinds,
never of accounts or people: each value of a label is a series of its own.
"""

from functools import cache
from typing import Final

from opentelemetry import metrics
from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider

METER: Final = "account_reviews"

_QUICK: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_DAYS: Final = (
    *(0.1, 0.5, 1.0, 5.0, 10.0, 30.0, _MINUTE, 5 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 4 * _HOUR, 12 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY, 30 * _DAY),
)
_SHARES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_GENERATION: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_LAG: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 5.0, 15.0, _MINUTE, 10 * _MINUTE, _HOUR)


class Instruments:
    """The counters and histograms of one meter. OpenTelemetry adds `_total` and the unit."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.tool_invocations = self._counter(
            "orchestrator_tool_invocations", "Calls of the CRM and the memory that began"
        )
        self.tool_duration = self._seconds(
            "orchestrator_tool_duration", "How long calls of the CRM and the memory took", _QUICK
        )
        self.tool_errors = self._counter(
            "orchestrator_tool_errors", "Calls of the CRM and the memory that failed"
        )
        self.task_executions = self._counter(
            "orchestrator_task_executions", "Other steps that began: rules, our own tables, upkeep"
        )
        self.task_duration = self._seconds(
            "orchestrator_task_duration", "How long other steps took", _QUICK
        )
        self.task_errors = self._counter("orchestrator_task_errors", "Other steps that failed")
        self.session_duration = self._seconds(
            "orchestrator_session_duration", "Start to end of reviews that closed", _DAYS
        )
        self._business()
        self._approvals_and_schedules()
        self._crm()
        self._audit()

    def _business(self) -> None:
        self.generated = self._counter(
            "reviews_recommendations_generated", "Recommendations the rules made"
        )
        self.accepted = self._counter(
            "reviews_recommendations_accepted", "Proposed changes a person approved"
        )
        self.rejected = self._counter(
            "reviews_recommendations_rejected", "Proposed changes that nobody approved"
        )
        self.confidence = self._histogram(
            "reviews_recommendations_confidence_score", "Confidence of recommendations", _SHARES
        )
        self.generation = self._seconds(
            "reviews_recommendations_generation_duration", "How long the rules took", _GENERATION
        )
        self.accounts = self._counter(
            "reviews_accounts_processed", "Accounts whose review closed with an answer"
        )
        self.anomalies = self._counter(
            "reviews_session_anomalies", "Reviews that ended slowly, failed, or failed again"
        )

    def _approvals_and_schedules(self) -> None:
        self.approval_latency = self._seconds(
            "reviews_approval_latency", "Request to decision; counted when the review closes", _DAYS
        )
        self.schedule_lateness = self._seconds(
            "reviews_schedule_lateness", "Scheduled time to first task, of runs on schedule", _DAYS
        )
        self.schedule_runs = self._counter(
            "reviews_schedule_runs", "Runs of schedules by what was judged of their beginning"
        )

    def _crm(self) -> None:
        self.crm_limited = self._counter(
            "reviews_crm_rate_limit_hits", "Calls the CRM turned away because of its rate limit"
        )
        self.crm_remaining = self._meter.create_gauge(
            "reviews_crm_limit_remaining_ratio",
            description="Share of the CRM's call limit that is left; 1 without a limit",
        )
        self.memory_strays = self._counter(
            "reviews_memory_strays", "Hits of another account or tenant that a memory gave; dropped"
        )

    def _audit(self) -> None:
        self.audit_rows = self._counter("reviews_audit_rows_written", "Rows added to the trail")
        self.audit_dropped = self._counter(
            "reviews_audit_rows_dropped", "Rows lost because no database took them for too long"
        )
        self.audit_errors = self._counter(
            "reviews_audit_export_errors", "Attempts to store or seal rows that failed"
        )
        self.audit_gaps = self._counter(
            "reviews_audit_gaps_found", "Histories found deleted before the trail had them"
        )
        self.reviews_gone = self._counter(
            "reviews_gone_sessions", "Open reviews found that Temporal does not know any more"
        )
        self.audit_lag = self._seconds(
            "reviews_audit_lag", "From an event to its row in the trail", _LAG
        )
        self.audit_waiting = self._meter.create_gauge(
            "reviews_audit_waiting_rows",
            description="Rows that wait in the memory of this process for a database",
        )
        self.notices = self._counter(
            "reviews_notices", "Tries to notify somebody, by channel, kind and how they ended"
        )
        self.webhooks = self._counter(
            "reviews_webhooks", "Webhooks that came in, by who sent them and how they were answered"
        )
        self.events = self._counter(
            "reviews_crm_events", "What was done about accounts that the CRM says have changed"
        )
        self.hook_failures = self._counter(
            "reviews_hook_failures", "Calls of hooks that raised, took too long or were dropped"
        )
        self.hook_calls = self._counter("reviews_hook_calls", "Calls of hooks that came to an end")

    def zero(self) -> None:
        """Show the counters without labels from the beginning: alerts need a series to look at."""
        for counter in (
            *(self.accounts, self.crm_limited, self.audit_dropped, self.audit_gaps),
            self.reviews_gone,
        ):
            counter.add(0)
        self.audit_waiting.set(0)

    def _counter(self, name: str, text: str) -> Counter:
        return self._meter.create_counter(name, description=text)

    def _seconds(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return self._histogram(name, text, buckets, unit="s")

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *, unit: str = ""
    ) -> Histogram:
        return self._meter.create_histogram(
            name, unit=unit, description=text, explicit_bucket_boundaries_advisory=buckets
        )


_bound: list[Instruments] = []
"""What `use` gave; the last one counts."""


@cache
def _of_the_process() -> Instruments:
    return Instruments(metrics.get_meter(METER))


def instruments() -> Instruments:
    """Those in use; without `use` those of OpenTelemetry's global provider, which may be none."""
    return _bound[-1] if _bound else _of_the_process()


def use(provider: MeterProvider) -> Instruments:
    """Count with this provider from now on, until `forget`."""
    made = Instruments(provider.get_meter(METER))
    _bound.append(made)
    return made


def forget(made: Instruments) -> None:
    """Undo `use`."""
    _bound.remove(made)


def tool_started(tool: str, agent: str) -> None:
    """A try of an activity of the CRM or the memory began. `agent`: the asking workflow type."""
    instruments().tool_invocations.add(1, {"tool": tool, "agent": agent})


def tool_ended(tool: str, agent: str, seconds: float, error_type: str | None = None) -> None:
    """It ended; `error_type` is the name of the error's class, None when it went well."""
    held = instruments()
    held.tool_duration.record(seconds, {"tool": tool, "agent": agent})
    if error_type is not None:
        held.tool_errors.add(1, {"tool": tool, "agent": agent, "error_type": error_type})


def task_started(kind: str, agent: str) -> None:
    """A try of any other activity began."""
    instruments().task_executions.add(1, {"type": kind, "agent": agent})


def task_ended(kind: str, agent: str, seconds: float, error_type: str | None = None) -> None:
    """It ended."""
    held = instruments()
    held.task_duration.record(seconds, {"type": kind, "agent": agent})
    if error_type is not None:
        held.task_errors.add(1, {"type": kind, "agent": agent, "error_type": error_type})


def session_ended(kind: str, status: str, seconds: float) -> None:
    """A review closed. `kind`: on_demand, scheduled ...; `status`: completed, failed ..."""
    instruments().session_duration.record(seconds, {"type": kind, "status": status})


def session_anomaly(kind: str) -> None:
    """Something about a review's end is worth a look: `slow`, `failed`, `failed_again`."""
    instruments().anomalies.add(1, {"kind": kind})


def account_processed() -> None:
    """A review closed with an answer."""
    instruments().accounts.add(1)


def recommendation_generated(kind: str, priority: str, confidence: float) -> None:
    """The rules made one; `confidence` 0 to 1."""
    held = instruments()
    held.generated.add(1, {"type": kind, "priority": priority})
    held.confidence.record(confidence)


def recommendations_took(seconds: float) -> None:
    """How long the rules took for one account."""
    instruments().generation.record(seconds)


def recommendation_accepted(kind: str) -> None:
    """A proposed change was approved."""
    instruments().accepted.add(1, {"type": kind})


def recommendation_rejected(kind: str, reason: str) -> None:
    """It was not; `reason` is how: rejected, expired, deferred, superseded."""
    instruments().rejected.add(1, {"type": kind, "reason": reason})


def approval_decided(decision: str, seconds: float) -> None:
    """One item was decided `seconds` after it was asked."""
    instruments().approval_latency.record(seconds, {"decision": decision})


def schedule_run(schedule_id: str, verdict: str, lateness_seconds: float | None) -> None:
    """A run of a schedule began; `verdict`: on_time, late, missed, backfill, trigger.

    Lateness counts only where it was judged.
    """
    held = instruments()
    held.schedule_runs.add(1, {"schedule_id": schedule_id, "verdict": verdict})
    if lateness_seconds is not None:
        held.schedule_lateness.record(lateness_seconds, {"schedule_id": schedule_id})


def crm_rate_limited() -> None:
    """The CRM turned a call away."""
    instruments().crm_limited.add(1)


def crm_limit_remaining(backend: str, share: float) -> None:
    """What is left of the CRM's limit, 0 to 1."""
    instruments().crm_remaining.set(share, {"backend": backend})


def memory_stray(kind: str) -> None:
    """A memory gave a hit that is not of whom it was asked about: account, tenant, unknown."""
    instruments().memory_strays.add(1, {"kind": kind})


def audit_rows_written(rows: int, source: str) -> None:
    """Rows that were added; `source` as in domain.audit.Source."""
    instruments().audit_rows.add(rows, {"source": source})


def audit_waiting(rows: int) -> None:
    """Rows that no database has yet, after one was asked to take some."""
    instruments().audit_waiting.set(rows)


def audit_rows_dropped(rows: int) -> None:
    """Rows that are lost."""
    instruments().audit_dropped.add(rows)


def audit_failed(what: str, error_type: str) -> None:
    """Failed: export, telling, log, relay, quarantine, seal, anchor, reconcile."""
    instruments().audit_errors.add(1, {"what": what, "error_type": error_type})


def audit_gap(histories: int = 1) -> None:
    """Histories that were gone before the trail had them."""
    instruments().audit_gaps.add(histories)


def reviews_gone(reviews: int = 1) -> None:
    """Open reviews that Temporal was found not to know any more, each counted once."""
    instruments().reviews_gone.add(reviews)


def audit_lag(seconds: float, source: str) -> None:
    """From the event to its row."""
    instruments().audit_lag.record(max(0.0, seconds), {"source": source})


def hook_ended(hook: str) -> None:
    """A hook was called and came back."""
    instruments().hook_calls.add(1, {"hook": hook})


def hook_failed(hook: str, reason: str) -> None:
    """It did not; `reason`: raised, timed_out, dropped."""
    instruments().hook_failures.add(1, {"hook": hook, "reason": reason})


def webhook_answered(source: str, outcome: str) -> None:
    """A webhook came in. `source`: zoho, hubspot, crm; `outcome`: accepted, duplicate, refused,
    malformed, too_large, too_slow, full, unavailable."""
    instruments().webhooks.add(1, {"source": source, "outcome": outcome})


def event_followed(outcome: str) -> None:
    """An account, or an event of none, was dealt with: started, refreshed, own_write, deleted,
    no_account, dead."""
    instruments().events.add(1, {"outcome": outcome})


def notice_tried(channel: str, kind: str, outcome: str) -> None:
    """A try to notify somebody ended: sent, failed (and is tried again), refused, outdated."""
    instruments().notices.add(1, {"channel": channel, "kind": kind, "outcome": outcome})
