"""Names of people: as they are kept, and what makes two spellings one person."""

import unicodedata

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
