"""One spelling for equal values, whichever library writes it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.canonical import canonical_json, plain

_NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner),
    max_leaves=20,
)


@given(_VALUES)
def test_it_is_spelled_as_the_standard_library_spells_it(value: object) -> None:
    expected = json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    assert canonical_json(value) == expected.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_fraction_is_spelled_alike_wherever_it_stands(number: float) -> None:
    for value in (number, [number], [0, number], {"a": number}, {"a": {"b": [[number]]}}):
        expected = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
        assert canonical_json(value) == expected.encode()


def test_fractions_with_an_exponent() -> None:
    values = [1e-05, 0.0001, 1e16, 123456789012345680.0, 1e22, -1e-07, 2**70]
    assert canonical_json(values) == (
        b"[1e-05,0.0001,1e+16,1.2345678901234568e+17,1e+22,-1e-07,1180591620717411303424]"
    )
