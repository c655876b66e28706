"""One account, one review: gather, analyse, propose, wait for a person, write, look back, remember.

`_review` reads like the business process; a person speaks to it by the messages below. Gathering
and writing stand in their own files. It ends with one of the outcomes of `domain.phases`.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review import decisions
from account_reviews.domain.review import refresh as refreshing
from account_reviews.domain.review.decisions import approved_items
from account_reviews.domain.review.ending import outcome_of, result_of, summarise
from account_reviews.domain.review.messages import (
    CancelReview,
    DecisionAnswer,
    Malformed,
    Refresh,
    Refusal,
    SubmitDecision,
)
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewInput, ReviewResult, ReviewState
from account_reviews.domain.review.views import (
    PendingApprovals,
    Resumable,
    ReviewStatus,
    Timeline,
    pending_view,
    resumable_view,
    status_view,
    timeline_view,
)
from workflows.deadlines import Deadlines
from workflows.gather import NoDataError, analyse, gather
from workflows.messages import read, read_or_refuse
from workflows.read_model import save
from workflows.refresh import news_for_cycle, refresh, report
from workflows.steps import ReviewCancelledError, StepError
from workflows.visibility import show_attributes, show_details
from workflows.write import remember, write_approved

_Message = TypeVar("_Message", SubmitDecision, CancelReview, Refresh)


@workflow.defn(name="AccountReview")
class AccountReviewWorkflow:
    """Workflow id `review/{account_id}`: one open review per account and tenant.

    Id conflict policy: fail, or use the open one. Task queue `account-reviews`.
    Signals `submit_decision`, `cancel_review`, `refresh`; update `decide`; queries `status`,
    `pending_approvals`, `timeline`, `snapshot`, `resumable`. A native cancel runs the same
    closing steps as `cancel_review` and then ends Canceled.
    """

    @workflow.init
    def __init__(self, start: ReviewInput) -> None:
        self._start = start
        self._state = start.resumed or _fresh_state(start)
        self._saved_version = -1
        self._deadlines = Deadlines()

    @workflow.run
    async def run(self, start: ReviewInput) -> ReviewResult:
        review = asyncio.create_task(self._review())
        natively_cancelled = False
        try:
            await asyncio.shield(review)
        except asyncio.CancelledError:
            natively_cancelled = True
            request = CancelReview(by="temporal", reason="workflow cancel request")
            decisions.cancel(self._state, request, workflow.now())
            await asyncio.shield(review)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._state.outcome is None:
            workflow.continue_as_new(start.model_copy(update={"resumed": self._state}))
        if natively_cancelled:
            raise asyncio.CancelledError
        result = result_of(self._state)
        if result.outcome is Outcome.FAILED:
            raise ApplicationError(result.summary, result, type="ReviewFailed", non_retryable=True)
        return result

    async def _review(self) -> None:
        reason = None
        try:
            if self._start.resumed is None:
                await self._investigate()
            while self._state.pending or approved_items(self._state):
                if not await self._next_decision():
                    return
                await self._carry_out()
                if self._stopped():
                    break
            outcome = outcome_of(self._state)
        except ReviewCancelledError:
            outcome = Outcome.CANCELLED
        except NoDataError as error:
            outcome, reason = Outcome.FAILED, str(error)
        except StepError as error:
            outcome, reason = Outcome.FAILED, error.reason
        await self._close(outcome, reason)

    # signals

    @workflow.signal(description="Decide on an approval request")
    def submit_decision(self, message: RawValue) -> None:
        self._take("submit_decision", SubmitDecision, message, decisions.receive)

    @workflow.signal(description="Stop before the next write")
    def cancel_review(self, message: RawValue) -> None:
        self._take("cancel_review", CancelReview, message, decisions.cancel)

    @workflow.signal(name="refresh", description="Read the account again")
    def read_again(self, message: RawValue) -> None:
        self._take("refresh", Refresh, message, refreshing.ask)

    def _take(
        self,
        name: str,
        model: type[_Message],
        message: RawValue,
        apply: Callable[[ReviewState, _Message, datetime], None],
    ) -> None:
        parsed = read(model, message)
        if isinstance(parsed, Malformed):
            decisions.tell_malformed(self._state, name, parsed, workflow.now())
        else:
            apply(self._state, parsed, workflow.now())

    # updates

    @workflow.update(description="Decide and get the answer")
    def decide(self, message: RawValue) -> DecisionAnswer:
        """The state of each item, or a failed update that says why it was refused."""
        decision = read_or_refuse(SubmitDecision, message)
        answer = decisions.decide(self._state, decision, workflow.now())
        if isinstance(answer, Refusal):
            raise _refused(answer)
        return answer

    @decide.validator
    def _check_decide(self, message: RawValue) -> None:
        """Shape only: a refusal here leaves no event."""
        decision = read_or_refuse(SubmitDecision, message)
        refusal = decisions.check_door(self._state, decision)
        if refusal is not None:
            raise _refused(refusal)

    # queries

    @workflow.query(description="Where the review stands")
    def status(self) -> ReviewStatus:
        return status_view(self._state)

    @workflow.query(description="What waits for a person")
    def pending_approvals(self) -> PendingApprovals:
        return pending_view(self._state)

    @workflow.query(description="What happened, line by line")
    def timeline(self) -> Timeline:
        return timeline_view(self._state)

    @workflow.query(description="The whole state")
    def snapshot(self) -> ReviewState:
        return self._state

    @workflow.query(description="Whether a person can take it up, and why")
    def resumable(self) -> Resumable:
        return resumable_view(self._state)

    # steps

    async def _investigate(self) -> None:
        self._state.move(Phase.INVESTIGATING, self._state.started_at)
        await gather(self._state, self._start, self._stopped, self._start.snapshot)
        result = await analyse(self._state, self._start, self._stopped)
        self._move(Phase.PLANNING)
        if result.changes and not self._start.plan_only:
            self._propose(result.changes)

    def _propose(self, changes: tuple[ProposedChange, ...]) -> None:
        decisions.propose(self._state, changes, str(workflow.uuid4()), workflow.now())
        self._move(Phase.APPROVAL, Status.WAITING)

    async def _next_decision(self) -> bool:
        """Wait until something is approved, closed or cancelled. False: continue as new."""
        if self._state.pending:
            await self._save()
            show_attributes(self._state)
        while self._state.pending and not approved_items(self._state) and not self._stopped():
            if self._state.refresh is not None:
                await self._refresh()
                continue
            cycle_id, news = self._state.cycle_id, news_for_cycle(self._state)
            await self._save()
            self._deadlines.watch(self._state.pending)
            await report(cycle_id, news)
            await workflow.wait_condition(self._has_news)
            decisions.expire_due(self._state, workflow.now())
            if self._history_is_long():
                return False
        if approved_items(self._state) and not self._stopped():
            await self._save()
        return True

    async def _refresh(self) -> None:
        fresh = await refresh(self._state, self._start, self._stopped)
        if fresh:
            self._propose(fresh)
        elif self._state.pending:
            self._move(Phase.APPROVAL, Status.WAITING)
        elif approved_items(self._state):
            self._move(Phase.APPROVAL)
        show_attributes(self._state)

    async def _carry_out(self) -> None:
        if not approved_items(self._state):
            return
        again = await write_approved(self._state, self._start, self._stopped)
        if again and not self._stopped():
            self._propose(again)
        elif self._state.pending and not self._stopped():
            self._move(Phase.APPROVAL, Status.WAITING)
        elif approved_items(self._state) and not self._stopped():
            self._move(Phase.APPROVAL)  # approved while the others were written

    def _has_news(self) -> bool:
        return self._deadlines.passed() or self._state.version != self._saved_version

    def _stopped(self) -> bool:
        return self._state.cancel is not None

    def _history_is_long(self) -> bool:
        info, limit = workflow.info(), self._start.history_limit
        long = limit is not None and info.get_current_history_length() > limit
        if self._stopped() or not self._state.pending:
            return False
        return long or info.is_continue_as_new_suggested()

    async def _close(self, outcome: Outcome, reason: str | None) -> None:
        state, now = self._state, workflow.now()
        decisions.settle_early(state, now)
        refreshing.settle(state, now)
        self._deadlines.stop()
        if outcome is Outcome.CANCELLED and state.cancel is not None:
            reason = f"by {state.cancel.by}: {state.cancel.reason or 'no reason given'}"
            decisions.skip_what_is_open(state, reason, now)
        state.close(outcome, now, reason)
        state.summary = summarise(state)
        show_attributes(state)
        show_details(state)
        if state.analysis is not None and not state.plan_only:
            await remember(state, self._start)
        news = news_for_cycle(state)
        await self._save()
        await report(state.cycle_id, news)

    async def _save(self) -> None:
        version = self._state.version
        if version != self._saved_version:
            await save(self._state, self._start)
            self._saved_version = version

    def _move(self, phase: Phase, status: Status | None = None) -> None:
        self._state.move(phase, workflow.now(), status=status)
        show_details(self._state)


def _fresh_state(start: ReviewInput) -> ReviewState:
    """Timed by the start event: in the first task `now` can differ between run and replay."""
    info = workflow.info()
    return opening_state(
        start,
        review_id=info.workflow_id,
        run_id=info.first_execution_run_id,
        workflow_run_id=info.run_id,
        now=info.workflow_start_time,
    )


def _refused(refusal: Refusal) -> ApplicationError:
    return ApplicationError(refusal.message, refusal, type=refusal.code.value, non_retryable=True)
