"""Keys that sign decisions: read from one setting, refused without showing them."""

import pytest

from account_reviews.access.keys import parse_keys
from account_reviews.domain.errors import BadInputError
from tests.support.signing import NEW, OLD, keys


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nokey", "entry 1 of REVIEWS_APPROVAL_KEYS does not begin with a key id"),
        ("a b:" + "x" * 24, "entry 1 of REVIEWS_APPROVAL_KEYS does not begin with a key id"),
        ("k:" + "s3cret", "the secret of the key 'k' in REVIEWS_APPROVAL_KEYS has 6 bytes, but"),
        (f"{NEW},{NEW}", "REVIEWS_APPROVAL_KEYS has the key id 'new' twice"),
        (f"{NEW},:" + "x" * 24, "entry 2 of REVIEWS_APPROVAL_KEYS"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_showing_them(text: str, message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_keys(text)
    assert caught.value.message.startswith(message)
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"


def test_secrets_may_hold_colons_and_do_not_show() -> None:
    found = keys("k:" + "a:b" * 10 + " , " + OLD)
    assert found.secrets["k"] == b"a:b" * 10
    assert "a:b" not in repr(found)
    assert parse_keys(None) is parse_keys(" , ") is None
