"""Reading many accounts: together where the CRM can, else fewer at a time. What is read is kept."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeVar

from account_reviews.crm.merged import refuse_merged
from account_reviews.crm.protocol import CrmBackend
from account_reviews.domain.base import Timestamp
from account_reviews.domain.bursts import Burst
from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmAuthError,
    CrmAwayError,
    CrmOfAnotherTenantError,
    CrmUnavailableError,
    CrmUnreadableError,
    ReviewsError,
)
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits, Tier
from account_reviews.domain.review.bounds import cut
from activities.bursts import Progress, keep, progress_so_far

_Answer = TypeVar("_Answer")

FEW: Final = 10
"""Accounts in one read of the tier LIST."""
CHUNK: Final = 50
"""Accounts that are read one by one before what was read is kept."""
READS_AT_ONCE: Final = 10


class Read(NamedTuple):
    """One account as it was read."""

    snapshot: AccountSnapshot
    tier: Tier
    passed_over: tuple[str, ...]


class Keeper(Protocol):
    """Keeps what was read, so that another attempt goes on after it."""

    async def keep_read(self, read: Sequence[Read], why: Mapping[str, str]) -> None:
        """`why`: of accounts that the CRM lacks or cannot give, by id."""
        ...

    async def keep_unread(self, ids: Sequence[str]) -> None:
        """These are left to their own reviews."""
        ...


@dataclass(frozen=True)
class Reads:
    """What is asked of the CRM. `most`: accounts that one read may take."""

    crm: CrmBackend
    as_of: Timestamp
    limits: SnapshotLimits
    most: int


class PortfolioReading:
    """One attempt at accounts of a portfolio, by the tiers that are left.

    A tier fails when the CRM refuses it, or did not answer one burst of tries; the tiers after it
    get one try each. An outage, a limit and a refused login are no matter of tiers.
    """

    def __init__(self, reads: Reads, keeper: Keeper) -> None:
        self._reads = reads
        self._keeper = keeper
        self._progress = progress_so_far()
        self._at_once = asyncio.Semaphore(READS_AT_ONCE)

    async def run(self, ids: Sequence[str]) -> None:
        """Read them all. Errors that Temporal tries again; CrmAwayError when there is no more use
        in that; what the CRM refuses, however it is asked."""
        left = list(ids)
        while left:
            tier = self._progress.tier or (Tier.BULK if self._reads.most > 1 else Tier.RECORD)
            kept, error = await self._pass(tier, left)
            left = [one for one in left if one not in kept]
            if kept:
                self._note(self._progress.model_copy(update={"read": True, "burst": Burst()}))
            if error is not None and await self._give_way(tier, error, left):
                return

    async def _pass(self, tier: Tier, ids: Sequence[str]) -> tuple[set[str], ReviewsError | None]:
        """All of them by one tier: which are kept, and what the first failure was."""
        size = {Tier.BULK: self._reads.most, Tier.LIST: FEW}.get(tier, CHUNK)
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        if tier is Tier.RECORD:  # one chunk after the other, since each is read side by side
            done = []
            for part in parts:
                done.append(await self._part(tier, part))
                if done[-1][1] is not None:
                    break
        else:
            done = list(await asyncio.gather(*(self._part(tier, part) for part in parts)))
        kept = {one for some, _ in done for one in some}
        return kept, next((error for _, error in done if error is not None), None)

    async def _part(self, tier: Tier, ids: Sequence[str]) -> tuple[set[str], ReviewsError | None]:
        reads, alone = self._reads, list(ids)
        passed = self._progress.passed_over
        read: list[Read] = []
        if tier is not Tier.RECORD:
            try:
                found = await self._limited(
                    reads.crm.snapshots(ids, as_of=reads.as_of, limits=reads.limits)
                )
            except ReviewsError as error:
                return set(), error
            whole = {name: one for name, one in found.items() if one.account.id == name}
            read = [Read(whole[one], tier, passed) for one in ids if one in whole]
            alone = [one for one in ids if one not in whole]
            passed = (*passed, f"{tier}: left out")
        why: dict[str, str] = {}
        failed: ReviewsError | None = None
        for one, result in zip(
            alone, await asyncio.gather(*(self._alone(one) for one in alone)), strict=True
        ):
            if isinstance(result, AccountSnapshot):
                read.append(Read(result, Tier.RECORD, passed))
            elif isinstance(result, AccountNotFoundError | CrmUnreadableError):
                why[one] = result.message
            else:
                failed = failed or result
        if read or why:
            await self._keeper.keep_read(read, why)
        return {one.snapshot.account.id for one in read} | why.keys(), failed

    async def _alone(self, account_id: str) -> AccountSnapshot | ReviewsError:
        reads = self._reads
        try:
            found = await self._limited(
                reads.crm.snapshot(account_id, as_of=reads.as_of, limits=reads.limits)
            )
            refuse_merged(account_id, found)
        except ReviewsError as error:
            return error
        return found

    async def _limited(self, work: Awaitable[_Answer]) -> _Answer:
        async with self._at_once:
            return await work

    async def _give_way(self, tier: Tier, error: ReviewsError, left: Sequence[str]) -> bool:
        """To the next tier, which gives False; True when the rest is left to its own reviews.

        Raises `error` while that tier has tries left, and what no tier can mend.
        """
        if isinstance(error, CrmAuthError | CrmOfAnotherTenantError):
            raise error
        away = isinstance(error, CrmUnavailableError)
        if error.retryable and not away:
            raise error
        if isinstance(error, CrmUnavailableError):
            self._note(self._progress.after(error))
            last = bool(self._progress.passed_over) and self._progress.burst.tries > 0
            if not (self._progress.burst.is_over or last):
                raise error
            if not error.sent:
                raise CrmAwayError(error.message, hint=error.hint) from error
        below = _below(tier, self._reads.most)
        if below is not None:
            why = f"{tier}: {cut(error.message)}"
            passed = (*self._progress.passed_over, why)
            self._note(Progress(tier=below, passed_over=passed))
            return False
        if away and self._progress.read:
            await self._keeper.keep_unread(left)
            return True
        raise CrmAwayError(error.message, hint=error.hint) if away else error

    def _note(self, progress: Progress) -> None:
        self._progress = progress
        keep(progress)


def _below(tier: Tier, most: int) -> Tier | None:
    """The tier after this one; a list of few is none where the CRM gives no more than that."""
    if tier is Tier.BULK and most > FEW:
        return Tier.LIST
    return None if tier is Tier.RECORD else Tier.RECORD
