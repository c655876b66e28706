"""What a question is understood to be about, also after others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.review.questions import (
    MOST_WORDS,
    Asked,
    Subject,
    match,
    read_conversation,
    read_question,
)

QUESTIONS: list[tuple[str, tuple[Subject, ...], bool, tuple[str, ...]]] = [
    ("What is the risk?", (Subject.RISK,), False, ()),
    ("Why is this account at risk?", (Subject.RISK,), True, ()),
    ("How healthy are they", (Subject.HEALTH,), False, ()),
    ("Who owns it?", (Subject.OWNER,), False, ()),
    ("When was the last contact?", (Subject.ACTIVITY,), False, ()),
    ("Which contacts do we have?", (Subject.CONTACTS,), False, ()),
    ("Is the Globex deal stalled?", (Subject.DEALS,), False, ("globex",)),
    ("any open tasks that are overdue", (Subject.TASKS,), False, ()),
    ("What changed since the last review?", (Subject.CHANGES,), False, ()),
    ("Why was the renewal call proposed?", (Subject.PROPOSALS, Subject.CONTRACT), True, ("call",)),
    ("What did we decide before?", (Subject.DECISIONS,), False, ()),
    ("what happened last time", (Subject.DECISIONS,), False, ()),
    ("When does the contract end?", (Subject.CONTRACT,), False, ()),
    ("anything on pricing?", (), False, ("pricing",)),
    ("", (), False, ()),
]


@pytest.mark.parametrize(("question", "subjects", "why", "words"), QUESTIONS)
def test_subjects_are_recognised(
    question: str, subjects: tuple[Subject, ...], why: bool, words: tuple[str, ...]
) -> None:
    asked = read_question(question)
    assert (set(asked.subjects), asked.why) == (set(subjects), why)
    assert asked.words == words


def test_a_bare_why_is_about_the_turn_before() -> None:
    asked = read_conversation(["What is the risk?"], "why?")
    assert asked == Asked(subjects=(Subject.RISK,), why=True)


def test_and_carries_a_why_on_to_another_subject() -> None:
    asked = read_conversation(["Why is the risk high?"], "and the health?")
    assert asked == Asked(subjects=(Subject.HEALTH,), why=True)
    assert not read_conversation(["Why is the risk high?"], "Show me the health").why


def test_it_is_what_was_named_before() -> None:
    before = ["Is the Globex deal stalled?"]
    assert read_conversation(before, "who owns it?").still == ("globex",)
    assert read_conversation(before, "why?").words == ("globex",)
    assert read_conversation([*before, "who owns it?"], "why?").words == ("globex",)
    assert read_conversation([*before, "Who is the owner?"], "why?").words == ()


@given(st.lists(st.text(max_size=200), max_size=6), st.text(max_size=5000))
def test_any_question_can_be_read(before: list[str], question: str) -> None:
    asked = read_conversation(before, question)
    assert len(asked.words) <= MOST_WORDS
    assert len(set(asked.words)) == len(asked.words)
    assert asked == read_conversation(before, question)


@given(st.text(max_size=300))
def test_without_turns_before_nothing_is_carried_on(question: str) -> None:
    assert read_question(question).still == ()


@given(st.sampled_from(QUESTIONS), st.text(alphabet=" \t\n", max_size=5))
def test_case_and_blanks_mean_nothing(
    case: tuple[str, tuple[Subject, ...], bool, tuple[str, ...]], blanks: str
) -> None:
    question = case[0]
    same = blanks + question.upper().replace(" ", f" {blanks}") + blanks
    assert read_question(same) == read_question(question)


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("pricing", "They asked for a price list", True),
        ("renewal", "to renew the licence", True),
        ("contact", "the contract of May", False),
        ("eu", "the EU data centre", True),
        ("eu", "the European data centre", False),
        ("globex", "Deal Globex-2", True),
        ("acme.com", "mail from acme.com.", True),
    ],
)
def test_a_word_is_found_in_another_ending(word: str, text: str, found: bool) -> None:
    assert match(word, text) is found
