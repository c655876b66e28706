"""Names of people: as they are kept, and what makes two spellings one person."""

import unicodedata
from collections.abc import Mapping

from account_reviews.domain.characters import without_unseen


def clean_name(name: str) -> str:
    """A name on one line: no blanks around it, one between words, no control characters."""
    shown = "".join(one if unicodedata.category(one) != "Cc" else " " for one in name)
    return " ".join(unicodedata.normalize("NFC", shown).split())


def person(name: str) -> str:
    """What makes two spellings one person: neither case, width, blanks nor what cannot be seen make
    another one."""
    letters = unicodedata.normalize("NFKC", clean_name(name)).casefold()
    return " ".join(unicodedata.normalize("NFKC", without_unseen(letters)).split())


def one_person(name: str, spellings: Mapping[str, str], ids: Mapping[str, str]) -> str:
    """The same for all names of one person. `spellings` and `ids` are those of `Terms`."""
    known = person(spellings.get(person(name), name))
    return person(ids.get(known, known))
