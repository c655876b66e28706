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
    canonical_row,
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


@given(details)
def test_the_same_after_the_way_through_json(found: dict[str, Any]) -> None:
    """A record holds details as text, an export holds the whole row as text: one leaf."""
    row = {**ROW, "details": found}
    leaf = leaf_of(row)
    assert leaf_of_record({**row, "details": json.dumps(found, indent=1)}) == leaf
    assert leaf_of(json.loads(json.dumps(document_of(row)))) == leaf
    assert leaf_of(parse(canonical_row(row))) == leaf


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
    assert leaf_of(ROW).hex() == "7e81c32023aaed4012caa78f751e789d6a948b7a3ad59a22c8bf202435d00941"


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
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    "odd", [f'{{"a": 1{"0" * 400}}}', nested(101), nested(900), "{", '"1"', "1"]
)
def test_details_that_cannot_be_read_stay_as_they_are_spelled(odd: str) -> None:
    """One leaf, wherever the row is read and however deep the caller is."""
    row = row_of({**ROW, "details": odd})
    assert row["details"] == {"unreadable": odd}
    leaf = leaf_of_record({**ROW, "details": odd})
    assert leaf == leaf_of(row) == leaf_of(parse(canonical_row(row)))
    assert leaf != leaf_of_record({**ROW, "details": odd.replace("1", "2").replace("{", "[")})

    def deeper(frames: int) -> bytes:
        return deeper(frames - 1) if frames else leaf_of_record({**ROW, "details": odd})

    assert deeper(600) == leaf


def test_details_that_are_deep_are_read() -> None:
    row = row_of({**ROW, "details": nested(100)})
    assert "unreadable" not in row["details"]
    spelled = json.dumps({"entries": [[document_of(row)]]})
    assert parse(spelled)["entries"][0][0] == document_of(row)
