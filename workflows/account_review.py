"""One account, one review: gather, analyse, propose, wait for a person, write, look back, remember.

`_process` reads like the business process; the messages a person speaks to it by stand in
`review_messages` and `review_commands`, waiting, gathering and writing in their own files. It ends
with one of the outcomes of `domain.review.phases`.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review import control, decisions
from account_reviews.domain.review import refresh as refreshes
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.decisions import approved_items
from account_reviews.domain.review.ending import outcome_again, outcome_of, result_of, summarise
from account_reviews.domain.review.messages import CancelReview
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewInput, ReviewResult
from account_reviews.temporal import names
from workflows.gather import NoDataError, analyse, gather
from workflows.lookup import note_what_stands
from workflows.open_review import check_logic
from workflows.read_model import save_what_is_new
from workflows.refresh import news_for_cycle, refresh, report
from workflows.review_waits import ReviewWaits
from workflows.steps import ReviewCancelledError, StepError
from workflows.undo_change import prepare_undo
from workflows.visibility import show_attributes, show_details
from workflows.waits import go_on
from workflows.write import remember, write_approved


@workflow.defn(name="AccountReview")
class AccountReviewWorkflow(ReviewWaits):
    """Workflow id `review/{account_id}`: one open review per account and tenant. One that takes a
    write back has the id `undo/{run_id}/{change_id}`.

    Id conflict policy: fail, or use the open one. Task queue: that of its tenant.
    Signals `submit_decision`, `cancel_review`, `refresh`, `pause`, `resume`, `close`, `annotate`,
    `touch`, `step_failing`, `step_recovered`; updates `decide`, `pause`, `resume`, `close`,
    `annotate`, `ask`, `propose`; queries `status`, `pending_approvals`, `timeline`, `snapshot`,
    `resumable`. A native cancel runs the same closing steps as `cancel_review` and then ends
    Canceled.
    """

    @workflow.init
    def __init__(self, start: ReviewInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ReviewInput) -> ReviewResult:
        check_logic(start)
        natively_cancelled = await self._shielded(self._process())
        if self._state.follows(3):
            await self._shielded(self._finish())  # what is closed by now stays what it is
            natively_cancelled &= self._state.outcome in (None, Outcome.CANCELLED)
        else:
            await self._finish()
        if self._state.outcome is None:
            queue = names.queue_from(workflow.info().task_queue, start.tenant)
            workflow.continue_as_new(
                start.model_copy(update={"resumed": self._state}), task_queue=queue
            )
        if natively_cancelled:
            raise asyncio.CancelledError
        result = result_of(self._state)
        if result.outcome is Outcome.FAILED:
            raise ApplicationError(result.summary, result, type="ReviewFailed", non_retryable=True)
        return result

    async def _shielded(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work to its end. True: a native cancel came, and the review was told to stop."""
        task = asyncio.create_task(work)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            request = CancelReview(by="temporal", reason="workflow cancel request")
            decisions.cancel(self._state, request, workflow.now())
            await asyncio.shield(task)
            return True
        return False

    async def _finish(self) -> None:
        if self._state.outcome is not None:
            await self._outgoing.finish()
        await workflow.wait_condition(self._is_at_rest)
        if self._state.follows(3) and self._state.outcome is not None:
            await save_what_is_new(self._review)  # what came while it ended

    async def _process(self) -> None:
        reason = None
        try:
            if self._review.start.resumed is None:
                await self._investigate()
            while self._is_open():
                if not await self._next_decision():
                    return
                await self._carry_out()
                if self._review.stopped():
                    break
            outcome = outcome_of(self._state)
        except ReviewCancelledError:
            outcome = outcome_of(self._state)
        except NoDataError as error:
            outcome, reason = Outcome.FAILED, str(error)
        except StepError as error:
            outcome, reason = Outcome.FAILED, error.reason
        await self._close(outcome, reason)

    async def _investigate(self) -> None:
        self._state.move(Phase.INVESTIGATING, self._state.started_at)
        await go_on(self._review)
        if self._state.undo is not None:
            changes = await prepare_undo(self._review)
        else:
            await gather(self._review, self._review.start.snapshot)
            await go_on(self._review)
            changes = (await analyse(self._review)).changes
        await go_on(self._review)
        if self._state.interactive or (self._state.follows(3) and self._review.stopped()):
            control.be_touched(self._state, workflow.now())  # nobody could say anything before
            return  # what is found in an interactive one is for people and agents to put forward
        self._move(Phase.PLANNING)
        if changes and not self._review.start.plan_only:
            self._propose(changes)

    def _propose(self, changes: tuple[ProposedChange, ...]) -> None:
        decisions.propose(self._state, changes, str(workflow.uuid4()), workflow.now())
        self._move(Phase.APPROVAL, Status.WAITING)
        if self._state.follows(3):
            self._early()

    def _open_request(self, changes: tuple[ProposedChange, ...]) -> ApprovalRequest:
        if self._state.phase is Phase.INVESTIGATING:
            self._move(Phase.PLANNING)
        self._propose(changes)
        return self._state.requests[-1]

    async def _next_decision(self) -> bool:
        """Wait until something is approved, closed or cancelled. False: continue as new."""
        state = self._state
        if state.pending:
            await self._save()
            self._show()
        while self._waits():
            if state.refresh is not None and state.paused is None:
                await self._refresh()
                continue
            self._rest()
            cycle_id, news = state.cycle_id, news_for_cycle(state)
            await self._save()
            self._timers.watch()
            await report(cycle_id, news)
            self._resting = True
            await workflow.wait_condition(self._has_news)
            if not state.follows(2):
                decisions.expire_due(state, workflow.now())
            if self._history_is_long() and await self._is_left():
                return False
            self._resting = False
        if approved_items(state) and not self._review.stopped():
            await self._save()
        return True

    async def _refresh(self) -> None:
        fresh = await refresh(self._review)
        if fresh and not self._state.interactive:
            self._propose(fresh)
        elif self._state.pending:
            self._move(Phase.APPROVAL, Status.WAITING)
        elif approved_items(self._state):
            self._move(Phase.APPROVAL)
        self._show()

    async def _carry_out(self) -> None:
        if not approved_items(self._state):
            return
        if self._state.follows(3) and self._review.stopped():
            return
        again = await write_approved(self._review)
        if self._review.stopped():
            return
        if again:
            self._propose(again)
        elif self._state.pending:
            self._move(Phase.APPROVAL, Status.WAITING)
        elif approved_items(self._state):
            self._move(Phase.APPROVAL)  # approved while the others were written

    async def _close(self, outcome: Outcome, reason: str | None) -> None:
        state = self._state
        if state.follows(2):
            await note_what_stands(self._review)
            outcome = outcome_again(state, outcome)
        now = workflow.now()
        decisions.settle_early(state, now)
        refreshes.settle(state, now)
        self._timers.stop()
        if outcome is Outcome.CANCELLED and state.cancel is not None:
            reason = f"by {state.cancel.by}: {state.cancel.reason or 'no reason given'}"
            decisions.skip_what_is_open(state, reason, now)
        elif state.closing is not None:
            reason = control.skip_for_close(state, state.closing, now)
        state.close(outcome, now, reason)
        state.summary = summarise(state)
        show_attributes(state)
        show_details(state)
        if state.analysis is not None and not state.plan_only and not state.follows(2):
            await remember(self._review)
        news = news_for_cycle(state)
        await self._save()
        await report(state.cycle_id, news)
