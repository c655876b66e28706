"""What an action may write."""

import pytest

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
