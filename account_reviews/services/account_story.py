"""Everything about one account: how it is, what was decided by whom, what is remembered."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import AccountFilter
from account_reviews.domain.errors import CrmError, PassingError, ReviewsError
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import Account
from account_reviews.memory.protocol import MemoryHit
from account_reviews.presentation.surroundings import Past
from account_reviews.services.lookup import find_account
from account_reviews.services.portfolio import account_line, portfolio_reader
from account_reviews.store.portfolio_queries import AccountLine, AccountRun, DecidedItem
from account_reviews.store.review_queries import RequestRow
from account_reviews.store.stored_json import parsed

RUNS: Final = 50
DECISIONS: Final = 100
MEMORIES: Final = 20
_PATIENCE: Final = 2.0
"""Seconds for a CRM or a memory elsewhere."""


@dataclass(frozen=True)
class Decided:
    """A decision on one change; `change` is None where it cannot be read."""

    row: DecidedItem
    change: ProposedChange | None


@dataclass(frozen=True)
class AccountStory:
    """What is known of an account. `line` and `account` are None where nobody knows it: no review
    of it has found something, or the CRM did not answer in time. `memory` likewise."""

    account_id: str
    name: str | None
    line: AccountLine | None
    account: Account | None
    runs: tuple[AccountRun, ...]
    decided: tuple[Decided, ...]
    pending: tuple[RequestRow, ...]
    memory: tuple[MemoryHit, ...] | None

    @property
    def open_run(self) -> AccountRun | None:
        """The review that is under way."""
        return next((one for one in self.runs if one.closed_at is None), None)

    @property
    def past(self) -> tuple[Past, ...]:
        """The scores over time, oldest first."""
        return tuple(
            Past(
                at=_moment(one),
                risk=one.risk_score,
                risk_level=one.risk_level or "unknown",
                health=None if one.health_score is None else round(one.health_score),
                health_band=one.health_band or "unknown",
            )
            for one in reversed(self.runs)
            if one.risk_level is not None and one.kind != "undo"
        )


async def story_of(parts: Parts, text: str) -> AccountStory:
    """The account of that id or name. AccountNotFoundError, BadInputError for several."""
    known = await find_account(parts, text)
    reader, tenant = portfolio_reader(parts), parts.settings.tenant
    line = await account_line(parts, known.id)
    runs = await reader.runs(known.id, RUNS)
    decided = await reader.decisions(known.id, DECISIONS)
    pending = await parts.reader.list_requests(tenant=tenant, account=known.id, limit=20)
    account, memory = await asyncio.gather(_account(parts, known.id), _memory(parts, known.id))
    return AccountStory(
        account_id=known.id,
        name=known.name or (account.name if account else None),
        line=line,
        account=account,
        runs=tuple(runs),
        decided=tuple(Decided(row, parsed(ProposedChange, row.change)) for row in decided),
        pending=pending.items,
        memory=memory,
    )


async def _account(parts: Parts, account_id: str) -> Account | None:
    where = AccountFilter(account_ids=(account_id,))
    try:
        async with asyncio.timeout(_PATIENCE):
            page = await parts.accounts.list_accounts(where)
    except (CrmError, PassingError, TimeoutError):
        return None
    return page.items[0] if page.items else None


async def _memory(parts: Parts, account_id: str) -> tuple[MemoryHit, ...] | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            return (await parts.memory.timeline(account_id, limit=MEMORIES)).items
    except (ReviewsError, TimeoutError):
        return None


def _moment(run: AccountRun) -> datetime:
    """When its facts were true: the clock that it was given, else when it began."""
    return datetime.fromisoformat(run.as_of) if run.as_of else run.started_at


def by_day(decided: Sequence[Decided]) -> list[tuple[datetime, str | None, list[Decided]]]:
    """What one person decided at one time belongs together: (when, who, what), newest first."""
    groups: list[tuple[datetime, str | None, list[Decided]]] = []
    for one in decided:
        last = groups[-1] if groups else None
        if last and last[0] == one.row.decided_at and last[1] == one.row.decided_by:
            last[2].append(one)
        else:
            groups.append((one.row.decided_at, one.row.decided_by, [one]))
    return groups
