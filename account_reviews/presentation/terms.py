"""What people call the words of the program."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

UNKNOWN: Final = "unknown"
TERMS: Final[Mapping[str, str]] = {
    "at_risk": "fragile",
    "on_demand": "on demand",
    "nothing_to_do": "nothing to do",
}
"""Words of the program that people call something else than the same with blanks. `at_risk` is a
band of health; "At Risk" is a status of the CRM; of risk itself there are levels."""


def term_of(word: StrEnum | str | None) -> str:
    """A state, kind, level or outcome: "on demand", never `on_demand`."""
    return UNKNOWN if word is None else TERMS.get(str(word), str(word).replace("_", " "))


def account_named(name: str | None, account_id: str) -> str:
    """ "Fjord Optics (ac-038)"."""
    return f"{name} ({account_id})" if name and name != account_id else account_id
