"""How workflow code runs, in the worker and in replays alike."""

import compileall
import inspect
from collections.abc import Iterable
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import Info

PASSED_THROUGH = (
    "account_reviews", "activities", "opentelemetry", "pydantic", "pydantic_core",
    "annotated_types",
    "workflows.children", "workflows.deadlines", "workflows.doors", "workflows.gathering",
    "workflows.policies", "workflows.portfolio", "workflows.presence", "workflows.refreshing",
    "workflows.scheduled", "workflows.steps", "workflows.writing",
)  # fmt: skip
"""Imported once, not per sandbox; the linter guards them instead. Only the workflow file itself
is imported anew for every review."""


def compile_workflows(definitions: Iterable[type]) -> None:
    """Write the bytecode that every sandbox loads, also where Python is told not to.

    Without it each review compiles the workflow file anew. A read-only directory is no error.
    """
    for definition in definitions:
        compileall.compile_file(inspect.getfile(definition), quiet=2)


class ReviewSandbox(SandboxedWorkflowRunner):
    """The SDK's sandbox, answered for where it would only be asked.

    Around every payload the SDK asks the workflow, through code compiled for the question, which
    serialization context holds. Our converter and codec know none, so the answer stands outside.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _WithoutContexts(super().create_instance(det))


class _WithoutContexts(WorkflowInstance):
    def __init__(self, inside: WorkflowInstance) -> None:
        self._inside = inside

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._inside.activate(act)

    def get_serialization_context(self, command_info: object) -> SerializationContext | None:  # noqa: ARG002
        return None

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:  # noqa: ARG002
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        return self._inside.get_info()

    def get_thread_id(self) -> int | None:
        return self._inside.get_thread_id()


def sandboxed_runner() -> ReviewSandbox:
    """The sandbox stays on, in production, tests and replays."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return ReviewSandbox(restrictions=restrictions)


def activity_methods(owner: object) -> list[Any]:
    """The methods of an activity class that are activities."""
    members = (getattr(owner, name) for name in dir(owner) if not name.startswith("_"))
    return [member for member in members if hasattr(member, "__temporal_activity_definition")]
