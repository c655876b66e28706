"""Who or what somebody means who types an id, the beginning of one, or a name. Pure."""

import difflib
from collections.abc import Mapping
from typing import Final, NamedTuple

from account_reviews.domain.person_names import person

MOST_NAMED: Final = 5
"""How many hits a sentence lists."""
_NEAR: Final = 3
_LEAST_LIKENESS: Final = 0.6


class Known(NamedTuple):
    """An id with the name that belongs to it; None where nobody knows one."""

    id: str
    name: str | None = None

    @property
    def said(self) -> str:
        """ "Fjord Optics (ac-038)"."""
        return f"{self.name} ({self.id})" if self.name and self.name != self.id else self.id


def matching(text: str, names: Mapping[str, str | None]) -> list[Known]:
    """What `text` may stand for, by id: the id itself, else the same in other letters, else a
    name, else the beginning of an id. Case, blanks and width do not matter. `names`: id -> name."""
    if text in names:
        return [Known(text, names[text])]
    wanted = person(text)
    if not wanted:
        return []
    folded = [(Known(*item), person(item[0])) for item in names.items()]
    same_id = [known for known, ident in folded if ident == wanted]
    called = [known for known, _ in folded if known.name and person(known.name) == wanted]
    begins = [known for known, ident in folded if ident.startswith(wanted)]
    return sorted(same_id or called or begins)


def near(text: str, names: Mapping[str, str | None]) -> list[Known]:
    """What is spelled much like `text`, the most alike first; at most three."""
    wanted = person(text)
    rated: list[tuple[float, Known]] = []
    for ident, name in names.items():
        likeness = max(_likeness(wanted, person(one)) for one in (ident, name or ident))
        if likeness >= _LEAST_LIKENESS:
            rated.append((-likeness, Known(ident, name)))
    return [known for _, known in sorted(rated)[:_NEAR]]


def listed(found: list[Known], word: str = "or") -> str:
    """ "Acme (ac-1) or Acme (ac-2)"; of many the first five and how many more there are."""
    said = [one.said for one in found[:MOST_NAMED]]
    if len(found) > MOST_NAMED:
        return f"{', '.join(said)} and {len(found) - MOST_NAMED:,} more"
    return f" {word} ".join(said) if len(said) < 3 else f"{', '.join(said[:-1])} {word} {said[-1]}"


def _likeness(wanted: str, text: str) -> float:
    """0 to 1. A word of a name counts as the name does."""
    best = 0.0
    for part in {text, *(one for one in text.split() if len(one) > 3)}:
        matcher = difflib.SequenceMatcher(None, wanted, part, autojunk=False)
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            best = max(best, matcher.ratio())
    return best
