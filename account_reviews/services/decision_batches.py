"""Decisions on many requests: a row for each, and none that fails stops or undoes another."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    NegativeAnswerError,
    ReviewsError,
)
from account_reviews.domain.review.messages import (
    DecisionAnswer,
    Malformed,
    QueuedAnswer,
    SubmitDecision,
    checked,
)
from account_reviews.services.access import require_decision
from account_reviews.services.decisions import check_owner, decide, until_seen
from account_reviews.store.review_queries import RequestRow
from account_reviews.temporal.client import explained

AT_ONCE: Final = 8
"""Requests that are decided on at the same time."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One decision as somebody asks for it: of which request, and the fields of the decision."""

    request: str
    fields: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Planned:
    """A decision that can be sent, or why not."""

    wish: Wish
    row: RequestRow | None = None
    decision: SubmitDecision | None = None
    error: ReviewsError | None = None

    @property
    def request_id(self) -> str:
        return self.row.request.request_id if self.row is not None else self.wish.request


async def plan(parts: Parts, wishes: Sequence[Wish]) -> list[Planned]:
    """The decisions on the requests that are named, in order; the same one is there once."""
    names = list(dict.fromkeys(wish.request for wish in wishes))
    found = await parts.reader.find_requests(parts.settings.tenant, names)
    planned: list[Planned] = []
    known: set[str] = set()
    for wish in wishes:
        one = _planned(wish, found[wish.request])
        same = f"{one.request_id} {sorted(wish.fields.items(), key=str)}"
        if same not in known:
            known.add(same)
            planned.append(one)
    return planned


def _planned(wish: Wish, row: RequestRow | ReviewsError) -> Planned:
    if isinstance(row, ReviewsError):
        return Planned(wish=wish, error=row)
    given = {
        "decision_id": uuid.uuid4().hex,
        **{name: value for name, value in wish.fields.items() if value is not None},
        "request_id": row.request.request_id,
    }
    decision = checked(SubmitDecision, given)
    if isinstance(decision, Malformed):
        return Planned(wish=wish, row=row, error=BadInputError(decision.why))
    return Planned(wish=wish, row=row, decision=decision)


async def decide_all(parts: Parts, client: Client, planned: Sequence[Planned]) -> list[Document]:
    """A row for each decision, in order. Several on one request are sent one after the other."""
    by_request: dict[str, list[int]] = {}
    for place, one in enumerate(planned):
        by_request.setdefault(one.request_id, []).append(place)
    gate = asyncio.Semaphore(AT_ONCE)
    done: dict[int, Document] = {}

    async def group(places: Sequence[int]) -> None:
        async with gate:
            for place in places:
                done[place] = await _decide_one(parts, client, planned[place])

    await asyncio.gather(*(group(places) for places in by_request.values()))
    return [done[place] for place in range(len(planned))]


def refuse_all(planned: Sequence[Planned], why: str, hint: str) -> list[Document]:
    """A row for each decision that is not sent."""
    return [_row(one, error=NegativeAnswerError(why, hint=hint)) for one in planned]


async def _decide_one(parts: Parts, client: Client, one: Planned) -> Document:
    if one.row is None or one.decision is None:
        return _row(one, error=one.error)
    try:
        await require_decision(parts, one.row, one.decision)
        if one.decision.changes:
            await check_owner(parts.accounts, one.decision)
        answer = await decide(client, one.row, one.decision)
        await until_seen(parts.reader, parts.settings.tenant, one.row, answer)
    except RPCError as error:
        return _row(one, error=explained(error))
    except ReviewsError as error:
        return _row(one, error=error)
    left = [item.message for item in answer.items if not item.applied]
    if left and not isinstance(answer, QueuedAnswer):
        return _row(one, answer=answer, error=ConflictError(left[0]))
    return _row(one, answer=answer)


def _row(
    one: Planned, *, answer: DecisionAnswer | None = None, error: ReviewsError | None = None
) -> Document:
    request = one.row.request if one.row is not None else None
    return {
        "request_id": one.request_id,
        "review_id": one.row.review_id if one.row is not None else None,
        "account_id": request.account_id if request is not None else None,
        "decision": str(one.decision.decision) if one.decision else one.wish.fields.get("decision"),
        "decision_id": one.decision.decision_id if one.decision is not None else None,
        "ok": error is None,
        "queued": isinstance(answer, QueuedAnswer),
        "state": answer.state if answer is not None else request and request.state,
        "items": [item.model_dump() for item in answer.items] if answer is not None else [],
        "error": None
        if error is None
        else {"code": error.code, "message": error.message, "hint": error.hint},
    }
