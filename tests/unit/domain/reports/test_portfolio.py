"""The portfolio report: sums that do not mind the order, and unknown that is never zero."""

from decimal import Decimal
from functools import reduce
from itertools import pairwise
from operator import add
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from account_reviews.domain.analysis.model import HealthBand, PreviousRisk, RiskLevel
from account_reviews.domain.canonical import plain
from account_reviews.domain.cycle.state import CycleScope
from account_reviews.domain.records import RecordType
from account_reviews.domain.reports.figures import AT_RISK, NO_FIGURES, Amount, Figures, figures_of
from account_reviews.domain.reports.owner_brief import ReviewedAccount
from account_reviews.domain.reports.portfolio import (
    PORTFOLIO_KEYS,
    DecidedItems,
    Portfolio,
    PortfolioParts,
    PreviousCycle,
    RiskMove,
    SinceLast,
    Waiting,
    build_portfolio,
    compare,
    parts_of,
)
from tests.support.accounts import CYCLE, brief_of, reviewed, some_accounts, with_risk
from tests.support.build import AS_OF, POLICY, account, deal, snapshot

few = settings(max_examples=25, deadline=None)
MONEY = ("revenue", "pipeline", "at_risk_value", "at_risk_pipeline")


def parts(accounts: list[ReviewedAccount]) -> list[PortfolioParts]:
    """Each account by itself."""
    return [parts_of(brief_of(one, owner=one.owner_id)) for one in accounts]


def portfolio_of(*accounts: ReviewedAccount, **fields: object) -> Portfolio:
    values: dict[str, object] = {
        "approvals": {},
        "decided": [],
        "since_last": SinceLast(),
        **fields,
    }
    total = reduce(add, parts(list(accounts)), PortfolioParts())
    return build_portfolio(CYCLE, CycleScope(), total, **values)  # type: ignore[arg-type]


@few
@given(some_accounts(), st.randoms(use_true_random=False))
def test_merging_does_not_mind_the_order(accounts: list[ReviewedAccount], random: Random) -> None:
    apart = parts(accounts)
    whole = reduce(add, apart, PortfolioParts())
    random.shuffle(apart)
    assert reduce(add, apart, PortfolioParts()) == whole


@few
@given(some_accounts(), st.integers(0, 12), st.integers(0, 12))
def test_merging_is_associative(accounts: list[ReviewedAccount], one: int, two: int) -> None:
    apart = parts(accounts)
    bounds = sorted([0, min(one, len(apart)), min(two, len(apart)), len(apart)])
    left, middle, right = (
        reduce(add, apart[start:end], PortfolioParts()) for start, end in pairwise(bounds)
    )
    assert (left + middle) + right == left + (middle + right)
    assert left + PortfolioParts() == PortfolioParts() + left == left


@few
@given(some_accounts())
def test_briefs_of_owners_sum_up_to_the_same(accounts: list[ReviewedAccount]) -> None:
    owners = {one.owner_id for one in accounts}
    by_owner = [
        parts_of(brief_of(*(it for it in accounts if it.owner_id == owner), owner=owner))
        for owner in owners
    ]
    one_by_one = reduce(add, parts(accounts), PortfolioParts())
    assert reduce(add, by_owner, PortfolioParts()) == one_by_one


@few
@given(some_accounts())
def test_distributions_add_up_to_all_accounts(accounts: list[ReviewedAccount]) -> None:
    report = portfolio_of(*accounts)
    assert report.total_accounts == len(accounts)
    assert sum(report.health_distribution.values()) == len(accounts)
    assert sum(report.risk_distribution.values()) == len(accounts)
    assert set(report.health_distribution) == set(HealthBand)
    assert set(report.risk_distribution) == set(RiskLevel)
    assert report.accounts_at_risk == sum(one.level in AT_RISK for one in accounts)
    assert sum(line.figures.accounts for line in report.owners) == len(accounts)


@few
@given(some_accounts())
def test_unknown_is_counted_and_never_zero(accounts: list[ReviewedAccount]) -> None:
    report = portfolio_of(*accounts)
    known = [
        one.snapshot.account.annual_revenue
        for one in accounts
        if one.snapshot and one.snapshot.account.annual_revenue is not None
    ]
    assert report.revenue.unknown == len(accounts) - len(known)
    assert report.revenue.known == len(known)
    expected = sum(known, Decimal()) if known or not accounts else None
    assert report.revenue.value == expected
    for name in MONEY:
        amount = getattr(report, name)
        assert (amount.value is None) == (amount.known == 0 and amount.unknown > 0)


