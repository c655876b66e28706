"""What is shown of a request."""

from account_reviews.cli.commands.approvals import quoted


def test_a_name_is_shown_as_it_is_written() -> None:
    assert quoted("می\u200cخواهم") == "'می\u200cخواهم'"
    assert quoted("At Risk") == "'At Risk'"
    assert (quoted(None), quoted(5), quoted(False)) == ("None", "5", "False")
