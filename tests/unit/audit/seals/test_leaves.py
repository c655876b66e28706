"""The canonical form of a row: the same bytes from everywhere, other bytes for any other row."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.audit.seals.leaves import (
    COLUMNS,
    VERSIONS,
    canonical_row,
    document_hash,
    document_of,
    leaf_of,
    leaf_of_record,
    parse,
    row_of,
)
from account_reviews.domain.canonical import canonical_json

ROW: dict[str, Any] = {
    **dict.fromkeys(COLUMNS, "x"),
    "at": datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC),
    "recorded_at": datetime(2026, 11, 21, 12, 0, 0, 250000, tzinfo=UTC),
    "seq": 7,
    "xid": 900,
    "review_id": None,
    "details": {"b": 1, "a": ["é", {"z": None, "y": True}]},
}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
whole = st.one_of(
    st.integers(-(2**63), 2**63), st.integers(-(10**40), 10**40), st.booleans(), st.none()
)
values = st.recursive(
    st.one_of(texts, whole),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
details = st.dictionaries(texts, values, max_size=5)
moments = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  the zone comes from `timezones`


@given(details, moments, texts)
def test_equal_to_the_canonical_form_of_everything_else(
    found: dict[str, Any], at: datetime, action: str
) -> None:
    row = {**ROW, "details": found, "at": at, "action": action}
    assert canonical_row(row) == canonical_json(row)


def stored(found: dict[str, Any]) -> str:
    """As PostgreSQL gives it: shorter keys first."""

    def ordered(value: Any) -> Any:
        if isinstance(value, dict):
            keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
            return {key: ordered(value[key]) for key in keys}
        return [ordered(one) for one in value] if isinstance(value, list) else value

    return json.dumps(ordered(found), ensure_ascii=False, separators=(", ", ": "))


@given(details)
def test_the_same_after_the_way_through_json(found: dict[str, Any]) -> None:
    """A record holds details as text, an export holds the whole row as text: one leaf."""
    row = {**ROW, "details": found}
    for version in VERSIONS:
        leaf = leaf_of(row, version)
        assert leaf_of_record({**row, "details": stored(found)}, version) == leaf
        assert leaf_of(row_of({**row, "details": stored(found)}), version) == leaf
        assert leaf_of(json.loads(json.dumps(document_of(row))), version) == leaf
        assert leaf_of(parse(canonical_row(row)), version) == leaf


def test_the_bytes_themselves() -> None:
    """Written down once: they must never change, or no old seal could be checked."""
    spelled = canonical_row(ROW).decode()
    assert spelled.startswith(
        '{"account_id":"x","action":"x","actor":"x","at":"2026-11-21T12:00:00Z",'
    )
    assert '"details":{"a":["é",{"y":true,"z":null}],"b":1}' in spelled
    assert '"recorded_at":"2026-11-21T12:00:00.250000Z"' in spelled
    assert spelled.endswith(
        '"seq":7,"severity":"x","source":"x","tenant":"x","trace_id":"x","workflow_id":"x","xid":900}'
    )
    first = "7e81c32023aaed4012caa78f751e789d6a948b7a3ad59a22c8bf202435d00941"
    assert leaf_of(ROW, 1).hex() == document_hash(ROW).hex() == first
    assert leaf_of(ROW).hex() == "b16933eeed2a7ffb19a7d705234beb4e6ed7f74bb0ca6249cc63b618786c6eac"


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_counts(column: str) -> None:
    changed: dict[type, Any] = {
        str: "y",
        int: 8,
        datetime: datetime(2026, 11, 21, 12, 0, 0, 1, tzinfo=UTC),
        type(None): "",
        dict: {"b": 1, "a": ["é", {"z": None, "y": 1}]},
    }
    other = {**ROW, column: changed[type(ROW[column])]}
    assert leaf_of(other) != leaf_of(ROW)
    with pytest.raises(KeyError):
        leaf_of({name: value for name, value in ROW.items() if name != column})


def test_the_zone_of_a_time_does_not_count() -> None:
    other = ROW["at"].astimezone(timezone(timedelta(hours=9)))
    assert leaf_of({**ROW, "at": other}) == leaf_of(ROW)


def test_numbers_beyond_64_bits_are_exact() -> None:
    """`orjson` would read both as the same fraction."""
    one, other = 10**30, 10**30 + 1
    assert orjson.loads(str(one)) == orjson.loads(str(other))
    leaves = {leaf_of_record({**ROW, "details": json.dumps({"n": [n]})}) for n in (one, other)}
    assert len(leaves) == 2


def test_what_is_no_column_does_not_count() -> None:
    """A row of an export carries its proof."""
    assert leaf_of({**ROW, "proof": {"seal": 1}}) == leaf_of(ROW)


def nested(depth: int) -> str:
    return '{"a": ' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    "odd", [f'{{"a": 1{"0" * 400}}}', nested(101), nested(900), "{", '"1"', "1"]
)
def test_details_that_cannot_be_read_stay_as_they_are_spelled(odd: str) -> None:
    """One leaf, wherever the row is read and however deep the caller is."""
    row = row_of({**ROW, "details": odd})
    assert row["details"] == {"unreadable": odd}
    other = odd.replace("1", "2").replace("{", "[")
    for version in VERSIONS:
        leaf = leaf_of_record({**ROW, "details": odd}, version)
        assert leaf == leaf_of(row, version) == leaf_of(parse(canonical_row(row)), version)
        assert leaf != leaf_of_record({**ROW, "details": other}, version)

        def deeper(frames: int, version: int = version) -> bytes:
            if frames:
                return deeper(frames - 1)
            return leaf_of_record({**ROW, "details": odd}, version)

        assert deeper(600, version) == leaf


ALIKE = (
    ('{"n": 12345678901234567.25}', '{"n": 12345678901234569.00}'),
    ('{"n": 1.5}', '{"n": 1.50}'),
    ('{"n": 0.1}', '{"n": 0.1000000000000000055511151231257827}'),
    ('{"a": 1' + "0" * 400 + "}", '{"unreadable": "{\\"a\\": 1' + "0" * 400 + '}"}'),
    ('"x"', '{"unreadable": "\\"x\\""}'),
)
"""Texts of the database that are different values, and that a program reads as one."""


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_values_that_are_read_alike_have_leaves_of_their_own(one: str, other: str) -> None:
    rows = [row_of({**ROW, "details": text}) for text in (one, other)]
    for row, text in zip(rows, (one, other), strict=True):
        leaf = leaf_of_record({**ROW, "details": text})
        assert leaf == leaf_of(row) == leaf_of(parse(json.dumps(document_of(row))))
    assert leaf_of(rows[0]) != leaf_of(rows[1])


def test_what_was_sealed_before_keeps_its_leaf() -> None:
    """Of the first version: what a program reads, also where the text is shown now."""
    text = '{"n": 12345678901234567.25, "x": 1.50}'
    before = document_hash({**ROW, "details": json.loads(text)})
    assert leaf_of_record({**ROW, "details": text}, 1) == before
    row = row_of({**ROW, "details": text})
    assert leaf_of(row, 1) == leaf_of(parse(json.dumps(document_of(row))), 1) == before


def test_details_that_are_deep_are_read() -> None:
    row = row_of({**ROW, "details": nested(100)})
    assert "unreadable" not in row["details"]
    spelled = json.dumps({"entries": [[document_of(row)]]})
    assert parse(spelled)["entries"][0][0] == document_of(row)
