"""What speaks of ids is told with names, times and words."""

from datetime import UTC, datetime

import pytest

from account_reviews.presentation.quick_words import QuickWords
from account_reviews.presentation.told import mentioned, told

WORDS = QuickWords(
    now=datetime(2026, 11, 30, 12, tzinfo=UTC),
    people={"ow-1": "Ilse Varnholt", "ow-4": "Oren Salvat", "sales": "Tomas Brekke"},
)
ACCOUNTS = {"ac-034": "Birch Optics", "Ünal & Co": "Ünal & Co"}
REQUEST = "01a22c67-cc88-72f2-9702-f6bafa116a30"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "closed by ow-1: the account was merged",
            "closed by Ilse Varnholt: the account was merged",
        ),
        ("the review review/ac-034 is closed", "the review of Birch Optics (ac-034) is closed"),
        ("the review review/north/ac-034 fails.", "the review of Birch Optics (ac-034) fails."),
        ("review/%C3%9Cnal%20%26%20Co: paused", "Ünal & Co: paused"),
        (f"it is part of cycle/{'ab' * 16}.", "it is part of cycle abababab."),
        ("the cycle cycle/weekly-1 ends", "the cycle weekly-1 ends"),
        ("review/ac-9 is closed", "ac-9 is closed"),
        ("the CRM holds account ac-034 no more", "the CRM holds Birch Optics (ac-034) no more"),
        (
            (
                "the review is paused already, by ow-1 since 2026-11-30T12:23:02.648622Z "
                "(phase approval)"
            ),
            (
                "the review is paused already, by Ilse Varnholt since Mon 30 Nov, 12:23 "
                "(phase approval)"
            ),
        ),
        (f"the request {REQUEST} is closed", "the request ac-034-1 is closed"),
        ("it is closed: nothing_to_do", "it is closed: nothing to do"),
        ("it is closed: the phase is abandoned", "it is closed: it ended before its time"),
        ("the phase is approval", "it waits for a decision"),
        ("no review 'review/ac-034' of ow-4", "no review 'review/ac-034' of Oren Salvat"),
        ("approved by oren  salvat", "approved by Oren Salvat"),
        ("approved by oren salvat, as ever", "approved by Oren Salvat, as ever"),
        ("ow-4 is not one of the approvers", "Oren Salvat is not one of the approvers"),
        ("ow-1 may decide for ow-4 already", "Ilse Varnholt may decide for Oren Salvat already"),
        ("sales figures of sales", "sales figures of Tomas Brekke"),
        ("the file mapping.yaml has no account_id", "the file mapping.yaml has no account_id"),
    ],
)
def test_a_sentence_is_told_with_names(text: str, shown: str) -> None:
    assert told(text, WORDS, accounts=ACCOUNTS, short_ids={REQUEST: "ac-034-1"}) == shown


def test_it_says_of_whom_names_have_to_be_known() -> None:
    found = mentioned(f"review/a%2Fb, account ac-034 and {REQUEST}")
    assert sorted(found.accounts) == ["a/b", "ac-034"]
    assert list(found.requests) == [REQUEST]
