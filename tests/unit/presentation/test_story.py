"""What happened in a review, in the order in which it happened, as sentences."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.presentation.story import in_order, sentence
from account_reviews.presentation.words import Words

NOW = datetime(2026, 10, 1, 9, tzinfo=UTC)
WORDS = Words(now=NOW, people={"ow-1": "Ann Lee"})
REQUEST = "28ab4e15-c5b8-4aa0-969f-69a2ed8f7488"
PHASES = ("initializing", "investigating", "planning", "approval", "executing", "validating")
KINDS = ("snapshot", "analysed", "approval_requested", "approval_decided", "item_executed",
         "not_verified", "paused", "anything")  # fmt: skip


def move(to: str, at: datetime = NOW) -> dict[str, Any]:
    before = PHASES[PHASES.index(to) - 1] if to in PHASES else "validating"
    return {
        "at": at, "kind": "phase", "text": f"{before} -> {to}", "by": None, "from_phase": before,
        "to_phase": to,
    }  # fmt: skip


def line(kind: str, text: str = "", by: str | None = None, at: datetime = NOW) -> dict[str, Any]:
    return {"at": at, "kind": kind, "text": text, "by": by}


def test_what_happens_in_one_moment_is_told_as_it_happened() -> None:
    moves = [move(to) for to in (*PHASES[1:], "completed")]
    lines = [
        line(kind)
        for kind in ("snapshot", "analysed", "approval_requested", "approval_decided",
                     "item_executed", "not_verified")
    ]  # fmt: skip
    told = [one.get("to_phase") or one["kind"] for one in in_order(moves, lines)]
    assert told == [
        "investigating", "snapshot", "analysed", "planning", "approval_requested", "approval",
        "approval_decided", "executing", "item_executed", "validating", "not_verified",
        "completed",
    ]  # fmt: skip


def test_what_was_overtaken_is_asked_again_after_it() -> None:
    back = {**move("approval"), "from_phase": "executing"}
    told = in_order(
        [move("executing"), back], [line("item_superseded"), line("approval_requested")]
    )
    assert [one.get("to_phase") or one["kind"] for one in told] == [
        "executing", "item_superseded", "approval_requested", "approval",
    ]  # fmt: skip


TIMES = st.lists(st.integers(0, 3), max_size=8).map(sorted)


@given(TIMES, TIMES, st.data())
def test_nothing_is_lost_and_each_keeps_its_own_order(
    when: list[int], times: list[int], data: st.DataObject
) -> None:
    moves = [
        {**move(data.draw(st.sampled_from(PHASES[1:])), NOW + timedelta(seconds=at)), "number": n}
        for n, at in enumerate(when)
    ]
    lines = [
        {**line(data.draw(st.sampled_from(KINDS)), at=NOW + timedelta(seconds=at)), "number": n}
        for n, at in enumerate(times)
    ]
    told = in_order(moves, lines)
    assert [one for one in told if one["kind"] == "phase"] == moves
    assert [one for one in told if one["kind"] != "phase"] == lines
    assert [one["at"] for one in told] == sorted(one["at"] for one in told)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (move("approval"), "Waits for a decision"),
        (line("snapshot", "Read from the CRM by itself (tier record)"),
         "Read from the CRM by itself"),
        (line("analysed", "risk high 70, health at_risk 40, 1 finding"),
         "Found: risk high 70, health fragile 40, 1 finding"),
        (line("approval_requested", f"1 change proposed, request {REQUEST}"),
         "1 change proposed, request acme-1"),
        (line("approval_decided", "approve", "ow-1"), "Ann Lee approves"),
        (line("approval_decided", "adjust on behalf of ow-1: not that urgent", "zoe"),
         "zoe approves with changes on behalf of Ann Lee: not that urgent"),
        (line("approval_refused", "too late", "ow-1"),
         "A decision of Ann Lee was refused: too late"),
        (line("item_executed", "Call them", "ow-1"), "Written: Call them, approved by Ann Lee"),
        (line("item_failed", "Call them (conflict)"), "Not written: Call them (conflict)"),
        (line("paused", "no reason given", "ow-1"), "Paused: no reason given (Ann Lee)"),
        (line("asked", "Why?", "ow-1"), "Ann Lee asks: Why?"),
        (line("something_new", "As it is"), "As it is"),
        (
            line("approval_escalated", f"Escalated to manager, ow-1 (why), request {REQUEST}"),
            "Escalated to manager, Ann Lee (why), request acme-1",
        ),
    ],
)  # fmt: skip
def test_a_line_is_a_sentence(told: dict[str, Any], said: str) -> None:
    assert sentence(told, WORDS, {REQUEST: "acme-1"}) == said


def test_a_cycle_is_named_as_lists_name_it() -> None:
    asked = line("refresh_requested", "cycle/54d0988871664b31a57a8e341786b8d0", "root")
    assert sentence(asked, WORDS) == "Asked to read the account again: cycle 54d09888 (root)"


def test_an_account_that_is_read_again_is_told_without_ids_and_program_values() -> None:
    name = "cycle/key-accounts-daily-2026-11-30T12:09:59Z"
    asked = line("refresh_requested", name, "schedule")
    assert sentence(asked, WORDS) == (
        "Asked to read the account again: cycle of key-accounts-daily (schedule)"
    )
    plain = line("refresh_requested", "read the account again", "ow-1")
    assert sentence(plain, WORDS) == "Asked to read the account again (Ann Lee)"
    for text, told in (
        ("2 kept, 1 superseded, 3 new", "2 changes stand, 1 overtaken by newer facts, 3 new"),
        ("1 kept, 0 superseded, 0 new", "1 change stands"),
        ("0 kept, 0 superseded, 0 new", "nothing to propose"),
    ):
        assert sentence(line("refreshed", text), WORDS) == f"Read again: {told}"


def test_a_write_that_was_taken_back_names_people_once_and_no_clock_of_the_program() -> None:
    said = "undone by bob at 2026-11-30 12:24Z, approved by ow-1: not at risk: really"
    told = "asked for by bob, approved by Ann Lee: not at risk: really"
    undone = line("item_undone", f"Set the status: {said}", "bob")
    assert sentence(undone, WORDS) == f"Taken back: Set the status, {told}"
    assert WORDS.reason(said) == told
    assert WORDS.reason("the CRM said no") == "the CRM said no"
    assert WORDS.reason(None) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("item df7b501f4f26797e is already executed by ow-1 at 2026-11-30T09:44:22.000576Z",
         "the change is already written, approved by Ann Lee"),
        ("the request is already expired at 2026-11-30T09:44:22Z",
         "the request is already expired"),
        ("a rejection needs a reason", "a rejection needs a reason"),
    ],
)  # fmt: skip
def test_a_refused_decision_says_who_was_first_by_name(text: str, told: str) -> None:
    line_ = line("approval_refused", text, "ow-1")
    assert sentence(line_, WORDS) == f"A decision of Ann Lee was refused: {told}"
