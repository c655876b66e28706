"""The reviews of a cycle as child workflows, and the window they work in."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from account_reviews.domain.cycle import transitions
from account_reviews.domain.cycle.state import (
    AccountState,
    CycleAccount,
    CycleInput,
    CycleState,
    CycleStatus,
    Found,
    LookUp,
    NextAccounts,
)
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.review.messages import Refresh
from account_reviews.domain.review.state import NEWEST_LOGIC, ReviewInput, ReviewKind
from account_reviews.temporal import names, start_options
from activities.cycles import CycleActivities
from workflows import policies
from workflows.account_review import AccountReviewWorkflow
from workflows.messages import signal
from workflows.steps import StepError, run_step

BACKFILL_PRIORITY = 5
_HALTED_RETRY = timedelta(seconds=30)
_TRIES = 3

Child = workflow.ChildWorkflowHandle[AccountReviewWorkflow, object]


class Reviews:
    """Starts reviews by their place while fewer than the window work."""

    def __init__(self, state: CycleState, start: CycleInput) -> None:
        self._state = state
        self._start = start

    def may_start(self) -> bool:
        """Whether a place is free and somebody may take it."""
        state = self._state
        ready = state.loaded or not self._start.bulk_reads
        free = state.running < self._start.window
        return ready and free and state.paused_by is None and state.next_position < state.placed

    async def start_some(self) -> None:
        """Fill the free places. Whether starting is halted is asked each time."""
        found = await self._fetch(self._start.window - self._state.running)
        await asyncio.gather(*(self._start_one(account) for account in found))

    async def watch_silent(self) -> None:
        """Look up reviews that said nothing for long: a terminated one frees its place."""
        patience = timedelta(seconds=self._start.silent_after_seconds)
        while True:
            await workflow.wait_condition(lambda: bool(self._state.in_flight))
            await workflow.sleep(patience / 2, summary="Look for silent reviews")
            now = workflow.now()
            flights = self._state.in_flight.values()
            silent = tuple(one for one in flights if now - one.since >= patience)
            if silent:
                await self._look_up(LookUp(tenant=self._state.tenant, reviews=silent))

    async def _fetch(self, free: int) -> tuple[CycleAccount, ...]:
        """The next accounts by their place; after a while none, when starting is halted."""
        state = self._state
        call = NextAccounts(
            run_id=state.run_id,
            tenant=state.tenant,
            position=state.next_position,
            limit=min(free, state.placed - state.next_position),
        )
        config = policies.own("Choose the next accounts")
        found = await run_step(CycleActivities.next_accounts, call, config, local=True)
        if found.halted:
            stopped = workflow.wait_condition(
                lambda: state.status is not CycleStatus.RUNNING, timeout=_HALTED_RETRY
            )
            await asyncio.gather(stopped, return_exceptions=True)
        elif not found.accounts and workflow.patched("places-lost"):  # else asked again for ever
            transitions.lost_places(state, workflow.now())
        return found.accounts

    async def _start_one(self, account: CycleAccount) -> None:
        state = self._state
        transitions.take_off(state, account, workflow.now())
        if account.state is AccountState.FAILED:
            self._lost(account.account_id, account.reason or "it could not be read")
            return
        try:
            child = await _start_or_join(state, self._start, account)
        except (FailureError, BadInputError) as error:
            self._lost(account.account_id, error.message)
            return
        if child is not None:
            child.add_done_callback(lambda _: self._ended(account.account_id, child))
        run_id = child.first_execution_run_id if child is not None else None
        transitions.started(state, account.account_id, run_id, workflow.now(), joined=child is None)

    def _ended(self, account_id: str, child: Child) -> None:
        """A child closed. Most have notified us themselves; a terminated one has not."""
        error = None if child.cancelled() else child.exception()
        if account_id not in self._state.in_flight:
            return
        if error is not None:
            self._lost(account_id, str(getattr(error, "cause", None) or error))
        else:
            done = Found(account_id=account_id, state=AccountState.DONE)
            transitions.looked_up(self._state, done, workflow.now())

    def _lost(self, account_id: str, reason: str) -> None:
        found = Found(account_id=account_id, state=AccountState.FAILED, reason=reason)
        transitions.looked_up(self._state, found, workflow.now())

    async def _look_up(self, call: LookUp) -> None:
        config = policies.own("Look up silent reviews")
        try:
            answer = await run_step(CycleActivities.look_up, call, config, local=False)
        except StepError as error:
            workflow.logger.warning("silent reviews are looked up later: %s", error.reason)
            return
        for found in answer.found:
            transitions.looked_up(self._state, found, workflow.now())


async def _start_or_join(
    state: CycleState, start: CycleInput, account: CycleAccount
) -> Child | None:
    """The handle of the review that was started; None when an open one was asked to read again."""
    review = _review_of(state, start, account)
    review_id = names.new_review_id(account.account_id, start.tenant)
    again = Refresh(
        by=state.started_by,
        cycle_id=state.cycle_id,
        snapshot_ref=account.snapshot,
        # Without a clock of its own it asks for none: what began a week ago is not what holds now.
        as_of=state.as_of if start.as_of is not None else None,
    )
    priority_key = BACKFILL_PRIORITY if state.backfill else start.priority_key
    for _ in range(_TRIES):
        try:
            return await _start(review, review_id, priority_key, account)
        except WorkflowAlreadyStartedError:
            if await signal(review_id, "refresh", again):
                return None
    message = f"the review {review_id} opened and closed {_TRIES} times while it was started"
    raise ApplicationError(message, type="start_raced")


async def _start(
    review: ReviewInput, review_id: str, priority_key: int, account: CycleAccount
) -> Child:
    return await workflow.start_child_workflow(
        AccountReviewWorkflow.run,
        review,
        id=review_id,
        task_queue=names.queue_from(workflow.info().task_queue, review.tenant),
        task_timeout=start_options.TASK_TIMEOUT,
        parent_close_policy=ParentClosePolicy.ABANDON,
        cancellation_type=ChildWorkflowCancellationType.ABANDON,
        priority=Priority(priority_key=priority_key, fairness_key=account.owner_id),
        static_summary=start_options.summary(account.account_name),
        static_details=start_options.details(review),
        search_attributes=start_options.attributes_of_review(review, account.owner_id),
    )


def _review_of(state: CycleState, start: CycleInput, account: CycleAccount) -> ReviewInput:
    return ReviewInput(
        account_id=account.account_id,
        tenant=start.tenant,
        kind=ReviewKind.SCHEDULED if start.schedule_id else ReviewKind.ON_DEMAND,
        started_by=start.started_by,
        as_of=state.as_of,
        execution=start.execution,
        give_up_after_seconds=start.give_up_after_seconds,
        cycle_id=state.cycle_id,
        snapshot=account.snapshot,
        clock_given=start.as_of is not None,
        logic=NEWEST_LOGIC,
    )
