"""What the demo shows: a brief, the portfolio, the proof."""

import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.demo.evidence import Run
from account_reviews.demo.narration import narrate
from account_reviews.demo.people import Answer, Plan
from account_reviews.demo.proof import Proof
from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.review.state import ReviewState
from account_reviews.local.stack import LocalStack
from account_reviews.presentation.brief import brief_of, render_brief
from account_reviews.presentation.terminal import print_prose, print_table, say
from account_reviews.presentation.terms import term_of
from account_reviews.services.documents import beside_brief
from account_reviews.services.reviews import show_review
from account_reviews.store.review_queries import RequestRow

_LISTED = 10


async def show_brief(parts: Parts, client: Client, plans: Sequence[Plan]) -> None:
    """The brief of a review that was answered in part, else of the first one that asked."""

    async def connected() -> Client:
        return client

    first = next((plan for plan in plans if plan.answer is Answer.PART), plans[0])
    state, analysis, _ = await show_review(parts, connected, first.row.review_id, first.row.run_id)
    brief = brief_of(state, analysis, parts.policy)
    print_prose(render_brief(brief, "md", *await beside_brief(parts, state)))
    narrate(
        f"This is what the owner of {brief.account_name} reads before deciding: what changed,"
        " how large the risk is and why, and each proposed change as the exact values that would"
        " be written. Every reason names the CRM record it comes from. Where people have decided"
        " already, the brief says so."
    )


async def show_portfolio(parts: Parts, runs: Sequence[Run]) -> None:
    """One line for each level of risk: how many accounts, how healthy, how far."""
    tenant = parts.settings.tenant
    states = [
        (await parts.reader.find_run(tenant=tenant, review_id=review_id, run_id=run_id)).state
        for review_id, run_id in runs
    ]
    bands = [band.value for band in HealthBand]
    columns = ("risk", "accounts", *map(term_of, bands), "waiting", "decided")
    levels = [level for level in RiskLevel if any(_level(state) == level for state in states)]
    rows = [
        _line(level, [state for state in states if _level(state) == level], bands)
        for level in levels
    ]
    print_table(columns, [*rows, _line("all", states, bands)])
    waiting, decided = _waiting(states), _decided(states)
    grave = sum(_level(state) in (RiskLevel.CRITICAL, RiskLevel.HIGH) for state in states)
    say()
    narrate(
        "The table counts accounts: a row for each level of risk, in the middle the same accounts"
        f" by health. {grave} of {len(states)} accounts have a high or critical risk. The last two"
        f" columns say how far they are: {waiting} reviews wait for a person, and on {decided}"
        " somebody has decided, on some of them in part. What the CRM does not say is unknown,"
        " never healthy."
    )


def _level(state: ReviewState) -> RiskLevel:
    return state.analysis.risk_level if state.analysis else RiskLevel.UNKNOWN


def _line(name: str, states: Sequence[ReviewState], bands: Sequence[str]) -> list[object]:
    health = Counter(
        state.analysis.health_band.value if state.analysis else "unknown" for state in states
    )
    counted = (health[band] for band in bands)
    return [term_of(name), len(states), *counted, _waiting(states), _decided(states)]


def _waiting(states: Sequence[ReviewState]) -> int:
    return sum(bool(state.pending) for state in states)


def _decided(states: Sequence[ReviewState]) -> int:
    return sum(any(one.decisions for one in state.requests) for state in states)


def show_proof(proof: Proof) -> None:
    """The writes counted by kind, then each claim and whether it holds."""
    counts = [[term_of(one.action), one.approved, one.ledger, one.shown] for one in proof.counts]
    print_table(("write", "approved", "in the CRM's ledger", "read back"), counts)
    say()
    for claim in proof.claims:
        say(f"{'holds ' if claim.holds else 'FAILS '} {claim.sentence}")
        for complaint in claim.complaints[:_LISTED]:
            say(f"        {complaint}")
        if len(claim.complaints) > _LISTED:
            say(f"        and {len(claim.complaints) - _LISTED} more")
    say()
    narrate(
        "Temporal was asked for the status of every review, and every review for its own state."
        " The approvals in these states were then compared with the CRM: with its ledger, in which"
        " each write leaves one row, with the fields as they read now, and with the copy of all"
        " records from before the first review. Two killed workers lost nothing, and nothing was"
        " written twice."
        if proof.holds
        else "The proof does not hold. The lines above say what speaks against it."
    )


def what_to_try(
    stack: LocalStack,
    left: RequestRow,
    environment: Mapping[str, str] = MappingProxyType({}),
    inbox: str = "",
) -> str:
    """Lines for a person whose stack goes on running. `inbox`: where it is opened."""
    command = sys.argv[0] if Path(sys.argv[0]).name == "reviews" else "reviews"
    pids = " ".join(str(pid) for pid in stack.worker_pids)
    request, name = left.request, left.short_id or left.request.request_id
    who = next(iter(request.approvers), "YOU")
    lines = [
        "Everything goes on running. Open the inbox, which signs you in once:",
        f"  {inbox}",
        "",
        f"Temporal UI: {stack.ui}",
        "",
        "Try in another terminal:",
        f"  export REVIEWS_DATA_DIR={stack.data_dir}",
        *(f"  export {name}={value}" for name, value in environment.items()),
        f"  {command} approvals list",
        f"  {command} approvals show {name}",
        f"  {command} approvals approve {name} --as {shlex.quote(who)}",
        f"  {command} history {request.account_id}",
        f"  kill -9 {pids}",
        f"  {command} worker",
        "",
        "Ctrl-C here stops everything and removes the data.",
    ]
    return "\n".join(lines)
