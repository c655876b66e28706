"""What the memory is told of an account: its CRM snapshot, and how our last review saw it. Pure."""

import hashlib
from collections.abc import Iterable
from typing import Final

from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.canonical import canonical_json
from account_reviews.domain.memory import MemoryItem, MemoryKind, MemorySource
from account_reviews.domain.records import AccountSnapshot, Contact, Deal

_MOST: Final = 20
"""Deals and contacts that are named; the others are counted."""


class LastReview(Model):
    """How an account stood when its last review closed."""

    closed_at: Timestamp
    risk_level: str | None = None
    risk_score: int | None = None
    health_score: float | None = None


def item_of(snapshot: AccountSnapshot, review: LastReview | None) -> MemoryItem:
    """One item that says it all. The same facts give the same item, whenever they were read, but
    for its time: that of the reading."""
    account = snapshot.account
    deals = [_deal(deal) for deal in snapshot.deals[:_MOST]]
    contacts = [_contact(one) for one in snapshot.contacts[:_MOST] if one.active is not False]
    lines = [
        _sentence("Account", _account(snapshot)),
        _sentence(f"{len(snapshot.deals)} deals", deals),
        _sentence(f"{len(snapshot.contacts)} contacts", contacts),
        _sentence("Last review", _review(review)),
    ]
    last = account.last_activity_at or max(
        (mark.at for mark in snapshot.activity_marks), default=None
    )
    if last is not None:
        lines.append(f"Last activity on {last:%Y-%m-%d}.")
    return MemoryItem(
        account_id=account.id,
        kind=MemoryKind.FACT,
        title=f"Snapshot of {account.name}",
        text="\n".join(line for line in lines if line),
        occurred_at=snapshot.as_of,
        valid_from=snapshot.as_of,
        source=MemorySource(system=snapshot.source, record_id=account.id, url=account.url),
        attributes=_attributes(snapshot, review),
    )


def checksum(item: MemoryItem) -> str:
    """The same for items that say the same, 64 hex digits."""
    said = item.model_dump(mode="json", exclude={"occurred_at", "valid_from", "valid_to"})
    return hashlib.sha256(canonical_json(said)).hexdigest()


def _account(snapshot: AccountSnapshot) -> list[str]:
    account, owner = snapshot.account, snapshot.owner
    place = ", ".join(one for one in (account.billing_city, account.billing_country) if one)
    said = (
        account.name,
        f"status {account.status.value}" if account.status else None,
        f"owned by {owner.name}" if owner else None,
        f"segment {account.segment}" if account.segment else None,
        account.industry,
        place or None,
        f"revenue {account.annual_revenue:f}" if account.annual_revenue is not None else None,
        f"{account.employees} employees" if account.employees is not None else None,
        f"renewal on {account.renewal_date}" if account.renewal_date else None,
        f"contract until {account.contract_end}" if account.contract_end else None,
    )
    return [one for one in said if one]


def _deal(deal: Deal) -> str:
    amount = f" over {deal.amount:f}" if deal.amount is not None else ""
    closing = f", to close on {deal.closing_date}" if deal.closing_date else ""
    return f"{deal.name}: {deal.stage.value}{amount}{closing}"


def _contact(contact: Contact) -> str:
    role = contact.title or contact.level
    what = f" ({role})" if role else ""
    sponsor = ", sponsor" if contact.is_sponsor else ""
    return f"{contact.name}{what}{sponsor}"


def _review(review: LastReview | None) -> list[str]:
    if review is None:
        return []
    said = [f"on {review.closed_at:%Y-%m-%d}"]
    said += [f"risk {review.risk_level}"] if review.risk_level else []
    said += [f"health {review.health_score:.0f}"] if review.health_score is not None else []
    return said


def _attributes(snapshot: AccountSnapshot, review: LastReview | None) -> dict[str, Scalar]:
    account = snapshot.account
    found: dict[str, Scalar] = {
        "snapshot": True,
        "status": account.status.value if account.status else None,
        "segment": account.segment,
        "industry": account.industry,
        "deals": len(snapshot.deals),
        "contacts": len(snapshot.contacts),
        "risk_level": review.risk_level if review else None,
        "risk_score": review.risk_score if review else None,
        "health_score": review.health_score if review else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _sentence(what: str, said: Iterable[str]) -> str:
    listed = "; ".join(said)
    return f"{what}: {listed}." if listed else ""
