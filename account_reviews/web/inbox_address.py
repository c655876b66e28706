"""What somebody wants of the inbox, as addresses and forms say it.

It goes along from the inbox to a request and on to the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query

from account_reviews.domain.proposals import Action
from account_reviews.services.inbox import Scope, Wanted
from account_reviews.store.inbox_queries import InboxOrder

ORDERS: Final = (
    (InboxOrder.DUE, "due first"),
    (InboxOrder.RISK, "highest risk first"),
    (InboxOrder.VALUE, "largest value first"),
    (InboxOrder.WAITING, "longest waiting first"),
)
_NOBODY: Final = "-"


@dataclass(frozen=True)
class Asked:
    """The words of an address."""

    show: Annotated[str, Query(max_length=200)] = ""
    owner: Annotated[str, Query(max_length=200)] = ""
    risk: Annotated[str, Query(max_length=200)] = ""
    action: Annotated[str, Query(max_length=200)] = ""
    sort: Annotated[str, Query(max_length=200)] = ""

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> "Asked":
        """The same of a form."""
        given = {name: form.get(name) for name in cls.__dataclass_fields__}
        return cls(**{name: value for name, value in given.items() if isinstance(value, str)})

    @property
    def wanted(self) -> Wanted:
        """What is meant; what is said wrongly does not narrow."""
        return Wanted(
            scope=Scope(self.show) if self.show in list(Scope) else None,
            owner="" if self.owner == _NOBODY else self.owner or None,
            risk=self.risk or None,
            action=self.action if self.action in list(Action) else None,
            order=InboxOrder(self.sort) if self.sort in list(InboxOrder) else InboxOrder.DUE,
        )


def query_of(wanted: Wanted, **more: str | None) -> str:
    """What says so in an address: "?sort=risk", or nothing."""
    words = {**words_of(wanted), **more}
    query = urlencode({name: value for name, value in words.items() if value})
    return f"?{query}" if query else ""


def words_of(wanted: Wanted) -> dict[str, str]:
    """The words that say so, without those that need not be said."""
    found = {
        "show": wanted.scope,
        "owner": _NOBODY if wanted.owner == "" else wanted.owner,
        "risk": wanted.risk,
        "action": wanted.action,
        "sort": None if wanted.order is InboxOrder.DUE else wanted.order,
    }
    return {name: str(value) for name, value in found.items() if value}
