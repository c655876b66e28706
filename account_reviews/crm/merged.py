"""Accounts that went into another one in the CRM."""

from account_reviews.domain.errors import AccountNotFoundError
from account_reviews.domain.records import AccountSnapshot


def refuse_merged(account_id: str, snapshot: AccountSnapshot) -> None:
    """AccountNotFoundError when the CRM gives another account in its place: what is proposed for
    that one belongs to its own review."""
    now = snapshot.account.id
    if now != account_id:
        raise AccountNotFoundError(
            f"the account {account_id!r} was merged into {now!r} in the CRM: review that one"
        )
