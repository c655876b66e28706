"""Whether anything may be started now."""

from temporalio import activity

from account_reviews.domain.halts import AskHalt, HaltAnswer
from account_reviews.store.halts import HaltStore


class HaltActivities:
    """Reads the kill switch."""

    def __init__(self, halts: HaltStore) -> None:
        self._halts = halts

    @activity.defn(name="halts.current")
    async def current(self, call: AskHalt) -> HaltAnswer:
        """Who stopped everything, when and why; no halt means that starts are allowed."""
        return HaltAnswer(halt=await self._halts.current(call.tenant))
