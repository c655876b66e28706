"""Whether somebody with Temporal's own tools did something to a review that others wait for."""

import asyncio
from datetime import datetime
from typing import Final

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError

from account_reviews.bootstrap import Parts
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import NegativeAnswerError, ReviewsError
from account_reviews.services.review_workflows import ENDED_OUTSIDE, QUERY_SECONDS, gone, is_gone
from account_reviews.temporal.executions import (
    describe,
    end_of,
    first_run_of,
    is_open,
    is_paused,
    reset_at,
    unpause_hint,
)

_WORDS: Final = {"terminated": "was terminated", "timed_out": "timed out", "failed": "failed"}


class OutsideLook:
    """Looks at reviews again and again, and remembers which run of each went on last."""

    def __init__(self, parts: Parts, client: Client) -> None:
        self._parts = parts
        self._client = client
        self._runs: dict[str, str] = {}

    async def why_nothing_comes(
        self, review_id: str, run_id: str, *, began_with: str | None
    ) -> ReviewsError | None:
        """Why nobody should wait for that review any longer; None when it is at work, or Temporal
        does not answer. `began_with` is the run in which waiting began, None when not known."""
        try:
            found = await asyncio.wait_for(describe(self._client, review_id), QUERY_SECONDS)
        except (TimeoutError, RPCError):
            return None
        if found is None or first_run_of(found) != run_id:
            missing = await is_gone(self._client, review_id, run_id)
            return gone(review_id, run_id) if missing else None
        if is_paused(found):
            return NegativeAnswerError(
                f"the review {review_id} is paused in Temporal: nothing comes of it until then",
                hint=unpause_hint(review_id),
            )
        if not is_open(found):
            return await self._ended(found, run_id)
        before = self._runs.setdefault(run_id, began_with or found.run_id)
        self._runs[run_id] = found.run_id
        at = reset_at(found)
        if found.run_id != before and at is not None:
            return NegativeAnswerError(
                f"the review {review_id} was reset in Temporal at {rfc3339(at)} and goes on from"
                " an earlier step",
                hint=f"follow it with `reviews watch {review_id}`",
            )
        return None

    async def _ended(self, found: WorkflowExecutionDescription, run_id: str) -> ReviewsError | None:
        """Ended by Temporal; one that ended by itself has saved its row before."""
        row = (await self._parts.reader.progress_of([run_id])).get(run_id)
        if found.status not in ENDED_OUTSIDE or (row is not None and row["outcome"] is not None):
            return None
        return ended_in_temporal(found.id, run_id, end_of(found), found.close_time)


def ended_in_temporal(
    review_id: str, run_id: str, word: str, at: datetime | None = None
) -> NegativeAnswerError:
    """The error for a review that Temporal has ended; `word` as `end_of` gives it."""
    when = f" at {rfc3339(at)}" if at is not None else ""
    return NegativeAnswerError(
        f"the review {review_id} {_WORDS[word]} in Temporal{when}",
        hint=f"see `reviews show {review_id} --run {run_id}`",
    )
