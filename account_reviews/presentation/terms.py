"""What three words mean, and how an account is named; the vocabulary is that of the domain."""

from collections.abc import Mapping
from typing import Final

from account_reviews.domain.vocabulary import EMPTY, TERMS, UNKNOWN, outcome_of, term_of

__all__ = ["EMPTY", "LEGEND", "TERMS", "UNKNOWN", "account_named", "outcome_of", "term_of"]

LEGEND: Final[Mapping[str, str]] = {
    '"At Risk"': "a status of the account in the CRM. Somebody has set it there, or a review with "
    "approval.",
    "fragile": "a band of the health score, between moderate and critical. The score counts "
    "contact, and takes points off for each danger.",
    "risk": "a level, from none over low, medium and high to critical, by the points that speak "
    "against the account; unknown where too little is known.",
}
"""What three words mean that sound alike, for pages to show: word -> sentence."""


def account_named(name: str | None, account_id: str) -> str:
    """ "Fjord Optics (ac-038)"."""
    return f"{name} ({account_id})" if name and name != account_id else account_id
