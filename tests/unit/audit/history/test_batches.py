"""What is stored together: whatever runs have moved, also those that had nothing new."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.audit.history.event_context import RunContext, RunKey
from account_reviews.audit.history.exporter import _BATCH_ROWS, _batches
from account_reviews.audit.history.reader import Export
from account_reviews.domain.audit.events import AuditEvent, EventType, Severity, Source

ROW = AuditEvent(
    event_id="one",
    at=datetime(2026, 10, 1, tzinfo=UTC),
    source=Source.HISTORY,
    event_type=EventType.OTHER_EVENT,
    tenant="default",
    actor="worker",
    action="any",
    resource="review/acc-1",
    severity=Severity.INFO,
)


def export(rows: int) -> Export:
    run = RunKey("default", "review/acc-1", f"run of {rows}")
    return Export(run, [replace(ROW)] * rows, rows, False, RunContext(), None)


@given(st.lists(st.sampled_from([0, 1, 7, _BATCH_ROWS - 1, _BATCH_ROWS, _BATCH_ROWS + 1])))
def test_every_run_is_in_one_batch_in_its_order_and_no_batch_is_empty(sizes: list[int]) -> None:
    exports = [export(rows) for rows in sizes]
    batches = _batches(exports)
    assert [one for batch in batches for one in batch] == exports
    for batch in batches:
        assert batch
        assert len(batch) == 1 or sum(len(one.rows) for one in batch) <= _BATCH_ROWS
