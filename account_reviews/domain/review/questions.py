"""What a question to a review is about: subjects, a why, and words to look up. Pure.

A question is read by the words of the field, not by a model: what is not recognised is looked up as
it stands, and never guessed at.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from account_reviews.domain.base import Model

MOST_WORDS = 8
"""Words that are looked up of one question; the first ones count."""


class Subject(StrEnum):
    """What can be asked about, as people call it."""

    RISK = "risk"
    HEALTH = "health"
    FINDINGS = "findings"
    CHANGES = "changes"
    PROPOSALS = "proposals"
    DECISIONS = "decisions"
    DEALS = "deals"
    ACTIVITY = "last activity"
    CONTACTS = "contacts"
    OWNER = "owner"
    TASKS = "open tasks"
    CONTRACT = "contract"
    NOTES = "notes"
    ACCOUNT = "the account itself"


class Asked(Model):
    """One question as it was understood."""

    subjects: tuple[Subject, ...] = ()
    why: bool = False
    words: tuple[str, ...] = ()
    """In lower case, without the words that named the subject."""
    still: tuple[str, ...] = ()
    """What turns before were about, where this one points back: only that of the subjects is meant.
    """


_PATTERNS: Final = tuple(
    (subject, re.compile(pattern))
    for subject, pattern in (
        (Subject.CHANGES, r"\bchang\w+ since (?:the )?last (?:time|review)\b"),
        (Subject.DECISIONS, r"\bwhat happened (?:the )?last time\b|\blast (?:time|reviews?)\b"),
        (Subject.DECISIONS, r"\b(?:earlier|previous|past|prior) (?:reviews?|proposals?)\b"),
        (Subject.DECISIONS, r"\bdecisions?\b|\bdecid\w+|\bapprov\w+|\breject\w+|\bdeferr?\w*\b"),
        (Subject.ACTIVITY, r"\blast (?:contact|activit|touch|call|meeting|e-?mail)\w*"),
        (Subject.ACTIVITY, r"\bactivit\w+|\binactiv\w+|\bsilen\w+|\b(?:hear|heard) from\b"),
        (Subject.ACTIVITY, r"\binteractions?\b|\bmeetings?\b"),
        (Subject.ACTIVITY, r"\b(?:spoke|spoken|talk|talked) (?:to|with)\b"),
        (Subject.PROPOSALS, r"\bpropos\w+|\brecommend\w+|\bsuggest\w+|\bnext steps?\b"),
        (Subject.PROPOSALS, r"\bwhat (?:should|shall|can|could) (?:we|i) do\b|\bto be done\b"),
        (Subject.TASKS, r"\btasks?\b|\bto-?dos?\b|\bfollow-?ups?\b|\boverdue\b"),
        (Subject.FINDINGS, r"\bfindings?\b|\bproblems?\b|\bissues?\b|\bwrong\b|\bwarnings?\b"),
        (Subject.FINDINGS, r"\bwhat should (?:we|i) know\b|\bwhat did (?:you|it) find\b"),
        (Subject.CHANGES, r"\bchang\w+|\bwhat(?:'s| is) new\b|\bdiffer\w*\b"),
        (Subject.RISK, r"\bat risk\b|\brisk\w*\b|\bchurn\w*\b|\bdanger\w*\b"),
        (Subject.HEALTH, r"\bhealth\w*\b|\bengage\w+"),
        (Subject.HEALTH, r"\bhow (?:is|are) (?:it|they|the account) doing\b"),
        (Subject.CONTRACT, r"\bcontracts?\b|\brenew\w*\b|\bexpir\w+"),
        (Subject.DEALS, r"\bdeals?\b|\bopportunit\w+|\bpipelines?\b|\bstall\w*\b|\bstages?\b"),
        (Subject.OWNER, r"\bown(?:s|er|ers|ed)\b|\bresponsible\b|\bin charge\b"),
        (Subject.CONTACTS, r"\bcontacts?\b|\bsponsors?\b|\bstakeholders?\b|\bexecutives?\b"),
        (Subject.CONTACTS, r"\bwho do we know\b|\bpeople\b|\bdecision makers?\b"),
        (Subject.NOTES, r"\bnotes?\b|\bremember\w*\b|\bmemor\w+|\bwritten down\b"),
        (Subject.ACCOUNT, r"\bstatus\b|\brevenue\b|\bindustry\b|\bsegment\b|\bemployees\b"),
        (Subject.ACCOUNT, r"\b(?:tell me|(?:we|you) know) about (?:it|this account|them)\b"),
    )
)  # fmt: skip
"""In this order, and what one has taken is gone: the last contact is no contact."""

_WHY: Final = re.compile(r"\bwhy\b|\bhow come\b|\breasons?\b|\bexplain\b|\bbecause of what\b")
_CARRIES_ON: Final = re.compile(r"^\W*(?:and|also|what about|how about|or)\b")
_POINTS_BACK: Final = re.compile(r"\b(?:it|its|that|this|these|those|them|they|he|she|him|her)\b")
_WORD: Final = re.compile(r"[^\W_](?:[\w.&@/-]*[^\W_])?")

_PLAIN: Final = frozenset(
    [
        "a", "about", "account", "all", "also", "am", "an", "and", "any", "anything", "are", "as",
        "ask", "at", "be", "because", "been", "before", "but", "by", "can", "could", "did", "do",
        "does", "done", "down", "end", "ends", "ever", "everything", "far", "find", "for", "from",
        "get", "give", "going", "had", "happen", "happened", "has", "have", "he", "her", "here",
        "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "know", "last",
        "like", "made", "make", "many", "me", "more", "most", "much", "my", "new", "no", "not",
        "of", "off", "on", "one", "only", "open", "or", "other", "our", "out", "over", "please",
        "said", "say", "says", "see", "shall", "she", "should", "show", "since", "so", "some",
        "something", "still", "tell", "than", "that", "the", "their", "them", "then", "there",
        "these", "they", "thing", "things", "this", "those", "time", "to", "told", "too", "up",
        "us", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom",
        "whose", "will", "with", "would", "yes", "yet", "you", "your",
    ]
)  # fmt: skip
"""Say nothing about what is asked."""


def read_question(question: str, before: Asked | None = None) -> Asked:
    """What is asked; `before` is the question before it, which "and the deals?" carries on."""
    text = " ".join(question.casefold().split())
    rest, subjects = text, list[Subject]()
    for subject, pattern in _PATTERNS:
        rest, found = pattern.subn(" ", rest)
        if found and subject not in subjects:
            subjects.append(subject)
    why = _WHY.search(text) is not None
    words = _words(_WHY.sub(" ", rest))
    if before is None:
        return Asked(subjects=tuple(subjects), why=why, words=words)
    carries_on = _CARRIES_ON.search(text) is not None
    bare = not subjects and not words
    points_back = bare or (not words and _POINTS_BACK.search(text) is not None)
    carried = (before.words or before.still) if points_back else ()
    return Asked(
        subjects=tuple(subjects) or (before.subjects if points_back else ()),
        why=why or (before.why and carries_on),
        words=words or (carried if bare else ()),
        still=() if words or bare else carried,
    )


def read_conversation(questions: Iterable[str], question: str) -> Asked:
    """The same after all questions before it, oldest first."""
    before: Asked | None = None
    for one in questions:
        before = read_question(one, before)
    return read_question(question, before)


def match(word: str, text: str) -> bool:
    """Whether the text has the word, in another ending too: price, pricing."""
    return any(_alike(word, other) for other in _WORD.findall(text.casefold()))


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    shared = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared += 1
    shorter = min(len(one), len(other))
    return shared >= max(4, shorter - 2) and max(len(one), len(other)) - shared <= 3


def _words(text: str) -> tuple[str, ...]:
    found = (word for word in _WORD.findall(text) if word not in _PLAIN and len(word) > 1)
    return tuple(dict.fromkeys(found))[:MOST_WORDS]
