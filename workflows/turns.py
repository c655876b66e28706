"""Questions to a review, answered one after the other by what is known of the account."""

from temporalio import workflow

from account_reviews.domain.review import conversation
from account_reviews.domain.review.commands import AskAnswer, CommandRefusal, CommandRefused
from account_reviews.domain.review.state import MemoryDocument, Turn
from account_reviews.domain.review.steps import AnswerQuestion, TurnAnswer
from activities.answers import AnswerActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.steps import ReviewCancelledError, StepError, run_step, unless

_TOLD = 10
"""Turns before that a question is understood by."""


class Turns:
    """Works on one question at a time, in the order in which they were asked."""

    def __init__(self, review: OpenReview) -> None:
        self._review = review
        self._busy = False

    async def answer(self, turn: Turn) -> AskAnswer | CommandRefused:
        """The answer of a turn. A refusal when the review ends before it is there."""
        state = self._review.state
        await workflow.wait_condition(lambda: self._is_next(turn) or self._review.stopped())
        self._busy = True
        try:
            found = await unless(self._review.stopped, self._find(turn))
        except ReviewCancelledError:
            why = "the review ended before this was answered"
            conversation.answer(state, turn.number, why, (), workflow.now())
            why = f"{why} (phase {state.phase})"
            return CommandRefused(code=CommandRefusal.REVIEW_CLOSED, message=why)
        except StepError as error:
            state.error_count, state.last_error = state.error_count + 1, error.reason
            found = TurnAnswer(answer=f"This could not be answered: {error.reason}"[:4000])
        finally:
            self._busy = False
        if found.memory_hash is not None:
            state.memory = MemoryDocument(hash=found.memory_hash, items=found.memory_items)
        new = conversation.answer(state, turn.number, found.answer, found.findings, workflow.now())
        return conversation.answer_of(state, turn.number, new) or CommandRefused(
            code=CommandRefusal.TOO_LARGE, message="the answer made room for later ones"
        )

    def _is_next(self, turn: Turn) -> bool:
        waiting = conversation.unanswered(self._review.state)
        return not self._busy and bool(waiting) and waiting[0].number == turn.number

    async def _find(self, turn: Turn) -> TurnAnswer:
        state = self._review.state
        before = tuple(one for one in state.conversation if one.number < turn.number)[-_TOLD:]
        return await run_step(
            AnswerActivities.answer,
            AnswerQuestion(
                account_id=state.account_id,
                tenant=state.tenant,
                question=turn.question,
                as_of=state.as_of,
                run_id=state.run_id,
                conversation=before,
                snapshot_hash=state.snapshot.hash if state.snapshot else None,
                analysis_hash=state.analysis.hash if state.analysis else None,
                memory_hash=state.memory.hash if state.memory else None,
                findings=state.findings,
            ),
            policies.answer("Answer a question", heartbeats=self._review.execution.heartbeats),
            local=False,
            used=self._review.using("answer"),
        )
