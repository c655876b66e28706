"""A cycle's first half: which accounts, and what they look like now."""

from collections.abc import Callable

from temporalio import workflow

from account_reviews.domain.cycle import transitions
from account_reviews.domain.cycle.state import (
    CycleInput,
    CycleRef,
    CycleState,
    CycleStatus,
    ListAccounts,
    ReadAccounts,
)
from account_reviews.domain.errors import CrmAuthError, CrmTokensRevokedError
from activities.cycles import CycleActivities
from workflows import policies
from workflows.steps import ReviewCancelledError, StepError, run_step, unless, unread


async def load(state: CycleState, start: CycleInput, leaving: Callable[[], bool]) -> None:
    """List the accounts in scope and read them, those most at risk so far first.

    `leaving` ends it between two steps; it goes on from there with the same state.
    """
    try:
        while not state.listed and not leaving():
            await unless(leaving, _list_page(state, start))
        while not state.loaded and not leaving():
            await unless(leaving, _read_some(state, start))
    except StepError as error:
        reason = unread(error)
        transitions.stop(state, CycleStatus.FAILED, reason, workflow.now())
    except ReviewCancelledError:
        return


async def _list_page(state: CycleState, start: CycleInput) -> None:
    call = ListAccounts(
        run_id=state.run_id,
        tenant=state.tenant,
        scope=start.scope,
        as_of=state.as_of,
        cursor=state.cursor,
    )
    config = policies.crm_read("List accounts", start.give_up_after_seconds)
    page = await run_step(CycleActivities.list_accounts, call, config, local=False)
    state.cursor, state.accounts = page.next_cursor, page.selected
    state.listed = page.next_cursor is None
    state.touch(workflow.now())


async def _read_some(state: CycleState, start: CycleInput) -> None:
    call = ReadAccounts(
        run_id=state.run_id,
        tenant=state.tenant,
        as_of=state.as_of,
        bulk=start.bulk_reads,
        blind="crm" in state.missing_sources,
    )
    config = policies.bulk_read("Read accounts", start.give_up_after_seconds)
    try:
        done = await run_step(CycleActivities.read_accounts, call, config, local=False)
    except StepError as error:
        if call.blind or _login_refused(error):
            raise
        workflow.logger.warning("reviews read their accounts themselves: %s", error.reason)
        state.missing_sources = (*state.missing_sources, "crm")
        return
    state.placed = done.placed
    if done.left == 0:
        if start.bulk_reads:
            await _rank(state)
        state.loaded = True
    state.touch(workflow.now())


async def _rank(state: CycleState) -> None:
    call = CycleRef(run_id=state.run_id, tenant=state.tenant)
    await run_step(CycleActivities.rank, call, policies.own("Order by risk"), local=False)


def _login_refused(error: StepError) -> bool:
    """No review could read anything either, and all of them would fail one by one."""
    refused = error.kind in (CrmAuthError.__name__, CrmTokensRevokedError.__name__)
    return refused and workflow.patched("login-refused-is-no-outage")
