"""Whatever arrives at a door is parsed or described, never raised."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.review.messages import (
    CancelReview,
    Malformed,
    SubmitDecision,
    Verdict,
    parse,
)

GOOD = {"request_id": "r", "decision": "approve", "approver": "ann"}


def why(encoding: str, data: bytes) -> str:
    result = parse(SubmitDecision, encoding, data)
    assert isinstance(result, Malformed)
    return result.why


def test_a_decision_is_parsed_and_unknown_fields_are_ignored() -> None:
    data = json.dumps({**GOOD, "later": 1}).encode()
    result = parse(SubmitDecision, "json/plain", data)
    assert isinstance(result, SubmitDecision)
    assert result.decision is Verdict.APPROVE


@pytest.mark.parametrize("alias", ["modify", "modified", "adjusted", "adjust"])
def test_modify_is_an_alias_of_adjust(alias: str) -> None:
    result = parse(SubmitDecision, "json/plain", json.dumps({**GOOD, "decision": alias}).encode())
    assert isinstance(result, SubmitDecision)
    assert result.decision is Verdict.ADJUST


@pytest.mark.parametrize(
    ("encoding", "data", "part"),
    [
        ("binary/null", b"", "no argument"),
        ("binary/plain", b"{}", "encoding"),
        ("", b"{}", "encoding"),
        ("json/plain", b"notjson{", "not JSON"),
        ("json/plain", b"\xff\xfe", "not JSON"),
        ("json/plain", b"NaN", "not JSON"),
        ("json/plain", b"[1]", "a list"),
        ("json/plain", b"null", "null"),
        ("json/plain", b'"text"', "a string"),
        ("json/plain", b"1", "a number"),
        ("json/plain", b"true", "a boolean"),
        ("json/plain", b"{}", "request_id"),
        ("json/plain", json.dumps({**GOOD, "decision": "perhaps"}).encode(), "decision"),
        ("json/plain", json.dumps({**GOOD, "approver": ""}).encode(), "approver"),
        ("json/plain", json.dumps({**GOOD, "reason": "a\0b"}).encode(), "NUL"),
        ("json/plain", b'{"request_id":"r","decision":"approve","approver":"\\ud800"}', "not JSON"),
        ("json/plain", b"[" * 100_000, "not JSON"),
    ],
)
def test_what_cannot_be_used_says_why(encoding: str, data: bytes, part: str) -> None:
    assert part in why(encoding, data)


@given(st.text(), st.binary(max_size=200))
def test_no_bytes_raise(encoding: str, data: bytes) -> None:
    for model in (SubmitDecision, CancelReview):
        result = parse(model, encoding, data)
        assert isinstance(result, model | Malformed)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_no_json_raises(value: object) -> None:
    data = json.dumps({**GOOD, "reason": value, "changes": {"subject": value}}).encode()
    result = parse(SubmitDecision, "json/plain", data)
    assert isinstance(result, SubmitDecision | Malformed)
