"""The order in which a person is shown what waits."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.review.urgency import Waiting, in_order

T = datetime(2026, 10, 1, 12, 5, tzinfo=UTC)


def waiting(name: str, minutes: int = 0, risk: str | None = None, *asked: str) -> Waiting:
    return Waiting(name, T + timedelta(minutes=minutes), risk, asked)


def names(requests: list[Waiting], who: str) -> list[str]:
    return [one.request_id for one in in_order(requests, [who])]


def test_what_one_is_asked_for_comes_first_however_the_name_is_spelled() -> None:
    line = [waiting("other", 0, "critical", "bob"), waiting("mine", 600, "low", "bob", "Ann ")]
    assert names(line, "ann") == ["mine", "other"]


def test_the_deadline_counts_by_the_hour_and_then_the_risk() -> None:
    line = [
        waiting("later", 120, "critical"),
        waiting("low", 1, "low"),
        waiting("unknown", 0, None),
        waiting("critical", 50, "critical"),
        waiting("as critical and sooner", 40, "critical"),
    ]
    assert names(line, "ann") == ["as critical and sooner", "critical", "low", "unknown", "later"]


_ONE = st.builds(
    Waiting,
    st.uuids().map(str),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["critical", "high", "medium", "low", "odd", None]),
    st.lists(st.sampled_from(["ann", "ow-1", "bob"])).map(tuple),
)


@given(st.lists(_ONE, max_size=8), st.randoms())
def test_the_order_does_not_depend_on_how_they_come(line: list[Waiting], chance: object) -> None:
    shuffled = list(line)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    first = in_order(line, ["ann", "ow-1"])
    assert first == in_order(shuffled, ["ann", "ow-1"])
    assert sorted(first) == sorted(line)
    asked = [not {"ann", "ow-1"}.isdisjoint(one.approvers) for one in first]
    assert asked == sorted(asked, reverse=True)
