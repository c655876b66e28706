"""Which message can be what a review recorded as decided."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from account_reviews.audit.history.asked import Asked
from account_reviews.audit.verify.recorded_decisions import _explains, _is_recorded
from account_reviews.domain.review.messages import SubmitDecision, parse

AT = datetime(2026, 10, 1, 9, 30, tzinfo=UTC)


def sent(name: str) -> Asked:
    return Asked(event=7, at=AT, approver=name, decision_id=None, text=name, update=False)


def recorded(name: str) -> SimpleNamespace:
    """The row of a decision that was sent under that name."""
    body = SubmitDecision(request_id="req-1", decision="approve", approver=name)
    taken = parse(SubmitDecision, "json/plain", body.model_dump_json().encode())
    assert isinstance(taken, SubmitDecision)
    return SimpleNamespace(
        event_type="approval_decided",
        action="approve",
        actor=taken.approver,
        at=AT,
        decision_id=None,
    )


@pytest.mark.parametrize("name", ["ann", " ann  b ", "ann\tb", "\x01ann", "ann\x9bb", "Zoe\u0308"])
def test_a_decision_is_explained_by_its_message_however_the_name_is_spelled(name: str) -> None:
    row = recorded(name)
    assert _explains(sent(name), row)
    assert _is_recorded(sent(name), [row])


def test_nobody_elses_message_explains_a_decision() -> None:
    assert not _explains(sent("ann"), recorded("bob"))


SPELLED = frozenset({("ow-4", "Oren Salvat")})


def test_who_decides_by_what_the_crm_calls_him_is_recorded_by_the_name_that_counts() -> None:
    row = recorded("Oren Salvat")
    for name in ("ow-4", "OW-4 ", "Oren Salvat"):
        assert _explains(sent(name), row, SPELLED)
        assert _is_recorded(sent(name), [row], SPELLED)


@pytest.mark.parametrize(
    ("said", "stored"),
    [("ow-4", "bob"), ("bob", "ow-4"), ("ow-5", "Oren Salvat"), ("Oren Salvat", "ow-4")],
)
def test_another_spelling_stands_for_nobody_else(said: str, stored: str) -> None:
    assert not _explains(sent(said), recorded(stored), SPELLED)
    assert not _is_recorded(sent(said), [recorded(stored)], SPELLED)
