"""Rows of the audit trail as people read them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from account_reviews.domain.audit.events import BUSINESS, EventType
from account_reviews.presentation.audit_words import COLUMNS, about, cells, happened, who
from account_reviews.presentation.quick_words import QuickWords

WORDS = QuickWords(now=datetime(2026, 10, 1, tzinfo=UTC), people={"ow-1": "Ann Lee"})
REQUEST = "28ab4e15-c5b8-4aa0-969f-69a2ed8f7488"


def row(kind: str, action: str, **more: Any) -> dict[str, Any]:
    found = {
        "at": "2026-10-01T09:00:00.000000Z", "event_type": kind, "action": action, "actor": "ow-1",
        "resource": "review/ac-1", "account_id": "ac-1", "severity": "info", "source": "fact",
        "run_id": "run", "details": {},
    }  # fmt: skip
    return found | more


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (row("session_started", "AccountReview"), "Review started"),
        (row("session_ended", "ReviewCycle", details={"outcome": "completed"}),
         "Cycle ended: completed"),
        (row("approval_decided", "approval_decided", details={"line": 1, "text": "approve"}),
         "Ann Lee approves"),
        (row("approval_requested", "approval_requested",
             details={"line": 1, "text": f"1 change proposed, request {REQUEST}"}),
         "1 change proposed"),
        (row("crm_write", "create_task"), "CRM write: new task"),
        (row("review_note", "command_refused", details={
            "line": 1, "text": "it is paused already, by ow-1 since 2026-10-01T09:00:00Z"}),
         "Refused: it is paused already, by Ann Lee since Thu 1 Oct, 09:00"),
        (row("request_made", "start AccountReview"), "Asked for: start of a review"),
        (row("schedule_created", "create schedule"), "Schedule created"),
        (row("notice_sent", "x", details=None), "Notice sent"),
        (row("authentication", "signed in", resource="people/Ann"), "Signed in"),
        (row("configuration_changed", "user added", resource="people/Ann"), "User added"),
        (row("authentication", "sign-in", resource="people/unknown",
             details={"text": "too many tries", "count": 3}),
         "Sign-in refused: too many tries"),
        (row("permission_denied", "pause", details={"text": "Vic is auditor and may not pause"}),
         "Permission denied: Vic is auditor and may not pause"),
        (row("approval_refused", "decide", details={"text": "the request has no item 'x'"}),
         "Approval refused: the request has no item 'x'"),
    ],
)  # fmt: skip
def test_a_row_is_a_sentence(told: dict[str, Any], said: str) -> None:
    assert happened(told, WORDS) == said


def test_a_row_names_its_account_else_what_it_is_about() -> None:
    assert about(row("crm_write", "x"), {"ac-1": "Fjord Optics"}).keep == " (ac-1)"
    of_schedule = row("schedule_created", "x", account_id=None, resource="schedule/daily")
    assert about(of_schedule, {}).text == "daily"
    of_cycle = row("session_ended", "x", account_id=None, resource=f"cycle/cycle/{'ab' * 16}")
    assert about(of_cycle, {}).text == "cycle abababab"
    shown = cells(row("crm_write", "add_note"), WORDS, {})
    assert len(shown) == len(COLUMNS)
    assert shown[0] == "Thu 1 Oct, 09:00"
    assert shown[3] == "Ann Lee"


def test_a_process_is_a_worker_and_a_person_a_name() -> None:
    assert who("22824@vm", WORDS) == "a worker"
    assert who("ow-1", WORDS) == "Ann Lee"
    assert who("22824@vm.example or not", WORDS) == "22824@vm.example or not"


def test_people_see_what_people_did_and_not_what_machines_did_for_it() -> None:
    assert {kind for kind in EventType if kind.startswith("approval_")} <= BUSINESS
    assert {kind for kind in EventType if kind.startswith("schedule_")} <= BUSINESS
    for beginning in ("workflow_task_", "activity_", "timer_", "task_", "child_", "tool_"):
        assert not {kind for kind in BUSINESS if kind.startswith(beginning)}
