"""The list of requests says of a request what its page says."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from account_reviews.domain.review.approvals import ApprovalRequest, Decided
from account_reviews.presentation.quick_words import QuickWords
from account_reviews.presentation.request_table import REQUEST_COLUMNS, request_row
from account_reviews.presentation.tables import Cell
from tests.support.requests import NOW, message, opened, task

AT, WHOM = ([one.key for one in REQUEST_COLUMNS].index(key) for key in ("items", "approvers"))


def cells(request: ApprovalRequest) -> tuple[object, ...]:
    row = SimpleNamespace(
        request=request, short_id="acme-1", account_name="Acme", owner_id=None, owner_name=None
    )
    return request_row(cast("Any", row), QuickWords(now=NOW))


def changes(request: ApprovalRequest) -> Cell:
    found = cells(request)[AT]
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


def test_where_nobody_is_named_it_waits_for_anybody() -> None:
    asked = opened(task("Call")).model_copy(update={"approvers": ()})
    assert cells(asked)[WHOM] == "anybody"
    assert cells(asked.expired(NOW + timedelta(days=9)))[WHOM] is None
