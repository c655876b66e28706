"""A signed decision counts for exactly what was signed, once, in its time, by a key of ours."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from account_reviews.access.guard import Guard
from account_reviews.access.policy_file import PolicyFile
from account_reviews.access.tokens import BadTokenError, read
from account_reviews.domain.access.signed import Binding, Claims
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.review.messages import RefusalCode, SubmitDecision
from account_reviews.domain.review.nonces import MOST, nonce_of, used
from tests.support.signing import (
    HASHES,
    HOUR,
    NEW,
    NOW,
    OLD,
    answer,
    code,
    decision,
    guard,
    keys,
    said,
    token,
)  # fmt: skip

words = st.text(min_size=1, max_size=12).filter(lambda text: bool(text.strip()))
scalars = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | words
decisions = st.builds(
    lambda verdict, who, items, changes, reason, other: decision(
        decision=verdict,
        approver=who,
        item_ids=items,
        changes=changes,
        reason=reason,
        on_behalf_of=other,
    ),
    st.sampled_from(["approve", "adjust", "reject", "defer"]),
    words,
    st.none() | st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=3),
    st.dictionaries(words, scalars, max_size=3),
    st.none() | words,
    st.none() | words,
)


@given(decisions)
def test_what_was_signed_is_taken(message: SubmitDecision) -> None:
    checked = answer(message, token(message), guard())
    assert code(checked) is None
    assert checked.verified
    assert checked.nonce == nonce_of(HOUR, "u")


@given(decisions, decisions)
def test_whatever_else_is_said_is_refused(signed: SubmitDecision, other: SubmitDecision) -> None:
    def meant(one: SubmitDecision) -> Binding:
        return Binding.of(one, HASHES, tenant="t", review_id="r", run_id="r")

    open_reason = meant(signed).reason is None
    update = {"reason": None} if open_reason else {}
    assume(meant(signed) != meant(other).model_copy(update=update))
    checked = answer(other, token(signed), guard())
    assert code(checked) is RefusalCode.BAD_TOKEN


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "other"},
        {"review_id": "review/other"},
        {"run_id": "run-2"},
        {"item_hashes": {**HASHES, "b": "3" * 64}},
        {"item_hashes": {**HASHES, "c": "3" * 64}},
        {"item_hashes": {"a": "1" * 64}},
        {"item_hashes": {}},
    ],
)
def test_another_review_or_another_proposal_is_refused(other: dict[str, Any]) -> None:
    checked = answer(decision(), token(decision()), guard(), **other)
    wrong = RefusalCode.STALE_HASH if "item_hashes" in other else RefusalCode.BAD_TOKEN
    assert code(checked) is wrong


def test_named_items_stand_for_themselves_alone() -> None:
    message = decision(item_ids=["a"])
    signed = token(message)
    assert code(answer(message, signed, guard(), item_hashes={**HASHES, "b": "3" * 64})) is None
    changed = {**HASHES, "a": "3" * 64}
    assert code(answer(message, signed, guard(), item_hashes=changed)) is RefusalCode.STALE_HASH


def test_the_same_person_may_spell_his_name_otherwise_and_give_a_reason_later() -> None:
    signed = token(decision(approver="Ann Lee"))
    said_so = decision(approver=" ann  LEE", reason="looks right", decision_id="x")
    assert code(answer(said_so, signed, guard())) is None


@given(st.data())
def test_any_bit_flipped_is_refused(data: st.DataObject) -> None:
    signed = token(decision()).encode()
    place = data.draw(st.integers(0, len(signed) - 1))
    flipped = bytearray(signed)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    text = flipped.decode("latin-1")
    assert code(answer(decision(), text, guard())) is RefusalCode.BAD_TOKEN


@given(st.text(max_size=200) | st.text("ey.-_Zz09=", max_size=200))
def test_no_other_text_is_a_token(text: str) -> None:
    assert code(answer(decision(), text, guard())) is RefusalCode.BAD_TOKEN


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "review-decision", "kid": "new"},
        {"alg": "HS384", "typ": "review-decision", "kid": "new"},
        {"alg": "HS256", "typ": "JWT", "kid": "new"},
        {"alg": "HS256", "typ": "review-decision"},
        {"alg": "HS256", "typ": "review-decision", "kid": ["new"]},
        {"alg": "HS256", "typ": "review-decision", "kid": "other"},
    ],
)
def test_only_our_kind_of_token_is_one(header: dict[str, Any]) -> None:
    payload = json.dumps(
        Claims(
            binding=Binding.of(
                decision(), HASHES, tenant="default", review_id="review/acc", run_id="run-1"
            ),
            expires=HOUR,
            unique="u",
        ).model_dump()
    ).encode()
    ours = {"alg": "HS256", "typ": "review-decision", "kid": "new"}
    assert code(answer(decision(), forged(ours, payload), guard())) is None
    assert code(answer(decision(), forged(header, payload), guard())) is RefusalCode.BAD_TOKEN


def forged(header: dict[str, Any], payload: bytes) -> str:
    """What somebody would make who has the secret and another program."""
    parts = [json.dumps(header).encode(), payload]
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.digest(b"n" * 24, signed, "sha256")
    return f"{signed.decode()}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "payload", [b"[]", b"{}", b"\xff", b"null", b'{"binding": {}, "expires": 1}']
)
def test_claims_that_are_none_are_refused_though_they_are_signed(payload: bytes) -> None:
    signed = forged({"alg": "HS256", "typ": "review-decision", "kid": "new"}, payload)
    assert code(answer(decision(), signed, guard())) is RefusalCode.BAD_TOKEN


def test_another_secret_under_the_same_id_is_refused() -> None:
    signed = token(decision(), keyed="new:" + "x" * 24)
    assert code(answer(decision(), signed, guard())) is RefusalCode.BAD_TOKEN


def test_a_token_counts_once() -> None:
    signed = token(decision())
    first = answer(decision(), signed, guard())
    assert first.nonce is not None
    nonces = used((), first.nonce, NOW)
    again = answer(decision(), signed, guard(), used_nonces=nonces)
    assert code(again) is RefusalCode.TOKEN_USED
    other = token(decision(), unique="v")
    assert code(answer(decision(), other, guard(), used_nonces=nonces)) is None


@given(st.integers(-7200, 7200))
def test_a_token_counts_in_its_time(seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    checked = answer(decision(), token(decision()), guard(), now=now)
    assert code(checked) is (RefusalCode.TOKEN_EXPIRED if seconds >= 3600 else None)


@given(st.lists(st.integers(-3, 3), max_size=20))
def test_a_used_nonce_is_kept_for_as_long_as_its_token_could_be_sent(days: list[int]) -> None:
    nonces: tuple[str, ...] = ()
    every: list[tuple[int, str]] = []
    now = NOW
    for number, day in enumerate(days):
        now += timedelta(hours=7)
        expires = int(now.timestamp()) + day * 86_400
        every.append((expires, nonce_of(expires, str(number))))
        nonces = used(nonces, every[-1][1], now)
        assert {one for end, one in every if end > now.timestamp()} <= {*nonces}
        assert set(nonces[:-1]) <= {one for end, one in every if end + 86_400 > now.timestamp()}


def test_a_review_takes_no_more_signed_decisions_than_it_can_remember() -> None:
    many = tuple(nonce_of(HOUR, str(number)) for number in range(MOST))
    checked = answer(decision(), token(decision()), guard(), used_nonces=many)
    assert code(checked) is RefusalCode.NOT_ALLOWED
    later = NOW + timedelta(days=2)
    fresh = token(decision(), expires=int(later.timestamp()) + 60)
    assert code(answer(decision(), fresh, guard(), used_nonces=many, now=later)) is None


def test_keys_are_changed_one_after_the_other() -> None:
    before = token(decision(), keyed=OLD)
    assert code(answer(decision(), before, guard(keyed=f"{NEW},{OLD}"))) is None
    assert keys(f"{NEW},{OLD}").signs == "new"
    gone = answer(decision(), before, guard(keyed=NEW))
    assert code(gone) is RefusalCode.BAD_TOKEN
    assert gone.refusal is not None
    assert "not among ours any more" in gone.refusal.message


def test_by_default_it_is_refused() -> None:
    """No token; no keys; no policy."""
    assert code(answer(decision(), None, guard())) is RefusalCode.BAD_TOKEN
    assert code(answer(decision(), token(decision()), guard(keyed=None))) is RefusalCode.BAD_TOKEN
    assert code(answer(decision(), token(decision()), guard("[approvals"))) is (
        RefusalCode.NOT_ALLOWED
    )


def test_a_token_that_nobody_asked_for_is_checked_where_there_are_keys() -> None:
    free = "[approvals]\nrequire_signed = false"
    plain = answer(decision(), None, guard(free))
    assert (plain.allowed, plain.verified) == (True, False)
    assert answer(decision(), token(decision()), guard(free)).verified
    assert code(answer(decision(), "nonsense", guard(free))) is RefusalCode.BAD_TOKEN
    unread = answer(decision(), "nonsense", guard(free, keyed=None))
    assert (unread.allowed, unread.verified) == (True, False)


def test_what_breaks_is_a_refusal_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Policy:
        raise RuntimeError("broken")

    checked = Guard(PolicyFile(None, load), None).check(said(decision()))
    assert code(checked) is RefusalCode.NOT_ALLOWED
    assert checked.refusal is not None
    assert "RuntimeError" in checked.refusal.message


def test_a_token_is_short_enough_to_be_sent() -> None:
    message = decision(approver="\U0001f600" * 200, on_behalf_of="\U0001f600" * 200)
    assert len(token(message)) <= 4096


def test_a_long_text_is_no_token() -> None:
    with pytest.raises(BadTokenError):
        read("e" * 5000, keys())
