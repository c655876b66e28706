"""What three words mean, and how an account is named; the vocabulary is that of the domain."""

from collections.abc import Mapping
from typing import Final

from account_reviews.domain.vocabulary import EMPTY, TERMS, UNKNOWN, outcome_of, status_of, term_of

__all__ = [
    "ANYBODY", "EMPTY", "LEGEND", "TERMS", "UNKNOWN", "account_named", "outcome_of", "status_of",
    "term_of",
]  # fmt: skip

ANYBODY: Final = "anybody"
"""Who is asked where nobody is named."""
LEGEND: Final[Mapping[str, str]] = {
    "Risk": "what speaks against the account, in points of 100: none, low, medium, high or "
    "critical; unknown where too little is known.",
    "Health": "how well it goes, in points of 100: healthy, moderate, fragile or critical. Contact "
    "counts, and each danger takes points off.",
    'Status "At Risk"': "what the CRM says. Somebody has set it there, or a review with approval.",
}
"""What words mean that sound alike, for pages to show: word -> sentence."""


def account_named(name: str | None, account_id: str) -> str:
    """ "Fjord Optics (ac-038)"."""
    return f"{name} ({account_id})" if name and name != account_id else account_id