@few
@given(some_accounts())
def test_money_at_risk_is_part_of_the_whole(accounts: list[ReviewedAccount]) -> None:
    report = portfolio_of(*accounts)
    threatened = [one for one in accounts if one.level in AT_RISK]
    alone = portfolio_of(*threatened)
    unsure = [one for one in accounts if one.level is RiskLevel.UNKNOWN]
    if not unsure:
        assert report.at_risk_value == alone.revenue
        assert report.at_risk_pipeline == alone.pipeline
    assert alone.revenue.known == report.at_risk_value.known
    assert 0 <= report.at_risk_value.unknown - alone.revenue.unknown <= len(unsure)
    assert (report.at_risk_value.value or 0) <= (report.revenue.value or 0)


@few
@given(some_accounts())
def test_a_document_has_numbers_that_json_knows(accounts: list[ReviewedAccount]) -> None:
    document = plain(portfolio_of(*accounts).document())
    assert isinstance(document, dict)
    assert set(document) == set(PORTFOLIO_KEYS)
    for name in MONEY:
        assert document[name] is None or isinstance(document[name], str)
        assert isinstance(document[f"{name}_unknown_accounts"], int)


@given(st.lists(st.decimals(0, 10**15, places=9, allow_nan=False), max_size=20))
def test_sums_are_exact(values: list[Decimal]) -> None:
    amounts = [Amount(value=value, known=1) for value in values]
    there, back = sum(amounts, Amount()), sum(amounts[::-1], Amount())
    assert there == back
    assert there.value == sum(int(value * 10**9) for value in values) / Decimal(10**9)


def figures(**fields: object) -> Figures:
    now = snapshot(**fields)
    return figures_of(RiskLevel.HIGH, HealthBand.AT_RISK, now, POLICY)


def test_open_deals_make_the_pipeline() -> None:
    assert figures(deals=(deal(1), deal(2))).pipeline == Amount(value=Decimal(40_000), known=1)
    nothing = figures(deals=())
    assert nothing.pipeline == Amount(value=Decimal(0), known=1)


def test_a_deal_without_amount_makes_a_lower_bound() -> None:
    part = figures(deals=(deal(1), deal(2, amount=None)))
    assert part.pipeline == Amount(value=Decimal(20_000), known=1, unknown=1)
    assert figures(deals=(deal(1, amount=None),)).pipeline.value is None


def test_a_crm_without_deals_does_not_know_the_pipeline() -> None:
    found = figures(deals=(), modules=frozenset({RecordType.ACCOUNT}))
    assert found.pipeline == Amount(value=None, unknown=1)
    assert figures_of(RiskLevel.LOW, HealthBand.UNKNOWN, None, POLICY).revenue.value is None


def test_no_revenue_is_a_fact() -> None:
    found = figures(account=account(annual_revenue=Decimal(0)))
    assert found.revenue == Amount(value=Decimal(0), known=1)
    assert found.at_risk_value == found.revenue


def test_what_is_at_risk_is_unknown_while_the_risk_is() -> None:
    now = snapshot(deals=(deal(1),))
    found = figures_of(RiskLevel.UNKNOWN, HealthBand.UNKNOWN, now, POLICY)
    nobody_knows = Amount(value=None, unknown=1)
    assert found.at_risk_value == found.at_risk_pipeline == nobody_knows
    nothing = snapshot(account=account(annual_revenue=Decimal(0)), deals=())
    found = figures_of(RiskLevel.UNKNOWN, HealthBand.UNKNOWN, nothing, POLICY)
    assert found.at_risk_value == found.at_risk_pipeline == Amount()
    known = figures_of(RiskLevel.LOW, HealthBand.UNKNOWN, now, POLICY)
    assert known.at_risk_value == known.at_risk_pipeline == Amount()


def test_an_empty_portfolio_has_nothing_and_knows_it() -> None:
    report = portfolio_of()
    assert report.total_accounts == 0
    assert report.revenue == report.at_risk_value == Amount()
    assert NO_FIGURES + NO_FIGURES == NO_FIGURES


