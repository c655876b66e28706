"""The statements that add rows to the trail take what a writer gives."""

import re
from datetime import UTC, datetime

import pytest

from account_reviews.domain.audit.events import AuditEvent, EventType, Severity, Source
from account_reviews.store.outbox_rows import document_of
from account_reviews.store.sql_files import read_sql

FILES = (
    ("account_reviews.audit", "insert_events.sql"),
    ("account_reviews.audit.capture", "move_outbox.sql"),
    ("account_reviews.audit.history", "store_export.sql"),
)
INSERT = re.compile(
    r"insert into audit\.audit_events \((?P<columns>[^)]*)\)"
    r"\s*select(?P<selected>.*?)\s*from .*? as given \((?P<given>[^)]*)\)",
    re.DOTALL,
)


def words(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


@pytest.mark.parametrize(("package", "name"), FILES)
def test_an_insert_names_every_value_of_an_event(package: str, name: str) -> None:
    found = INSERT.search(read_sql(package, name))
    assert found is not None
    event = AuditEvent(
        event_id="e",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        source=Source.FACT,
        tenant="t",
        event_type=EventType.AUDIT_GAP,
        severity=Severity.INFO,
        actor="who",
        action="a",
        resource="r",
    )
    values = list(document_of(event))
    types = {"at": "timestamptz", "details": "jsonb"}
    assert words(found["columns"]) == words(found["selected"]) == values
    assert words(found["given"]) == [f"{value} {types.get(value, 'text')}" for value in values]
