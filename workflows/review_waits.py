"""How a review waits: for what, for how long, and when it goes on as a new run."""

from temporalio import workflow

from account_reviews.domain.review import control
from account_reviews.domain.review.conversation import unanswered
from account_reviews.domain.review.decisions import approved_items
from account_reviews.domain.review.phases import Phase, Status
from account_reviews.domain.review.state import ReviewInput, ReviewState
from workflows.deadlines import Deadlines
from workflows.notices import Outgoing
from workflows.read_model import save_what_is_new
from workflows.review_commands import ReviewCommands
from workflows.visibility import show_attributes, show_details, show_what_is_new
from workflows.waits import OneTimer


class ReviewWaits(ReviewCommands):
    """What `AccountReviewWorkflow` waits with, for it to inherit."""

    def __init__(self, start: ReviewInput) -> None:
        super().__init__(start)
        new = self._state.follows(3)
        self._outgoing = Outgoing(self._review)
        self._review.after_save = self._outgoing.send
        self._timers = OneTimer(self._review, self._inbox) if new else Deadlines(self._review)

    @property
    def _state(self) -> ReviewState:
        return self._review.state

    def _is_open(self) -> bool:
        """Whether anything is to be decided, written or, in an interactive review, said."""
        state = self._state
        stays = state.interactive and not self._review.stopped()
        return bool(state.pending) or bool(approved_items(state)) or stays

    def _waits(self) -> bool:
        """Whether there is something to wait for and nothing to do."""
        state = self._state
        if self._review.stopped():
            return False
        approved = bool(approved_items(state))
        if state.paused is not None:
            return self._is_open()
        return not approved and self._is_open()

    def _rest(self) -> None:
        """An interactive review investigates while nothing waits for a decision."""
        state = self._state
        if not state.follows(3):
            return
        if state.interactive and not state.pending and not approved_items(state):
            if state.phase is Phase.VALIDATING:
                self._move(Phase.APPROVAL)
            if state.phase is not Phase.INVESTIGATING:
                control.be_touched(state, workflow.now())
                self._move(Phase.INVESTIGATING)
        show_what_is_new(self._review)

    def _show(self) -> None:
        if self._state.follows(3):
            show_what_is_new(self._review)
        else:
            show_attributes(self._state)

    def _has_news(self) -> bool:
        return self._timers.passed() or self._state.version != self._review.saved_version

    def _is_at_rest(self) -> bool:
        """Whether every message was answered, so that the run can end."""
        return self._inbox.is_empty and workflow.all_handlers_finished()

    def _history_is_long(self) -> bool:
        info, limit = workflow.info(), self._review.start.history_limit
        long = limit is not None and info.get_current_history_length() > limit
        if self._review.stopped():
            return False
        if not self._state.follows(3):
            waits = bool(self._state.pending)
        else:
            waits = self._waits() and self._inbox.is_empty and not unanswered(self._state)
        return waits and (long or info.is_continue_as_new_suggested())

    async def _is_left(self) -> bool:
        """Whether the run can end, once every message was answered: not when somebody stops the
        review before, since what cancels this run would not reach the next."""
        if not self._state.follows(3):
            return True
        await workflow.wait_condition(lambda: self._is_at_rest() or self._review.stopped())
        return not self._review.stopped()

    def _after_checks(self) -> None:
        self._timers.settle()

    async def _save(self) -> None:
        await save_what_is_new(self._review)

    def _move(self, phase: Phase, status: Status | None = None) -> None:
        self._state.move(phase, workflow.now(), status=status)
        show_details(self._state)