def items(state: str, count: int = 1, **fields: object) -> DecidedItems:
    values = {"owner_id": "anna", "adjusted": False, "by_person": True, **fields}
    return DecidedItems(state=state, count=count, **values)


def test_uptake_counts_what_people_decided() -> None:
    decided = [
        items("executed", 3),
        items("approved"),
        items("failed"),
        items("executed", 2, adjusted=True),
        items("executed", 7, by_person=False),
        items("rejected", 4),
        items("deferred"),
        items("expired", 5, by_person=False),
        items("superseded", 9, by_person=False),
        items("proposed", 9, by_person=False),
        items("executed", 9, owner_id="somebody else"),
    ]
    (anna,) = portfolio_of(reviewed(), decided=decided).uptake
    assert (anna.approved, anna.adjusted, anna.rejected, anna.deferred) == (5, 2, 4, 1)
    assert (anna.decided, anna.expired) == (12, 5)
    assert anna.acceptance_rate == round(7 / 12, 4)


def test_without_decisions_there_is_no_rate() -> None:
    report = portfolio_of(reviewed("A"), reviewed("B", owner_id="ben"))
    assert [one.owner_id for one in report.uptake] == ["anna", "ben"]
    assert {one.acceptance_rate for one in report.uptake} == {None}


def test_approvals_of_others_are_left_out() -> None:
    approvals = {"anna": Waiting(open=3, overdue=1, unanswered=2), "max": Waiting(open=9)}
    report = portfolio_of(reviewed(), approvals=approvals)
    assert (report.open_approvals, report.overdue_approvals) == (3, 1)
    assert report.unanswered_approvals == 2


PREVIOUS = PreviousCycle(
    cycle_id="cycle/zero",
    run_id="run-0",
    as_of=AS_OF,
    risk_distribution=dict.fromkeys(RiskLevel, 1),
)


def risk(level: str, score: int | None = None) -> PreviousRisk:
    return PreviousRisk(score=score, level=RiskLevel(level))


def kinds(
    before: PreviousRisk | None, after: PreviousRisk | None, *, whole: bool = True
) -> set[str]:
    move = RiskMove(account_id="A", account_name="A", owner_id="anna", before=before, after=after)
    found = compare(PREVIOUS, [move], whole=whole)
    names = SinceLast.model_fields.keys() - {"cycle_id", "as_of", "risk_before"}
    return {name for name in names if getattr(found, name)}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (risk("low", 10), risk("high", 60), {"newly_at_risk", "risk_up"}),
        (risk("critical", 90), risk("medium", 30), {"recovered", "risk_down"}),
        (risk("high", 60), risk("critical", 90), {"risk_up"}),
        (risk("high", 70), risk("high", 60), {"risk_down"}),
        (risk("low"), risk("high"), {"newly_at_risk", "risk_up"}),
        (risk("unknown"), risk("high", 60), {"newly_at_risk"}),
        (risk("high", 60), risk("unknown"), set()),
        (risk("unknown"), risk("low", 5), set()),
        (None, risk("high", 60), {"new_accounts"}),
        (risk("high", 60), None, {"gone_accounts"}),
    ],
)
def test_moves_of_risk(
    before: PreviousRisk | None, after: PreviousRisk | None, expected: set[str]
) -> None:
    assert kinds(before, after) == expected


def test_a_cycle_of_what_changed_cannot_tell_who_is_gone() -> None:
    assert kinds(risk("high", 60), None, whole=False) == set()
    assert kinds(None, risk("low", 5), whole=False) == {"new_accounts"}
    assert compare(PREVIOUS, [], whole=False).risk_before is None
    assert compare(PREVIOUS, [], whole=True).risk_before == PREVIOUS.risk_distribution


def test_the_first_cycle_compares_with_nothing() -> None:
    assert compare(None, [], whole=True) == SinceLast()
    assert SinceLast().cycle_id is None


def test_risk_comes_from_the_review_else_from_the_first_look() -> None:
    one = with_risk(reviewed(risk_level=RiskLevel.LOW, risk_score=5), 60, RiskLevel.HIGH)
    assert portfolio_of(one).risk_distribution[RiskLevel.HIGH] == 1
    unseen = one.model_copy(update={"analysis": None})
    report = portfolio_of(unseen)
    assert report.risk_distribution[RiskLevel.LOW] == 1
    assert report.health_distribution[HealthBand.UNKNOWN] == 1
