"""Looking at reviews that are controlled, and hearing why a command was refused."""

from collections.abc import Callable
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewState
from tests.support.world import Handle, eventually
from workflows.account_review import AccountReviewWorkflow


async def state_of(handle: Handle) -> ReviewState:
    return await handle.query(AccountReviewWorkflow.snapshot)


async def until(handle: Handle, holds: Callable[[ReviewState], bool]) -> ReviewState:
    return await eventually(lambda: state_of(handle), holds)


async def refusal(sending: Any) -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await sending
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    return cause


def investigates(state: ReviewState) -> bool:
    return state.phase is Phase.INVESTIGATING and state.analysis is not None
