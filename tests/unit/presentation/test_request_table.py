"""The list of requests says of a request what its page says."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from account_reviews.domain.review.approvals import ApprovalRequest, Decided
from account_reviews.presentation.quick_words import QuickWords
from account_reviews.presentation.request_table import REQUEST_COLUMNS, request_row
from account_reviews.presentation.tables import Cell
from tests.support.requests import NOW, message, opened, task

AT = [column.key for column in REQUEST_COLUMNS].index("items")


def changes(request: ApprovalRequest) -> Cell:
    row = SimpleNamespace(
        request=request, short_id="acme-1", account_name="Acme", owner_id=None, owner_name=None
    )
    found = request_row(cast("Any", row), QuickWords(now=NOW))[AT]
    assert isinstance(found, Cell)
    return found


def test_changes_are_those_that_still_wait() -> None:
    asked = opened(*(task(f"Call {number}") for number in range(3)))
    assert changes(asked).text == "3"
    said = message("approve", item_ids=[asked.items[0].item_id])
    found = asked.decide(said, NOW + timedelta(hours=1), logic=3)
    assert isinstance(found, Decided)
    assert changes(found.request).text == "2 of 3"
    assert changes(found.request.expired(NOW + timedelta(days=9))).text == "3"
