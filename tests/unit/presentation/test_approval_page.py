"""What stands on the page of a request, and how long its lines become."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.analysis.model import Evidence
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.approvals import Decided
from account_reviews.domain.review.past_decisions import PastDecision, past_decisions
from account_reviews.domain.review.terms import RACE, Terms
from account_reviews.presentation.approval_page import (
    cited,
    heading,
    item_lines,
    late_line,
    needed,
    next_lines,
    past_lines,
    request_lines,
    wrapped,
)
from account_reviews.presentation.review_documents import request_document
from account_reviews.presentation.text_width import width_of
from account_reviews.presentation.words import Words
from tests.support.requests import NOW, contact_change, message, opened, task

WORDS = Words(now=NOW, people={"ow-1": "Ann Lee"})
NAMES = ("Fjord Optics", "\u0634\u0631\u06a9\u062a", "\U0001f33f " * 60, "x" * 300, "株式会社" * 40)


@given(text=st.text(st.sampled_from("ab 株式東京、"), min_size=1, max_size=400))
def test_signs_that_take_two_columns_do_not_make_lines_too_long(text: str) -> None:
    lines = wrapped(text, "    ")
    assert max(map(width_of, lines), default=0) <= 80
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(("check", "told"), [("compared", True), ("atomic", False), (None, False)])
def test_who_decides_is_told_of_a_crm_that_only_compares(check: Any, told: bool) -> None:
    request = opened(terms=Terms(version_check=check))
    text = " ".join(" ".join(request_lines(request, None, WORDS)).split())
    assert (RACE in text) is told
    assert request_document(request)["version_check"] == check


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_any_name_holds_no_value_of_the_program(name: str) -> None:
    request = opened()
    lines = request_lines(request, None, WORDS, name=name, short_id="acme-1")
    for place, item in enumerate(request.items, 1):
        lines += item_lines(item, place, len(request.items), WORDS)
    lines += next_lines(request, "acme-1")
    assert max(map(width_of, lines)) <= 80
    text = "\n".join(lines)
    assert "request acme-1" in text
    for word in ("None", "nothing ->", "_", request.request_id):
        assert word not in text


def test_a_request_is_headed_by_its_account_and_who_is_asked() -> None:
    request = opened().model_copy(update={"approvers": ("ow-1",)})
    count = len(request.items)
    verb = "change waits" if count == 1 else "changes wait"
    said = heading(request, "Fjord Optics", WORDS)
    assert said == f"Fjord Optics ({request.account_id}): {count} {verb} for Ann Lee"
    nobody = request.model_copy(update={"approvers": ()})
    assert heading(nobody, None, WORDS).endswith("for anybody")


def test_what_it_takes_is_told_with_names() -> None:
    request = opened()
    required = request.required.model_copy(
        update={"n": 2, "of": ("ow-1", "Ben"), "anyone": False, "groups": {}}
    )
    asked = request.model_copy(update={"needs": required})
    assert needed(asked, WORDS) == "needs 2 of Ann Lee, Ben"
    assert any("needs 2 of Ann Lee, Ben" in line for line in request_lines(asked, None, WORDS))
    late = request.model_copy(update={"deadline": NOW - timedelta(hours=1)})
    assert "the deadline has passed" in " ".join(request_lines(late, None, WORDS))


def test_what_was_decided_before_is_told_with_who_and_why() -> None:
    request = opened()
    assert past_decisions([request]) == ()
    decided = request.items[0].model_copy(
        update={"state": "rejected", "decided_by": "ow-1", "decided_at": NOW, "reason": "no"}
    )
    earlier = request.model_copy(update={"items": (decided,)})
    (found,) = past_decisions([earlier])
    assert found == PastDecision(decided.change.title, "rejected", "ow-1", NOW, "no")
    head, line, *_ = past_lines([found], WORDS)
    assert head == "Before, on this account:"
    assert "rejected by Ann Lee" in line
    assert past_lines([], WORDS) == []


def test_what_a_cancelled_review_left_undone_was_decided_by_nobody() -> None:
    ended = opened().close_open_items(ItemState.SKIPPED, NOW, "by root: again")
    assert past_decisions([ended]) == ()


def test_another_record_than_the_account_is_named_once() -> None:
    (item,) = opened(contact_change()).items
    first = item_lines(item, 1, 1, WORDS)[0]
    assert first == "Item 1 of 1: Contact Conny, Email: old → new@example.com"


def test_what_was_proposed_before_an_edit_is_told_as_it_was_shown() -> None:
    proposed = task(due_in_seconds=86_400)
    proposed = proposed.model_copy(
        update={"after": {**proposed.after, "due_at": "2026-10-02T10:00:00Z"}}
    )
    edited = proposed.model_copy(
        update={
            "after": {**proposed.after, "due_at": "2026-10-05T10:00:00Z"},
            "due_in_seconds": None,
        }
    )
    (item,) = opened(edited).items
    lines = item_lines(item.model_copy(update={"original": proposed}), 1, 1, WORDS)
    assert "  Due: Mon 5 Oct, 10:00 (proposed was 1 day after it is written)" in lines


def test_a_late_decision_is_told_who_was_first_in_words() -> None:
    asked = opened(task("Call them"), task("Write to them"))
    said = message("approve", by="ow-1", item_ids=[asked.items[0].item_id])
    found = asked.decide(said, NOW + timedelta(hours=9), logic=3)
    assert isinstance(found, Decided)
    words = Words(now=NOW, people={"ow-1": "Ann Lee"})
    told = "decided already: New task: Call them: approved by Ann Lee, Thu 1 Oct, 09:00"
    assert late_line(found.request, [asked.items[0].item_id], words) == told
    assert late_line(found.request, [asked.items[1].item_id], words) is None
    assert late_line(found.request, None, words) is None
    told = "the request is already expired, Sun 4 Oct, 00:00"
    assert late_line(asked.expired(asked.deadline), None, words) == told


def test_every_fact_has_its_field_and_value_and_its_time_once() -> None:
    at = datetime(2026, 9, 3, 9, tzinfo=UTC)
    words = Words(now=at)
    call = RecordRef(type=RecordType.ACTIVITY, id="a-1", name="Call")
    of_a_time = Evidence(record=call, field="at", value=rfc3339(at), at=at)
    assert cited(of_a_time, words) == "Call (activity), Date: Thu 3 Sept, 09:00"
    acme = RecordRef(type=RecordType.ACCOUNT, id="acme", name="Acme")
    of_nothing = Evidence(record=acme, field="last_activity_at", value=None, at=at)
    assert cited(of_nothing, words) == "Acme (account), Last activity: empty, Thu 3 Sept, 09:00"
