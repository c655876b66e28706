"""How workflow code runs, in the worker and in replays alike."""

import compileall
import inspect
from collections.abc import Iterable
from typing import Any

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = (
    "account_reviews", "activities", "pydantic", "pydantic_core", "annotated_types",
    "workflows.gathering", "workflows.policies", "workflows.presence", "workflows.steps",
    "workflows.writing",
)  # fmt: skip
"""Imported once, not per sandbox; the linter guards them instead. Only the workflow file itself
is imported anew for every review."""


def compile_workflows(definitions: Iterable[type]) -> None:
    """Write the bytecode that every sandbox loads, also where Python is told not to.

    Without it each review compiles the workflow file anew. A read-only directory is no error.
    """
    for definition in definitions:
        compileall.compile_file(inspect.getfile(definition), quiet=2)


def sandboxed_runner() -> SandboxedWorkflowRunner:
    """The sandbox stays on, in production, tests and replays."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def activity_methods(owner: object) -> list[Any]:
    """The methods of an activity class that are activities."""
    members = (getattr(owner, name) for name in dir(owner) if not name.startswith("_"))
    return [member for member in members if hasattr(member, "__temporal_activity_definition")]
