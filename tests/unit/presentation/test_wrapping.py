"""Lines that fit a terminal: every word whole, every command on one line."""

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.presentation.wrapping import fitted, wrapped

WORDS_OF_TEXT = st.lists(st.text("abcé-", min_size=1, max_size=12), min_size=1, max_size=60)


@given(WORDS_OF_TEXT, st.integers(20, 100))
def test_no_word_is_broken_and_none_is_lost(words: list[str], width: int) -> None:
    lines = fitted(" ".join(words), width).split("\n")
    assert all(len(line) <= width for line in lines)
    assert " ".join(lines).split() == words


def test_what_goes_on_stands_below_the_first_word() -> None:
    text = "- one two three four five six seven"
    assert fitted(text, 20) == "- one two three four\n  five six seven"
    assert fitted("## A heading of some length", 20) == "## A heading of some\n   length"


def test_a_command_stays_on_one_line() -> None:
    command = "`reviews show review/ac-034 --run 0b9f`"
    text = f"the review has written nothing that stands (see {command})"
    assert any(command in line for line in fitted(text, 40).split("\n"))


def test_rows_of_a_table_and_short_lines_stay_as_they_are() -> None:
    text = "| a column | another column |\n\n  deep"
    assert fitted(text, 10) == text


def test_signs_of_two_columns_count_as_two() -> None:
    assert wrapped("株式会社 株式会社", 10) == ["株式会社", "株式会社"]
