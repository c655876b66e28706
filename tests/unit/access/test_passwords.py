"""Passwords of local users."""

import pytest

from account_reviews.access.passwords import Passwords, checked_password, hash_of
from account_reviews.domain.errors import BadInputError


async def test_a_password_fits_itself_however_it_was_typed() -> None:
    passwords, stored = Passwords(), hash_of("Grün ﬁsh 12")
    assert stored.startswith("$argon2id$")
    assert stored != hash_of("Grün ﬁsh 12")
    assert await passwords.match(stored, "Gru\u0308n fish 12")
    assert not await passwords.match(stored, "grün fish 12")
    assert not await passwords.match(stored, "")


@pytest.mark.parametrize("stored", [None, "", "plain", "$argon2id$v=19$broken"])
async def test_where_there_is_none_nothing_fits(stored: str | None) -> None:
    passwords = Passwords()
    assert not await passwords.match(stored, "the password of nobody")
    assert not await passwords.match(stored, "plain")
    assert not await passwords.match(stored, "x" * 2000)


@pytest.mark.parametrize("text", ["", "7 signs", "aaaaaaaaab", "x" * 1001])
def test_a_password_that_is_none_is_not_repeated(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        checked_password(text)
    assert not text or text not in caught.value.message
