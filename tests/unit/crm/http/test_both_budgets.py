"""A call that is counted twice."""

import pytest

from account_reviews.crm.http.budget import BothBudgets, LocalBudget
from account_reviews.crm.http.limits import Limits, Window
from account_reviews.domain.errors import CrmRateLimitedError


def budget(key: str, *windows: Window) -> LocalBudget:
    return LocalBudget(Limits(key, concurrency=5, windows=windows, patience=0.01))


async def test_each_limit_holds() -> None:
    wide = budget("all", Window(3, 60.0))
    both = BothBudgets(budget("search", Window(2, 60.0)), wide)
    assert both.limits.key == "search"
    for _ in range(2):
        async with both.place() as place:
            place.answered = True
    with pytest.raises(CrmRateLimitedError):
        async with both.place():
            pass
    async with wide.place():
        pass
    with pytest.raises(CrmRateLimitedError):
        async with wide.place():
            pass


async def test_a_refusal_is_told_to_both() -> None:
    narrow, wide = budget("search"), budget("all")
    async with BothBudgets(narrow, wide).place() as place:
        place.refused, place.refused_for = True, 30.0
    for one in (narrow, wide):
        with pytest.raises(CrmRateLimitedError) as caught:
            async with one.place():
                pass
        assert 20 < (caught.value.retry_after or 0) <= 30
