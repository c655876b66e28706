"""What every memory does alike."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.errors import BadInputError
from account_reviews.domain.memory import MemoryHit, MemoryItem, MemoryKind, MemorySource
from account_reviews.memory import rules

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_hit(text: str, title: str | None = None) -> MemoryHit:
    return MemoryHit(
        id=str(UUID(int=len(text))),
        kind=MemoryKind.NOTE,
        title=title,
        text=text,
        source=MemorySource(system="test"),
        occurred_at=AT,
    )


def test_decay_halves_with_every_half_life() -> None:
    assert rules.decay(timedelta(days=-3)) == 1.0
    assert rules.decay(timedelta(0)) == 1.0
    assert rules.decay(rules.HALF_LIFE) == pytest.approx(0.5)
    assert rules.decay(2 * rules.HALF_LIFE) == pytest.approx(0.25)


@given(st.timedeltas(), st.timedeltas())
def test_decay_never_grows_with_age(one: timedelta, other: timedelta) -> None:
    younger, older = sorted((one, other))
    assert 1.0 >= rules.decay(younger) >= rules.decay(older) > 0.0


@pytest.mark.parametrize(
    ("title", "text", "expected"), [(None, "", 0), (None, "abcd", 1), ("a", "abcd", 2)]
)
def test_tokens(title: str | None, text: str, expected: int) -> None:
    assert rules.tokens(title, text) == expected


def test_budget_skips_what_is_too_long() -> None:
    short, long, other = a_hit("a" * 8), a_hit("b" * 80), a_hit("c" * 12)
    assert rules.within_budget((short, long, other), 5) == (short, other)
    assert rules.within_budget((short, long, other), None) == (short, long, other)
    assert rules.within_budget((long,), 19) == ()
    assert rules.within_budget((long,), 20) == (long,)


@given(st.lists(st.text(max_size=60), max_size=12), st.integers(1, 60))
def test_budget_is_never_exceeded_and_keeps_the_order(texts: list[str], budget: int) -> None:
    hits = tuple(a_hit(text) for text in texts)
    kept = rules.within_budget(hits, budget)
    assert sum(rules.tokens(hit.title, hit.text) for hit in kept) <= budget
    places = [next(n for n, hit in enumerate(hits) if hit is one) for one in kept]
    assert places == sorted(places)


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_cursor_round_trip(at: datetime, reference: UUID) -> None:
    last = a_hit("x").model_copy(update={"occurred_at": at, "id": str(reference)})
    cursor = rules.next_cursor((last,), more=True)
    assert cursor is not None
    assert rules.decode_cursor(cursor) == (at, reference)
    assert rules.next_cursor((last,), more=False) is None


@given(st.text())
def test_any_other_text_is_refused_as_cursor(text: str) -> None:
    with pytest.raises(BadInputError, match="not a cursor"):
        rules.decode_cursor(text)


@pytest.mark.parametrize(
    "cursor",
    [
        "WyIyMDI2LTAxLTAxIiwgIjFiNGUyOGJhLTJmYTEtMTFkMi04ODNmLTAwMTZkM2NjYTQyNyJd",  # no zone
        "e30=",  # an object
        "WzEsIDJd",  # numbers
        "W10=",  # nothing
    ],
)
def test_cursors_with_other_content_are_refused(cursor: str) -> None:
    with pytest.raises(BadInputError, match="not a cursor"):
        rules.decode_cursor(cursor)


def test_references_depend_on_all_three() -> None:
    ids = {
        rules.item_id(tenant, key, place)
        for tenant in ("a", "b")
        for key in ("k", "l", '", "')
        for place in (0, 1)
    }
    assert len(ids) == 12
    assert rules.item_id("a", "k", 0) in ids


def test_cleaning_keeps_ids_and_repairs_text() -> None:
    item = MemoryItem(
        account_id="acc",
        kind=MemoryKind.FACT,
        title="a\x00b",
        text="x\ud800y\x00",
        occurred_at=AT,
        source=MemorySource(system="s\x00", record_id="1", url=None),
        attributes={"k\x00": "v\x00", "n": float("inf"), "f": 1.5, "ok": None},
        language=" German ",
    )
    cleaned = rules.clean(item)
    assert (cleaned.title, cleaned.text, cleaned.language) == ("ab", "x?y", "german")
    assert cleaned.attributes == {"k": "v", "n": None, "f": 1.5, "ok": None}
    assert cleaned.source == MemorySource(system="s", record_id="1")


@pytest.mark.parametrize("value", ["", "a\x00", "\udc00"])
def test_unusable_ids_are_refused(value: str) -> None:
    with pytest.raises(BadInputError, match="account id"):
        rules.check_id(value, "account id")
