"""Answers to questions, from the review's own documents and the memory."""

import time
from typing import Any, TypeVar

from pydantic import ValidationError
from temporalio import activity

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.base import first_fault
from account_reviews.domain.errors import DocumentUnreadableError, MemoryUnavailableError
from account_reviews.domain.memory import MemoryHit
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import AccountSnapshot
from account_reviews.domain.review.answers import answer, memory_queries
from account_reviews.domain.review.known_facts import Known
from account_reviews.domain.review.questions import Asked, read_conversation
from account_reviews.domain.review.state import Usage
from account_reviews.domain.review.steps import AnswerQuestion, TurnAnswer
from account_reviews.memory.protocol import MemoryBackend, RecallQuery
from account_reviews.store.reviews import ReviewStore

_Kind = TypeVar("_Kind", AccountSnapshot, Analysis, MemoryHit)
HITS = 10
"""Memories of one search, and of all searches for one question."""


class AnswerActivities:
    """Answers by rules, from what is stored of a review."""

    def __init__(self, store: ReviewStore, memory: MemoryBackend, policy: Policy) -> None:
        self._store = store
        self._memory = memory
        self._policy = policy

    @activity.defn(name="analysis.answer")
    async def answer(self, call: AnswerQuestion) -> TurnAnswer:
        """What is known of it; the memory is searched once more. A memory that is away is said.

        DocumentNotFoundError, DocumentUnreadableError.
        """
        began = time.monotonic()
        asked = read_conversation((turn.question for turn in call.conversation), call.question)
        recalled = await self._recalled(call.memory_hash)
        found, calls, away = await self._search(asked, call)
        known = Known(
            snapshot=await self._document(AccountSnapshot, "snapshot", call.snapshot_hash),
            analysis=await self._document(Analysis, "analysis", call.analysis_hash),
            memory=None if away else recalled,
            found=found,
            requests=await self._store.requests_of(call.run_id) if call.run_id else (),
            prior=(await self._store.past_of(call.tenant, call.account_id)).outcomes,
            findings=call.findings,
            as_of=call.as_of,
            policy=self._policy,
        )
        said = answer(asked, known)
        document = await self._with_found(recalled, found)
        return TurnAnswer(
            answer=said.text,
            findings=said.findings,
            memory_hash=document[0] if document else None,
            memory_items=document[1] if document else 0,
            usage=Usage(
                calls=calls,
                errors=int(away),
                milliseconds=round((time.monotonic() - began) * 1000, 3),
            ),
        )

    async def _search(
        self, asked: Asked, call: AnswerQuestion
    ) -> tuple[tuple[MemoryHit, ...], int, bool]:
        """What the memory holds on it, how often it was asked, and whether it was away."""
        found, calls = dict[str, MemoryHit](), 0
        for text, kinds in memory_queries(asked):
            calls += 1
            query = RecallQuery(
                account_id=call.account_id,
                tenant=call.tenant,
                text=text,
                kinds=kinds,
                as_of=call.as_of,
                limit=HITS,
            )
            try:
                hits = await self._memory.recall(query)
            except MemoryUnavailableError:
                return tuple(found.values()), calls, True
            found |= {hit.id: hit for hit in hits if hit.id not in found}
            if len(found) >= HITS:
                break
        return tuple(found.values())[:HITS], calls, False

    async def _recalled(self, stored: str | None) -> tuple[MemoryHit, ...]:
        """What the review recalled; nothing where the memory was away then."""
        if stored is None:
            return ()
        hits = await self._store.get_document(stored)
        return tuple(_parsed(MemoryHit, "memories", stored, hit) for hit in hits)

    async def _document(self, kind: type[_Kind], what: str, stored: str | None) -> _Kind | None:
        if stored is None:
            return None
        return _parsed(kind, what, stored, await self._store.get_document(stored))

    async def _with_found(
        self, recalled: tuple[MemoryHit, ...], found: tuple[MemoryHit, ...]
    ) -> tuple[str, int] | None:
        """The document of all memories, stored; None when the question found none that is new."""
        known = {hit.id for hit in recalled}
        more = [hit for hit in found if hit.id not in known]
        if not more:
            return None
        every = [hit.model_dump() for hit in (*recalled, *more)]
        return await self._store.put_document("memory", every), len(every)


def _parsed(kind: type[_Kind], what: str, stored: str, body: Any) -> _Kind:
    """DocumentUnreadableError for what no try will make readable."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise DocumentUnreadableError(
            f"the stored {what} {stored!r} cannot be read: {first_fault(error)}"
        ) from error
