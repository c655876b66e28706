"""Names of people: as they are kept, what makes two spellings one person, and who is meant."""

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


def name_of(who: str, people: Mapping[str, str]) -> str:
    """The name of whom somebody means who gave an id or a name, in any spelling that is taken for
    it; what was given where that is nobody. `people`: id -> name."""
    found = people.get(who)
    if found is None:
        wanted = person(who)
        for ident, name in people.items():
            if wanted in (_spelled(name), _spelled(ident)):
                return name
    return found or who


def _spelled(name: str) -> str:
    """As `person`, without its work for a name that needs none of it."""
    return " ".join(name.split()).casefold() if name.isascii() else person(name)
