"""Tokens of links: what they bind, and that they are no tokens of anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.access.keys import ApprovalKeys
from account_reviews.access.links import read_link, sign_link
from account_reviews.access.tokens import BadTokenError, read, sign
from account_reviews.domain.access.links import LinkClaims
from account_reviews.domain.access.signed import Binding, Claims

KEYS = ApprovalKeys({"k1": b"a-secret-of-at-least-24-bytes"}, "k1")
OTHERS = ApprovalKeys({"k1": b"another-secret-of-24-bytes-ok"}, "k1")
CLAIMS = LinkClaims(request_id="r1", shown_hash="f" * 64, by="ow-1", expires=1_800_000_000)


@given(
    request=st.text(min_size=1, max_size=50),
    by=st.text(min_size=1, max_size=200),
    expires=st.integers(min_value=0, max_value=2**40),
)
def test_a_link_says_what_it_was_made_with(request: str, by: str, expires: int) -> None:
    claims = LinkClaims(request_id=request, shown_hash="0" * 64, by=by, expires=expires)
    token = sign_link(claims, KEYS)
    assert read_link(token, KEYS) == claims
    assert sign_link(claims, KEYS) == token  # a mail that is sent again has the same


def test_a_link_signs_no_decision_and_a_signed_decision_is_no_link() -> None:
    binding = Binding(about="a", decision="approve", by="ann", items="i", changes="c")
    decision = sign(Claims(binding=binding, expires=1_800_000_000, unique="u"), KEYS)
    with pytest.raises(BadTokenError):
        read_link(decision, KEYS)
    with pytest.raises(BadTokenError):
        read(sign_link(CLAIMS, KEYS), KEYS)


@given(st.data())
def test_a_changed_letter_makes_it_none_of_ours(data: st.DataObject) -> None:
    token = sign_link(CLAIMS, KEYS)
    place = data.draw(st.integers(min_value=0, max_value=len(token) - 1))
    letter = data.draw(st.sampled_from("ABCxyz019-_."))
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(BadTokenError):
            read_link(changed, KEYS)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 10, "a" * 5000])
def test_other_texts_are_none_of_ours(token: str) -> None:
    with pytest.raises(BadTokenError):
        read_link(token, KEYS)


def test_another_key_signs_for_somebody_else() -> None:
    with pytest.raises(BadTokenError):
        read_link(sign_link(CLAIMS, OTHERS), KEYS)
