"""All that signing in stores, of one tenant."""

from datetime import timedelta
from typing import Final, NamedTuple

from account_reviews.store.people import People
from account_reviews.store.statements import Statements
from account_reviews.store.web_sessions import WebSessions
from account_reviews.store.web_sign_ins import WebSignIns
from account_reviews.store.web_tokens import WebTokens

IDLE: Final = timedelta(hours=12)
"""A sign-in that nobody uses ends then."""


class SignIns(NamedTuple):
    """Who may, who is signed in, who is on the way, and which programs."""

    people: People
    sessions: WebSessions
    under_way: WebSignIns
    tokens: WebTokens


def open_sign_ins(statements: Statements, tenant: str) -> SignIns:
    """Over that connection."""
    return SignIns(
        People(statements, tenant),
        WebSessions(statements, tenant, idle=IDLE),
        WebSignIns(statements, tenant),
        WebTokens(statements, tenant),
    )
