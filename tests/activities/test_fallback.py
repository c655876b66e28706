"""Who is asked about an account that nobody owns."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.policy.model import parse_policy
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    Owner,
    RecordType,
    SnapshotLimits,
)
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.policy_terms import terms_of
from account_reviews.domain.review.state import AnalysisResult, ReviewInput
from account_reviews.domain.review.steps import AnalyseAccount, FetchSnapshot
from account_reviews.store.reviews import ReviewStore
from activities.analysis import AnalysisActivities
from activities.crm import CrmActivities
from tests.support.terms import always

NOW = datetime(2026, 10, 1, tzinfo=UTC)
POLICY = parse_policy('[approvals]\nfallback = ["desk"]\n[approvals.groups]\ndesk = ["Mia"]\n')


async def analysed(engine: AsyncEngine, owner: Owner | None) -> AnalysisResult:
    account = Account(id="acme", version="1", name="Acme", owner_id=owner.id if owner else None)
    snapshot = AccountSnapshot(
        account=account,
        owner=owner,
        modules=frozenset({RecordType.ACCOUNT, RecordType.OWNER}),
        fetched_at=NOW,
        as_of=NOW,
    )
    store, start = ReviewStore(engine), ReviewInput(account_id="acme", as_of=NOW)
    opening = opening_state(
        start, review_id="review/acme", run_id="run-1", workflow_run_id="run-1", now=NOW
    )
    crm = CrmActivities(InMemoryCrm([snapshot]), store, SnapshotLimits())
    fetch = FetchSnapshot(account_id="acme", tenant="default", as_of=NOW, opening=opening)
    reference = await ActivityEnvironment().run(crm.fetch_snapshot, fetch)
    rules = AnalysisActivities(store, POLICY, always(lambda: terms_of(POLICY)))
    return await ActivityEnvironment().run(
        rules.analyse,
        AnalyseAccount(
            account_id="acme",
            tenant="default",
            snapshot_hash=reference.hash,
            memory_hash=None,
            as_of=NOW,
        ),
    )


@pytest.mark.parametrize(
    ("owner", "asked"), [(Owner(id="o1", version="1", name="Olga"), "o1"), (None, "Mia")]
)
async def test_the_fallback_is_asked_where_there_is_no_owner(
    engine: AsyncEngine, owner: Owner | None, asked: str
) -> None:
    assert (await analysed(engine, owner)).approvers == (asked,)
