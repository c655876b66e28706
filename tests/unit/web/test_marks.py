"""What an open page tells of: what others decided, and not what its reader just did."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import ApprovalRequest, Decided
from account_reviews.domain.review.messages import DecisionAnswer, ItemAnswer
from account_reviews.services.decisions import until_seen
from account_reviews.web.decision_forms import News, mark_of, news_of
from tests.support.requests import NOW, message, opened, task


def request(count: int) -> ApprovalRequest:
    return opened(*(task(f"Call {number}") for number in range(count)))


def decided(asked: ApprovalRequest, by: str, item: int) -> ApprovalRequest:
    said = message("approve", by, item_ids=[asked.items[item].item_id])
    found = asked.decide(said, NOW + timedelta(hours=1), logic=3)
    assert isinstance(found, Decided)
    return found.request


def test_nothing_is_news_on_a_page_that_shows_the_request_as_it_is() -> None:
    asked = decided(request(2), "Ann", 0)
    assert news_of(asked, mark_of(asked), "Ann") is None


def test_what_becomes_of_an_approved_change_is_no_news_to_anybody() -> None:
    asked = decided(request(2), "Ann", 0)
    written = asked.mark(asked.items[0].item_id, ItemState.EXECUTED)
    assert news_of(written, mark_of(asked), "Ben") is None


def test_whoever_decided_in_another_tab_is_told_so_and_others_that_it_has_changed() -> None:
    asked = request(3)
    later = decided(asked, "Ann", 0)
    assert news_of(later, mark_of(asked), "Ann") is News.OWN
    assert news_of(later, mark_of(asked), "Ben") is News.OTHERS
    assert news_of(decided(later, "Ben", 1), mark_of(asked), "Ann") is News.OTHERS


@pytest.mark.parametrize("seen", ["", "-", "x-pending", "9" * 200, "99999-pending-o-1"])
def test_a_mark_that_no_page_has_is_taken_for_a_change(seen: str) -> None:
    assert news_of(request(1), seen, "Ann") is News.OTHERS


async def test_a_decision_is_seen_once_its_own_changes_show_it() -> None:
    # An earlier one of the same person is still being written as the next is sent.
    before = decided(request(2), "Ann", 0)
    written = before.mark(before.items[0].item_id, ItemState.EXECUTED)
    rows = [written, decided(written, "Ann", 1)]

    class Reader:
        async def find_request(self, tenant: str, name: str) -> Any:
            return SimpleNamespace(request=rows.pop(0))

    second = before.items[1]
    answer = DecisionAnswer(
        request_id=before.request_id,
        review_id=before.review_id,
        state="approved",
        items=(ItemAnswer(item_id=second.item_id, state=ItemState.APPROVED, applied=True),),
    )
    row = cast("Any", SimpleNamespace(request=before))
    await until_seen(cast("Any", Reader()), "default", row, answer)
    assert rows == []
