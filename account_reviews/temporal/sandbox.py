"""How workflow code runs, in the worker and in replays alike."""

import sys
from dataclasses import replace
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import (
    SandboxedWorkflowRunner,
    SandboxMatcher,
    SandboxRestrictions,
)
from temporalio.workflow import Info

PURE = (
    "account_reviews", "activities", "opentelemetry", "pydantic", "pydantic_core",
    "annotated_types",
)  # fmt: skip
"""They hold no state: no sandbox needs a copy of its own."""


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


def sandboxed_runner(*, strict: bool = False) -> ReviewSandbox:
    """The sandbox stays on: what may not be called in a workflow fails, and so does a new import.

    A strict one imports the workflow code anew for every review and watches that too. Tests and
    replays do it; a worker does not, since it costs a tenth of its CPU.
    """
    passed = PURE if strict else (*PURE, "workflows")
    allowed = replace(SandboxRestrictions.default, invalid_module_members=_members())
    return ReviewSandbox(restrictions=allowed.with_passthrough_modules(*passed))


def _members() -> SandboxMatcher:
    """The SDK's, and on Python 3.13 `os.path` may be called, which it allows from 3.14 on.

    There the lines of a trace are looked up by an import that the sandbox sees. Refused, no error
    whose source is gone could be shown, and the task would fail for the showing.
    """
    members = SandboxRestrictions.invalid_module_members_default
    if sys.version_info[:2] != (3, 13):
        return members
    of_os = members.children["os"]
    allowed = replace(
        of_os,
        children={**of_os.children, "path": SandboxMatcher.none},
        exclude={*of_os.exclude, "path"},
    )
    return replace(members, children={**members.children, "os": allowed})


def activity_methods(owner: object) -> list[Any]:
    """The methods of an activity class that are activities."""
    members = (getattr(owner, name) for name in dir(owner) if not name.startswith("_"))
    return [member for member in members if hasattr(member, "__temporal_activity_definition")]
