"""The commands that workflow code gives on a recorded history, in order: its fingerprint.

`python -m tests.replay.commands` writes the fingerprint of every history that has none, as
histories/<Workflow>/<scenario>.<version>.commands, a command per line. Like histories, these
files are never written again.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import Replayer, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.workflow import Info

from account_reviews.temporal.sandbox import sandboxed_runner
from account_reviews.temporal.worker_interceptor import ReviewInterceptor
from worker import WORKFLOWS

HISTORIES: Final = Path(__file__).parent / "histories"
ALL: Final = tuple(sorted(HISTORIES.glob("*/*.json")))

_DETAILS: Final[dict[str, Callable[[Any], str]]] = {
    "schedule_activity": lambda one: one.activity_type,
    "schedule_local_activity": lambda one: one.activity_type,
    "start_child_workflow_execution": lambda one: one.workflow_type,
    "signal_external_workflow_execution": lambda one: one.signal_name,
    "update_response": lambda one: one.WhichOneof("response"),
    "upsert_workflow_search_attributes": lambda one: " ".join(
        sorted(one.search_attributes.indexed_fields)
    ),
    "set_patch_marker": lambda one: one.patch_id,
}
"""What a command is told apart by, beside its kind."""


def fingerprint_file(history: Path) -> Path:
    """Where the commands of a recorded history stand."""
    return history.with_suffix(".commands")


def replayer(workflows: Sequence[type], commands: list[str] | None = None) -> Replayer:
    """Replays on these workflows, in the strict sandbox; notes their commands in `commands`."""
    runner: WorkflowRunner = sandboxed_runner(strict=True)
    return Replayer(
        workflows=workflows,
        workflow_runner=runner if commands is None else _NotingRunner(runner, commands),
        interceptors=[ReviewInterceptor()],
        data_converter=pydantic_data_converter,
    )


def load(history: Path) -> WorkflowHistory:
    """A recorded history, as the replayer takes it."""
    return WorkflowHistory.from_json("review/replayed", history.read_text(encoding="utf-8"))


async def commands_of(history: Path, workflows: Sequence[type] = WORKFLOWS) -> list[str]:
    """What the workflow code of today commands on this history; up to where it is refused."""
    commands: list[str] = []
    try:
        await replayer(workflows, commands).replay_workflow(load(history))
    except workflow.NondeterminismError:
        commands.append("refused by Temporal: not the order of the history")
    return commands


def difference(history: Path, commands: Sequence[str]) -> str | None:
    """What to do about another order of commands. None when it is the stored one."""
    stored = fingerprint_file(history).read_text(encoding="utf-8").splitlines()
    if stored == list(commands):
        return None
    lines = unified_diff(stored, commands, "stored", "now", lineterm="", n=2)
    name = history.parent.name
    return (
        f"{name} commands something else than when {history.stem} was recorded. Open workflows "
        "with this history would stand still. Keep the old order for them: in AccountReview by "
        "ReviewInput.logic, elsewhere by workflow.patched; then record the new order as a new "
        "scenario (docs/developing.md, Changing a workflow).\n" + "\n".join(lines)
    )


class _NotingRunner(WorkflowRunner):
    """Runs workflows by another runner and notes what they command."""

    def __init__(self, inner: WorkflowRunner, commands: list[str]) -> None:
        self._inner = inner
        self._commands = commands

    def prepare_workflow(self, defn: Any) -> None:
        self._inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Noted(self._inner.create_instance(det), self._commands)

    def set_worker_level_failure_exception_types(
        self, types: Sequence[type[BaseException]]
    ) -> None:
        self._inner.set_worker_level_failure_exception_types(types)


class _Noted(WorkflowInstance):
    def __init__(self, inside: WorkflowInstance, commands: list[str]) -> None:
        self._inside = inside
        self._commands = commands

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = self._inside.activate(act)
        self._commands += [_line(one) for one in completion.successful.commands]
        return completion

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:
        return self._inside.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return self._inside.get_external_store_context(command_info)

    def get_info(self) -> Info:
        return self._inside.get_info()

    def get_thread_id(self) -> int | None:
        return self._inside.get_thread_id()


def _line(command: WorkflowCommand) -> str:
    kind = command.WhichOneof("variant") or "nothing"
    detail = _DETAILS[kind](getattr(command, kind)) if kind in _DETAILS else ""
    return f"{kind} {detail}".rstrip()


def _write(target: Path, commands: Sequence[str]) -> None:
    target.write_text("\n".join(commands) + "\n", encoding="utf-8")


async def write_missing() -> None:
    """A fingerprint for each history that has none."""
    for history in sorted(HISTORIES.glob("*/*.json")):
        target = fingerprint_file(history)
        if not target.exists():
            _write(target, await commands_of(history))
            sys.stderr.write(f"wrote {target.name}\n")


if __name__ == "__main__":
    asyncio.run(write_missing())
