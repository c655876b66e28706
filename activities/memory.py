"""Memory activities: recall before the rules, remember after the outcome."""

from datetime import timedelta

from temporalio import activity

from account_reviews.domain.review.ending import memory_items
from account_reviews.domain.review.state import MemoryDocument, ReviewState
from account_reviews.domain.review.steps import RecallMemory
from account_reviews.memory.protocol import MemoryBackend, RecallQuery
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.usage import count_call

LOOK_BACK = timedelta(days=365)


class MemoryActivities:
    """Reads and writes of one memory backend."""

    def __init__(self, memory: MemoryBackend, store: ReviewStore) -> None:
        self._memory = memory
        self._store = store

    @activity.defn(name="memory.recall")
    async def recall(self, call: RecallMemory) -> MemoryDocument:
        """What is remembered of the account, stored under its hash. MemoryUnavailableError."""
        count_call()
        hits = await self._memory.recall(
            RecallQuery(
                account_id=call.account_id,
                as_of=call.as_of,
                since=call.as_of - LOOK_BACK,
                limit=50,
                tenant=call.tenant,
            )
        )
        stored = await self._store.put_document("memory", [hit.model_dump() for hit in hits])
        return MemoryDocument(hash=stored, items=len(hits))

    @activity.defn(name="memory.remember")
    async def remember(self, state: ReviewState) -> None:
        """Keep the outcome and each decision, once per review."""
        count_call()
        await self._memory.remember(
            memory_items(state), idempotency_key=state.run_id, tenant=state.tenant
        )
