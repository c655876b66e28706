"""A runner around the sandbox that notifies observers of runs that have moved.

It stands outside of workflow code, so it may do what that must not. It notifies after each
activation that is neither a replay nor a query: before the task is reported to the server, so its
events can be read a moment later. Activations run in threads, and observers are called in them.
"""

import logging
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.workflow import Info

_ENDING: Final = (
    "complete_workflow_execution",
    "fail_workflow_execution",
    "cancel_workflow_execution",
    "continue_as_new_workflow_execution",
)
_QUIET_JOBS: Final = frozenset({"remove_from_cache", "query_workflow"})
"""Jobs that leave no event."""

_log = logging.getLogger(__name__)


class Moved(NamedTuple):
    """What an activation means for the history of its run."""

    events: int
    """So many events stand there at least, soon: what the activation decided is not counted."""
    fresh: bool = False
    """It was the first activation: nobody has read this history."""
    held: bool = False
    """The task goes on, until its local activities are done: it adds nothing before."""


class Observer(Protocol):
    """Somebody who wants to know that runs move. Called in threads; what it raises is dropped."""

    def moved(self, workflow_id: str, run_id: str, *, started: bool, ended: bool) -> None:
        """The run has had an activation: its first (`started`), its last (`ended`), or another."""
        ...


class Watcher(Protocol):
    """Who reads histories and takes refusals."""

    def moved(self, workflow_id: str, run_id: str, moved: "Moved") -> None:
        """The run has had an activation."""
        ...

    def refused(
        self, info: Info, act: WorkflowActivation, completion: WorkflowActivationCompletion
    ) -> None:
        """An update was refused before it came into the history."""
        ...


class TapRunner(WorkflowRunner):
    """Runs workflows by another runner, and notifies the watcher and the observers."""

    def __init__(
        self, inner: WorkflowRunner, watcher: Watcher, observers: Sequence[Observer] = ()
    ) -> None:
        self._inner = inner
        self._watcher = watcher
        self._observers = tuple(observers)

    def prepare_workflow(self, defn: object) -> None:
        self._inner.prepare_workflow(defn)  # type: ignore[arg-type]  # the SDK's own, handed on

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Tapped(self._inner.create_instance(det), det.info, self._watcher, self._observers)

    def set_worker_level_failure_exception_types(
        self, types: Sequence[type[BaseException]]
    ) -> None:
        self._inner.set_worker_level_failure_exception_types(types)


class _Tapped(WorkflowInstance):
    def __init__(
        self,
        inside: WorkflowInstance,
        info: Info,
        watcher: Watcher,
        observers: tuple[Observer, ...],
    ) -> None:
        self._inside = inside
        self._info = info
        self._watcher = watcher
        self._observers = observers
        self._local: set[int] = set()
        """Local activities at work, by their numbers."""

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = self._inside.activate(act)
        self._note_local(act, completion)
        if not act.is_replaying:
            try:
                self._notify(act, completion)
            except Exception:  # noqa: BLE001  a review does not fail because nobody could be notified
                _log.exception("nobody could be notified of what moved")
        return completion

    def _note_local(
        self, act: WorkflowActivation, completion: WorkflowActivationCompletion
    ) -> None:
        for job in act.jobs:
            if job.HasField("resolve_activity") and job.resolve_activity.is_local:
                self._local.discard(job.resolve_activity.seq)
        for command in completion.successful.commands:
            if command.HasField("schedule_local_activity"):
                self._local.add(command.schedule_local_activity.seq)

    def _notify(self, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        jobs = {job.WhichOneof("variant") for job in act.jobs}
        if jobs <= _QUIET_JOBS:
            return
        workflow_id, run_id = self._info.workflow_id, act.run_id
        commands = completion.successful.commands
        ended = any(command.HasField(name) for command in commands for name in _ENDING)
        started = "initialize_workflow" in jobs
        held = bool(self._local) and not ended
        events = act.history_length + (not held)
        self._watcher.moved(workflow_id, run_id, Moved(events, fresh=started, held=held))
        if "do_update" in jobs and _has_rejection(completion):
            self._watcher.refused(self._info, act, completion)
        for observer in self._observers:
            try:
                observer.moved(workflow_id, run_id, started=started, ended=ended)
            except Exception:  # noqa: BLE001  others are notified all the same
                _log.exception("%s could not be notified", type(observer).__name__)

    def get_serialization_context(self, command_info: object) -> SerializationContext | None:
        return self._inside.get_serialization_context(command_info)  # type: ignore[arg-type]  # see above

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:
        return self._inside.get_external_store_context(command_info)  # type: ignore[arg-type]  # see above

    def get_info(self) -> Info:
        return self._inside.get_info()

    def get_thread_id(self) -> int | None:
        return self._inside.get_thread_id()


def _has_rejection(completion: WorkflowActivationCompletion) -> bool:
    return any(
        command.HasField("update_response") and command.update_response.HasField("rejected")
        for command in completion.successful.commands
    )
