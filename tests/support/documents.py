"""Cycles, digests and briefs to be shown, also of accounts that are hard to show."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from account_reviews.domain.analysis.model import PreviousRisk, RiskLevel
from account_reviews.domain.canonical import plain
from account_reviews.domain.cycle.state import CycleScope, CycleStatus
from account_reviews.domain.records import RecordType
from account_reviews.domain.reports.brief import Brief, build_brief
from account_reviews.domain.reports.owner_brief import OwnerBrief
from account_reviews.domain.reports.portfolio import (
    PortfolioParts,
    PreviousCycle,
    RiskMove,
    Waiting,
    build_portfolio,
    compare,
    parts_of,
)
from account_reviews.presentation.cycle_documents import cycle_document
from account_reviews.presentation.surroundings import Asked, Past, Surroundings
from account_reviews.store.cycle_queries import CycleRow
from tests.support.accounts import CYCLE, brief_of, reviewed, with_risk
from tests.support.build import (
    ANNA,
    AS_OF,
    BEN,
    POLICY,
    account,
    ago,
    contact,
    deal,
    earlier,
    idle,
    review,
    snapshot,
)
from tests.support.digests import CHANGED, closed_review, digest_of, of_account, request


def row(**fields: Any) -> CycleRow:
    values: dict[str, Any] = {
        "run_id": "run-1",
        "cycle_id": "cycle/one",
        "kind": "weekly",
        "status": CycleStatus.COMPLETED,
        "reason": None,
        "schedule_id": None,
        "started_by": "ann",
        "as_of": AS_OF,
        "scheduled_at": None,
        "late": False,
        "accounts": 4,
        "done": 3,
        "running": 0,
        "waiting": 1,
        "failed": 0,
        "joined": 0,
        "missing_sources": (),
        "started_at": AS_OF,
        "updated_at": AS_OF,
        "closed_at": AS_OF,
        **fields,
    }
    return CycleRow(**values)


def briefs(name: str = "Amber Works") -> list[OwnerBrief]:
    grave = with_risk(
        reviewed("ACC-1", "silent", first=True, account_name=name), 90, RiskLevel.CRITICAL
    )
    return [
        brief_of(grave, reviewed("ACC-2"), missing_sources=("memory",)),
        brief_of(reviewed("ACC-3", owner_id="ben"), owner="ben"),
        brief_of(reviewed("ACC-4", "poor", owner_id="unassigned"), owner="unassigned"),
    ]


def document(name: str = "Amber Works", *, owners: int = 3) -> dict[str, Any]:
    made = briefs(name)
    total = sum((parts_of(one) for one in made), PortfolioParts())
    before = dict.fromkeys(RiskLevel, 1)
    previous = PreviousCycle(
        cycle_id="cycle/zero", run_id="r", as_of=AS_OF, risk_distribution=before
    )
    move = RiskMove(
        account_id="ACC-1",
        account_name=name,
        owner_id="anna",
        before=PreviousRisk(score=10, level=RiskLevel.LOW),
        after=PreviousRisk(score=90, level=RiskLevel.CRITICAL),
    )
    report = build_portfolio(
        CYCLE,
        CycleScope(),
        total,
        approvals={"anna": Waiting(open=2, overdue=1)},
        decided=[],
        since_last=compare(previous, [move], whole=True),
    )
    stored: Any = plain({"briefs": made, "portfolio": report.document()})
    return cycle_document(row(), stored["briefs"][:owners], stored["portfolio"])


def busy_digest(name: str = "Amber Works") -> Any:
    first = of_account("A", CHANGED, account_name=name)
    waits = request("A", AS_OF - timedelta(hours=1)).model_copy(update={"account_name": name})
    return digest_of([first], requests=(waits,), closed=(closed_review("B"),))


LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
HOSTILE = (
    f"<script>alert(1)</script> {LONG} \N{FAMILY} شركة \u202eevil \"q\" 'x' _under_score_ `c` | *b*"
)


def busy_brief() -> Brief:
    """An account with a new owner, silence and a deal that stands still."""
    now = idle(65, owner=BEN, previous_owner=ANNA, deals=(deal(1, 50),))
    named = now.account.model_copy(update={"owner_id": "ben"})
    found = review(
        now.model_copy(update={"account": named}),
        earlier(snapshot()),
        previous_risk=PreviousRisk(score=20, level=RiskLevel.LOW),
    )
    return build_brief(found, POLICY, review_id="review/ACC-1")


def hostile_brief() -> Brief:
    """An account without an owner, whose names are hard to show."""
    strange = account(
        id="x" * 90, name=HOSTILE, owner_id=None, url="https://crm.example/" + "a" * 200,
        last_activity_at=ago(70),
    )  # fmt: skip
    now = snapshot(
        account=strange, owner=None, activity_marks=(), deals=(deal(1, 60, name=LONG),),
        contacts=(contact(name=f"שלום {LONG}"),),
    )  # fmt: skip
    return build_brief(review(now), POLICY)


def empty_brief() -> Brief:
    """An account of which the CRM says nothing but a name that shows nothing."""
    bare = account(
        name="\u200b", owner_id=None, url=None, status=None, annual_revenue=None, contract_end=None
    )
    modules = frozenset({RecordType.ACCOUNT})
    now = snapshot(
        account=bare, owner=None, activity_marks=(), deals=(), contacts=(), modules=modules
    )
    return build_brief(review(now), POLICY)


def beside(account_id: str = "ACC-1", **fields: Any) -> Surroundings:
    """A request that waits for three more days, four earlier reviews, an inbox."""
    waits = Asked(
        request_id="8f14e45f-ceea-4ba7-9d6a-1f2f5d0a9b11",
        short_id=f"{account_id}-1",
        account_id=account_id,
        deadline=AS_OF + timedelta(days=3),
        open_items=8,
        whom=("ben",),
    )
    values: dict[str, Any] = {
        "asked": (waits,),
        "past": (
            past(28, 0, 70),
            past(21, 20, 60),
            past(14, 20, None),
            past(7, 20, 50),
        ),
        "account": account(),
        "values": {"ACC-1": Decimal(120_000)},
        "web_url": "https://reviews.example",
        **fields,
    }
    return Surroundings(**values)


def past(days: float, risk: int | None, health: int | None) -> Past:
    """An earlier review with these scores."""
    return Past(at=ago(days), risk=risk, risk_level="low", health=health, health_band="moderate")
