"""Tokens of links: JWS in the compact form, HS256, of a type of their own. They sign no decision,
and no token of a decision is a link."""

from typing import Final

from account_reviews.access.keys import ApprovalKeys
from account_reviews.access.tokens import read_typed, sign_typed
from account_reviews.domain.access.links import LinkClaims

_TYPE: Final = "review-link"


def sign_link(claims: LinkClaims, keys: ApprovalKeys) -> str:
    """The token of a link. The same claims give the same token: a repeated mail has the same."""
    return sign_typed(claims, keys, _TYPE)


def read_link(token: str, keys: ApprovalKeys) -> LinkClaims:
    """What a link says that one of the keys has signed. BadTokenError for any other text."""
    return read_typed(token, keys, _TYPE, LinkClaims)
