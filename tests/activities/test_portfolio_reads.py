"""Many accounts are read by what works, and what was read is not read again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from account_reviews.crm.protocol import Capabilities
from account_reviews.domain.base import Timestamp
from account_reviews.domain.bursts import TRIES
from account_reviews.domain.errors import (
    CrmAuthError,
    CrmAwayError,
    CrmError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmUnavailableError,
    ReviewsError,
)
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits, Tier
from activities.portfolio_reads import PortfolioReading, Read, Reads
from tests.support.cycles import AS_OF, account
from tests.support.moody_crm import MergingCrm, MoodyCrm

AWAY = CrmUnavailableError("no answer")
BREAKER = CrmUnavailableError("left alone", retry_after=60, sent=False)


class BigCrm(MoodyCrm):
    """One account is too large to be read, with others or alone."""

    too_big = "ac-07"

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        found = await super().snapshots(account_ids, as_of=as_of, limits=limits)
        if self.too_big in account_ids:
            raise CrmUnavailableError("the answer is too large")
        return found


@dataclass
class Kept:
    """What was kept, and what the heartbeat carries from attempt to attempt."""

    read: dict[str, Read] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    details: tuple[Any, ...] = ()
    attempts: int = 0

    async def keep_read(self, read: Sequence[Read], why: Mapping[str, str]) -> None:
        for one in read:
            assert one.snapshot.account.id not in self.read, "read twice"
            self.read[one.snapshot.account.id] = one
        self.why |= why

    async def keep_unread(self, ids: Sequence[str]) -> None:
        self.unread += ids

    def tiers(self) -> dict[Tier, int]:
        found: dict[Tier, int] = {}
        for one in self.read.values():
            found[one.tier] = found.get(one.tier, 0) + 1
        return found


def crm_of(number: int, *moods: CrmError | None, kind: type[MoodyCrm] = MoodyCrm) -> MoodyCrm:
    found = kind(account(f"ac-{n:02}") for n in range(number))
    found.moods, found.asked = list(moods), []
    found.capable = Capabilities(name="moody", bulk_reads=20)
    return found


async def attempt(crm: MoodyCrm, ids: list[str], kept: Kept, most: int) -> ReviewsError | None:
    """One attempt, as Temporal makes it with the details of the one before."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_details=kept.details)

    def beat(*details: Any) -> None:
        kept.details = details

    environment.on_heartbeat = beat
    kept.attempts += 1
    left = [one for one in ids if one not in {*kept.read, *kept.why, *kept.unread}]
    reads = Reads(crm, AS_OF, SnapshotLimits(), most)

    async def read() -> None:
        await PortfolioReading(reads, kept).run(left)

    try:
        await environment.run(read)
    except ReviewsError as error:
        return error
    return None


async def read_all(crm: MoodyCrm, number: int, *, most: int = 20) -> tuple[Kept, list[str]]:
    """Attempts until one is not tried again; and why they failed."""
    kept, ids = Kept(), [f"ac-{n:02}" for n in range(number)]
    errors: list[str] = []
    while True:
        error = await attempt(crm, ids, kept, most)
        if error is None:
            return kept, errors
        errors.append(type(error).__name__)
        if not error.retryable:
            return kept, errors


async def test_all_are_read_together_when_the_crm_can() -> None:
    crm = crm_of(45)
    kept, errors = await read_all(crm, 45)
    assert not errors
    assert kept.tiers() == {Tier.BULK: 45}
    assert [len(one) for one in crm.asked] == [20, 20, 5]


async def test_a_failure_in_the_middle_starts_only_its_own_piece_again() -> None:
    crm = crm_of(60, None, CrmRateLimitedError(retry_after=30), None)
    kept, errors = await read_all(crm, 60)
    assert errors == ["CrmRateLimitedError"]
    assert kept.tiers() == {Tier.BULK: 60}
    assert len(crm.asked) == 4
    assert crm.asked[3] == crm.asked[1]


async def test_a_tier_that_gives_no_answer_gives_way_to_the_next() -> None:
    crm = crm_of(20, *[AWAY] * TRIES)
    kept, errors = await read_all(crm, 20)
    assert errors == ["CrmUnavailableError"] * (TRIES - 1)
    assert kept.tiers() == {Tier.LIST: 20}
    assert {one.passed_over for one in kept.read.values()} == {("bulk: no answer",)}


async def test_a_refused_tier_gives_way_at_once() -> None:
    crm = crm_of(15, *[CrmPermissionError("the scope ZohoCRM.coql.READ is missing")] * 3)
    kept, errors = await read_all(crm, 15)
    assert not errors
    assert kept.tiers() == {Tier.RECORD: 15}
    (passed,) = {one.passed_over for one in kept.read.values()}
    assert [why.partition(":")[0] for why in passed] == ["bulk", "list"]


async def test_one_that_can_be_read_in_no_way_takes_no_other_with_it() -> None:
    crm = crm_of(20, kind=BigCrm)
    kept, _ = await read_all(crm, 20)
    assert kept.unread == [BigCrm.too_big]
    assert kept.tiers() == {Tier.LIST: 10, Tier.RECORD: 9}
    assert sum(len(one) for one in crm.asked) < 100


@pytest.mark.parametrize("most", [20, 1])
async def test_a_crm_that_is_away_is_away_whatever_the_tier(most: int) -> None:
    crm = crm_of(20)
    crm.always = AWAY
    kept, errors = await read_all(crm, 20, most=most)
    assert errors[-1] == CrmAwayError.__name__
    assert kept.attempts <= TRIES + 2
    assert not kept.read


async def test_an_open_breaker_is_waited_for_and_no_matter_of_tiers() -> None:
    crm = crm_of(20, *[BREAKER] * 3)
    kept, errors = await read_all(crm, 20)
    assert errors == ["CrmUnavailableError"] * 3
    assert kept.tiers() == {Tier.BULK: 20}
    crm = crm_of(20)
    crm.always = BREAKER
    _, errors = await read_all(crm, 20)
    assert errors == [*["CrmUnavailableError"] * 3, CrmAwayError.__name__]


async def test_a_refused_login_ends_it() -> None:
    crm = crm_of(20, CrmAuthError("revoked"))
    _, errors = await read_all(crm, 20)
    assert errors == ["CrmAuthError"]
    assert len(crm.asked) == 1


async def test_accounts_that_are_gone_are_said_and_the_others_read() -> None:
    crm = crm_of(3)
    kept, errors = await read_all(crm, 5)
    assert not errors
    assert set(kept.why) == {"ac-03", "ac-04"}
    assert kept.why["ac-03"] == "the CRM has no account 'ac-03'"
    assert len(kept.read) == 3


@pytest.mark.parametrize("most", [20, 1])
async def test_an_account_that_was_merged_is_told_and_takes_no_other_with_it(most: int) -> None:
    crm = crm_of(2, kind=MergingCrm)
    assert isinstance(crm, MergingCrm)
    crm.merged = {"ac-02": "ac-01"}
    kept, errors = await read_all(crm, 3, most=most)
    assert not errors
    assert sorted(kept.read) == ["ac-00", "ac-01"]
    assert "was merged into 'ac-01'" in kept.why["ac-02"]
