"""How long lines become on the page of a request."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.presentation.approval_page import wrapped


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


@given(text=st.text(st.sampled_from("ab 株式東京、"), min_size=1, max_size=400))
def test_signs_that_take_two_columns_do_not_make_lines_too_long(text: str) -> None:
    lines = wrapped(text, "    ")
    assert max(map(columns, lines), default=0) <= 80
    assert "".join("".join(lines).split()) == "".join(text.split())
