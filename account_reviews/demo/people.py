"""What the people of the demo decide: a fixed plan over the open requests. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from account_reviews.domain.base import Scalar
from account_reviews.domain.proposals import Action
from account_reviews.domain.review.approvals import ApprovalRequest, Item
from account_reviews.domain.review.messages import SubmitDecision, Verdict
from account_reviews.store.review_queries import RequestRow


class Answer(StrEnum):
    """How a person answers one request."""

    APPROVE = "approved as proposed"
    ADJUST = "adjusted, then approved"
    REJECT = "rejected"
    DEFER = "deferred"
    PART = "answered in part"
    LEAVE = "left open"


@dataclass(frozen=True)
class Plan:
    """A request, how it is answered, and the decisions to send in this order."""

    row: RequestRow
    answer: Answer
    decisions: tuple[SubmitDecision, ...]

    @property
    def run(self) -> tuple[str, str]:
        """Review id and run id."""
        return self.row.review_id, self.row.run_id


_CYCLE: Final = (
    Answer.APPROVE, Answer.ADJUST, Answer.REJECT, Answer.APPROVE, Answer.DEFER, Answer.LEAVE,
)  # fmt: skip
_MANY: Final = 3
"""Requests with so many items are answered in part."""


def plan_answers(
    rows: Sequence[RequestRow], active: Collection[str], manager: str
) -> tuple[Plan, ...]:
    """A plan for each request, the same for equal portfolios.

    `active` holds the ids of people who can decide; `manager` decides where nobody else can.
    """
    plans = []
    turn = 0
    for row in sorted(rows, key=lambda row: row.request.account_id):
        who = next((one for one in row.request.approvers if one in active), manager)
        if len(row.request.items) >= _MANY:
            plans.append(Plan(row, Answer.PART, _in_part(row.request, who)))
            continue
        plans.append(_plan(row, _CYCLE[turn % len(_CYCLE)], who))
        turn += 1
    return tuple(plans)


def _plan(row: RequestRow, answer: Answer, who: str) -> Plan:
    request = row.request
    match answer:
        case Answer.ADJUST:
            task = next((item for item in request.items if _is_task(item)), None)
            if task is not None:
                return Plan(row, answer, _adjusted(request, task, who))
            answer = Answer.APPROVE
        case Answer.REJECT:
            reason = "We spoke to them last week, this is settled."
            return Plan(row, answer, (_decision(request, Verdict.REJECT, who, reason=reason),))
        case Answer.DEFER:
            reason = "Not before the quarter ends."
            return Plan(row, answer, (_decision(request, Verdict.DEFER, who, reason=reason),))
        case Answer.LEAVE:
            return Plan(row, answer, ())
    return Plan(row, Answer.APPROVE, (_decision(request, Verdict.APPROVE, who),))


def _is_task(item: Item) -> bool:
    return item.change.action is Action.CREATE_TASK


def _adjusted(request: ApprovalRequest, task: Item, who: str) -> tuple[SubmitDecision, ...]:
    """Another priority for the task; the other items as they are."""
    now = task.change.after.get("priority")
    changes: dict[str, Scalar] = {"priority": "medium" if now == "high" else "high"}
    decisions = [_decision(request, Verdict.ADJUST, who, item_ids=(task.item_id,), changes=changes)]
    others = tuple(item.item_id for item in request.items if item is not task)
    if others:
        decisions.append(_decision(request, Verdict.APPROVE, who, item_ids=others))
    return tuple(decisions)


def _in_part(request: ApprovalRequest, who: str) -> tuple[SubmitDecision, ...]:
    """Every other item is approved and one is rejected; what is left goes on waiting."""
    ids = [item.item_id for item in request.items]
    reason = "One call is enough."
    return (
        _decision(request, Verdict.APPROVE, who, item_ids=tuple(ids[::2])),
        _decision(request, Verdict.REJECT, who, item_ids=(ids[1],), reason=reason),
    )


def _decision(
    request: ApprovalRequest, verdict: Verdict, who: str, **fields: Any
) -> SubmitDecision:
    return SubmitDecision(request_id=request.request_id, decision=verdict, approver=who, **fields)
