"""Accounts of a cycle, with real analyses, for tests of briefs and portfolios."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.cycle.state import AccountState
from account_reviews.domain.records import AccountSnapshot, AccountStatus, Owner
from account_reviews.domain.reports.owner_brief import (
    BriefBuilder,
    CycleFacts,
    OwnerBrief,
    ReviewedAccount,
    ReviewFacts,
)
from account_reviews.domain.review.phases import Outcome, Status
from tests.support.build import AS_OF, POLICY, account, again, deal, idle, review, snapshot

CYCLE = CycleFacts(
    cycle_id="cycle/one",
    run_id="run-1",
    tenant="default",
    kind="weekly",
    as_of=AS_OF,
    started_at=AS_OF,
    generated_at=AS_OF + timedelta(hours=1),
)
LARA = Owner(id="lara", version="1", name="Lara Lund", email="lara@vendor.example")

_SNAPSHOTS = {
    "calm": snapshot(),
    "silent": idle(70),
    "at_risk": snapshot(account=account(status=AccountStatus.AT_RISK)),
    "stalled": snapshot(deals=(deal(days=50),)),
    "poor": snapshot(account=account(annual_revenue=None), deals=(deal(amount=None),)),
}
_ANALYSES = {name: (review(found), again(found)) for name, found in _SNAPSHOTS.items()}


def reviewed(
    account_id: str = "ACC-1", kind: str = "calm", *, first: bool = False, **fields: Any
) -> ReviewedAccount:
    """A reviewed account; seen before and without changes unless told otherwise."""
    analysis = _ANALYSES[kind][0 if first else 1]
    values: dict[str, Any] = {
        "account_id": account_id,
        "account_name": f"Account {account_id}",
        "owner_id": "anna",
        "state": AccountState.DONE,
        "analysis": analysis,
        "snapshot": _SNAPSHOTS[kind],
        "review": review_facts(account_id),
        **fields,
    }
    return ReviewedAccount(**values)


def review_facts(account_id: str, **fields: Any) -> ReviewFacts:
    values: dict[str, Any] = {
        "run_id": f"run-{account_id}",
        "review_id": f"review/{account_id}",
        "status": Status.COMPLETED,
        "outcome": Outcome.NOTHING_TO_DO,
        **fields,
    }
    return ReviewFacts(**values)


def with_risk(one: ReviewedAccount, score: int | None, level: RiskLevel) -> ReviewedAccount:
    assert one.analysis is not None
    risk = one.analysis.risk.model_copy(update={"score": score, "level": level})
    return one.model_copy(update={"analysis": one.analysis.model_copy(update={"risk": risk})})


def with_health(one: ReviewedAccount, band: HealthBand) -> ReviewedAccount:
    assert one.analysis is not None
    health = one.analysis.health.model_copy(update={"band": band})
    return one.model_copy(update={"analysis": one.analysis.model_copy(update={"health": health})})


def brief_of(*accounts: ReviewedAccount, owner: str = "anna", **fields: Any) -> OwnerBrief:
    cycle = CYCLE.model_copy(update=fields)
    return BriefBuilder(cycle, owner, POLICY).add(accounts).finish()


def money(snapshot_: AccountSnapshot, revenue: Decimal | None) -> AccountSnapshot:
    changed = snapshot_.account.model_copy(update={"annual_revenue": revenue})
    return snapshot_.model_copy(update={"account": changed})


_revenues = st.one_of(
    st.none(), st.decimals(0, 10**12, places=4, allow_nan=False, allow_infinity=False)
)


@st.composite
def some_accounts(draw: st.DrawFn) -> list[ReviewedAccount]:
    """Accounts of some owners: reviewed, failed, never started, with money known or not."""
    count = draw(st.integers(0, 12))
    return [draw(_one(f"ACC-{number}")) for number in range(count)]


@st.composite
def _one(draw: st.DrawFn, account_id: str) -> ReviewedAccount:
    kind = draw(st.sampled_from(sorted(_SNAPSHOTS)))
    one = reviewed(
        account_id,
        kind,
        first=draw(st.booleans()),
        owner_id=draw(st.sampled_from(["anna", "ben", "unassigned"])),
        snapshot=draw(st.one_of(st.none(), _revenues.map(lambda it: money(_SNAPSHOTS[kind], it)))),
    )
    score = draw(st.one_of(st.none(), st.integers(0, 100)))
    one = with_risk(one, score, draw(st.sampled_from(RiskLevel)))
    one = with_health(one, draw(st.sampled_from(HealthBand)))
    state = draw(st.sampled_from(AccountState))
    if state in (AccountState.FAILED, AccountState.SKIPPED, AccountState.QUEUED):
        keeps = draw(st.booleans()) and state is AccountState.FAILED
        one = one.model_copy(update={"analysis": one.analysis if keeps else None})
    return one.model_copy(update={"state": state})
