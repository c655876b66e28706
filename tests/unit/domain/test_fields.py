"""What an action may write."""

import pytest

from account_reviews.domain.base import Scalar
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.fields import check_fields
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import AccountStatus


@pytest.mark.parametrize(
    ("action", "field"),
    [
        (Action.UPDATE_ACCOUNT, "contract_end"),
        (Action.UPDATE_ACCOUNT, "renewal_date"),
        (Action.CREATE_TASK, "due_at"),
    ],
)
@pytest.mark.parametrize("year", ["0001", "1899", "2200", "9999"])
def test_a_time_that_no_record_can_keep_is_not_written(
    action: Action, field: str, year: str
) -> None:
    value = f"{year}-06-30" + ("T00:00:00Z" if field == "due_at" else "")
    with pytest.raises(BadInputError, match="year is not between 1900 and 2199"):
        check_fields(action, {field: value})
    good = value.replace(year, "2027")
    assert check_fields(action, {field: good}) == {field: good}


def test_the_words_that_are_allowed_are_shown_as_they_are_accepted() -> None:
    with pytest.raises(BadInputError) as refused:
        check_fields(Action.UPDATE_ACCOUNT, {"status": "at risk"})
    for word in AccountStatus:
        assert f"'{word}'" in refused.value.message
        assert check_fields(Action.UPDATE_ACCOUNT, {"status": word}) == {"status": word}


def test_an_adjusted_line_acts_on_nothing_and_keeps_its_joiners() -> None:
    given: dict[str, Scalar] = {"name": "می\u200cخواهم\u202e\x1b[2K", "title": "CTO"}
    found = check_fields(Action.UPDATE_CONTACT, given)
    assert found == {"name": "می\u200cخواهم [2K", "title": "CTO"}


@pytest.mark.parametrize("value", ["\u200b", "\u3164", "\u202e"])
def test_a_line_of_nothing_is_refused(value: str) -> None:
    with pytest.raises(BadInputError, match="there is nothing to read in it"):
        check_fields(Action.UPDATE_CONTACT, {"name": value})


@pytest.mark.parametrize("value", ["1e9999999999", "1e31", "1E-999999999", 1e300])
def test_an_amount_that_would_be_written_out_without_end_is_refused(value: Scalar) -> None:
    with pytest.raises(BadInputError, match=r"annual_revenue cannot be .* 30 digits"):
        check_fields(Action.UPDATE_ACCOUNT, {"annual_revenue": value})
    given: dict[str, Scalar] = {"annual_revenue": "12e9"}
    assert check_fields(Action.UPDATE_ACCOUNT, given) == {"annual_revenue": "12000000000"}
