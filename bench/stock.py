"""The SDK's own settings, to compare ours with."""

import inspect
from pkgutil import iter_modules
from typing import Any

from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowHandle,
)
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

import workflows
from account_reviews.domain.review.state import Execution
from account_reviews.local.temporal_server import ServerSettings
from account_reviews.temporal.sandbox import PURE
from account_reviews.temporal.tuning import TUNED
from worker import WORKFLOWS


def stock_options() -> dict[str, Any]:
    """The SDK's default for every worker setting that ours changes."""
    defaults = inspect.signature(Worker).parameters
    return {name: defaults[name].default for name in (*TUNED, "workflow_task_executor")}


def stock_sandbox() -> SandboxedWorkflowRunner:
    """The SDK's own. All but the workflow files pass through it, as its documentation advises."""
    own = {inspect.getmodulename(inspect.getfile(one)) for one in WORKFLOWS}
    names = {module.name for module in iter_modules(workflows.__path__)} - own
    helpers = [f"workflows.{name}" for name in sorted(names)]
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PURE, *helpers)
    return SandboxedWorkflowRunner(restrictions)


def stock_policies(execution: Execution) -> Execution:
    """The same steps, without heartbeats and with the SDK's default retries."""
    return execution.model_copy(update={"heartbeats": False})


ONE_ACTIVITY_PER_STEP = Execution(
    crm_reads="regular", memory="regular", own="regular", heartbeats=False
)


STOCK_SERVER = ServerSettings(dynamic_config={}, pragmas=())
"""What `temporal server start-dev --db-filename FILE` gives."""


class StockStarts(Interceptor):
    """A client that starts workflows without a workflow task time-out of ours."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _StockStart(next)


class _StockStart(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.task_timeout = None
        return await super().start_workflow(input)
