"""Places in the stream of events: written and read, and what a snapshot has seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.errors import BadInputError
from account_reviews.domain.live import Place, Position, Snapshot


@st.composite
def snapshots(draw: st.DrawFn) -> tuple[Snapshot, int, int, set[int]]:
    first = draw(st.integers(1, 10**6))
    last = first + draw(st.integers(0, 50))
    running = draw(st.sets(st.integers(first, last - 1))) if last > first else set()
    listed = ",".join(map(str, sorted(running)))
    return Snapshot(f"{first}:{last}:{listed}"), first, last, running


@given(snapshots(), snapshots(), st.integers(0, 10**14), st.integers(1, 10**9), st.booleans())
def test_a_place_is_read_as_it_is_written(
    one: tuple[Snapshot, int, int, set[int]],
    other: tuple[Snapshot, int, int, set[int]],
    at: int,
    number: int,
    is_within: bool,
) -> None:
    place = Place(at, one[0], Position(other[0], number, number) if is_within else None)
    assert Place.parse(place.id) == place
    assert "\n" not in place.id


@given(snapshots(), st.integers(1, 2 * 10**6))
def test_a_snapshot_has_what_was_over(drawn: tuple[Snapshot, int, int, set[int]], xid: int) -> None:
    snapshot, _, last, running = drawn
    assert snapshot.has(xid) == (xid < last and xid not in running)


@pytest.mark.parametrize(
    "text",
    [
        "", "1", "1;2:1:", "1;0:1:", "1;5:9:4", "1;5:9:9", "1;5:9:7,6", "1;5:9:6,6", "1;5:9:;5:9:",
        "1;5:9:;5:9:;1", "x;5:9:", "1;5:9:\n", "١;5:9:", "1;5:9:" + "6," * 3000 + "7",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="not the id of an event"):
        Place.parse(text)
