"""What stands on the page of a request, and how long its lines become."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.review.terms import RACE, Terms
from account_reviews.presentation.approval_page import request_lines, wrapped
from account_reviews.presentation.review_documents import request_document
from tests.support.requests import NOW, opened


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


@given(text=st.text(st.sampled_from("ab 株式東京、"), min_size=1, max_size=400))
def test_signs_that_take_two_columns_do_not_make_lines_too_long(text: str) -> None:
    lines = wrapped(text, "    ")
    assert max(map(columns, lines), default=0) <= 80
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(("check", "told"), [("compared", True), ("atomic", False), (None, False)])
def test_who_decides_is_told_of_a_crm_that_only_compares(check: Any, told: bool) -> None:
    request = opened(terms=Terms(version_check=check))
    text = " ".join(" ".join(request_lines(request, None, NOW)).split())
    assert (RACE in text) is told
    assert request_document(request)["version_check"] == check
