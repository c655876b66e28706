"""What pages advise whoever has no shell."""

import pytest

from account_reviews.web.page_words import advice


@pytest.mark.parametrize(
    "hint",
    [
        "see `reviews doctor`",
        "See who may in docs/access.md; `reviews policy show` lists the users.",
        "give --reason",
        "set REVIEWS_DATABASE_URL",
        None,
    ],
)
def test_no_command_of_a_shell_reaches_a_page(hint: str | None) -> None:
    assert advice(hint) == ""
    assert advice(hint, 403) == "Ask whoever gives out the roles here."


def test_what_fits_a_page_is_kept() -> None:
    assert advice("close some, or try again later", 429) == "Close some, or try again later."
