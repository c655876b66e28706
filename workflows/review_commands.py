"""How a review is controlled: paused, closed, annotated, asked, and handed changes to propose.

A review that was begun before there were these messages does not take them.
"""

from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review import control, conversation, delegation
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.commands import (
    Annotate,
    Ask,
    AskAnswer,
    Close,
    Command,
    CommandAnswer,
    CommandRefusal,
    CommandRefused,
    Delegate,
    ProposalAnswer,
    Propose,
    Said,
    Touch,
)
from account_reviews.domain.review.messages import Refusal
from account_reviews.domain.review.state import ReviewInput
from workflows.messages import read_or_refuse
from workflows.proposals import prepare
from workflows.review_messages import ReviewMessages, refused
from workflows.turns import Turns

_Said = TypeVar("_Said", bound=Said)


class ReviewCommands(ReviewMessages):
    """The handlers, for `AccountReviewWorkflow` to inherit."""

    def __init__(self, start: ReviewInput) -> None:
        super().__init__(start)
        self._turns = Turns(self._review)
        self._resting = False
        """The process waits for messages: a request can be opened."""

    # signals

    @workflow.signal(name="pause", description="Hold the next step")
    def pause_by_signal(self, message: RawValue) -> None:
        self._take_new("pause", Command, message, control.pause, verb="pause")

    @workflow.signal(name="resume", description="Go on where it was paused")
    def resume_by_signal(self, message: RawValue) -> None:
        self._take_new("resume", Command, message, control.resume, verb="resume")

    @workflow.signal(name="close", description="End the review")
    def close_by_signal(self, message: RawValue) -> None:
        self._take_new("close", Close, message, control.close, verb="close")

    @workflow.signal(name="annotate", description="Note context, metadata or an error")
    def annotate_by_signal(self, message: RawValue) -> None:
        self._take_new("annotate", Annotate, message, control.annotate, verb="annotate")

    @workflow.signal(description="Somebody is here: an idle review is not abandoned yet")
    def touch(self, message: RawValue) -> None:
        self._take_new("touch", Touch, message, control.touch, verb="touch")

    @workflow.signal(name="delegate", description="Let somebody else decide for you")
    def delegate_by_signal(self, message: RawValue) -> None:
        self._take_new("delegate", Delegate, message, delegation.delegate, verb="delegate")

    # updates

    @workflow.update(description="Hold the next step")
    async def pause(self, message: RawValue) -> CommandAnswer:
        return await self._command(Command, message, control.pause, "pause")

    @workflow.update(description="Go on where it was paused")
    async def resume(self, message: RawValue) -> CommandAnswer:
        return await self._command(Command, message, control.resume, "resume")

    @workflow.update(description="End the review")
    async def close(self, message: RawValue) -> CommandAnswer:
        return await self._command(Close, message, control.close, "close")

    @workflow.update(description="Note context, metadata or an error")
    async def annotate(self, message: RawValue) -> CommandAnswer:
        return await self._command(Annotate, message, control.annotate, "annotate")

    @workflow.update(description="Let somebody else decide for you on one request")
    async def delegate(self, message: RawValue) -> CommandAnswer:
        said = read_or_refuse(Delegate, message)
        entry = self._entry(said, delegation.delegate, "delegate")
        answer = _taken(await self._inbox.answer_of(entry))
        if isinstance(answer, Refusal):
            raise refused(answer)
        return control.answer(self._review.state, f"{said.to} may decide for {said.by} too")

    @workflow.update(description="Ask about the account, and get the answer")
    async def ask(self, message: RawValue) -> AskAnswer:
        said = read_or_refuse(Ask, message)
        turn = _taken(await self._inbox.answer_of(self._entry(said, conversation.ask, "ask")))
        answer = _taken(await self._turns.answer(turn))
        assert isinstance(answer, AskAnswer)
        return answer

    @workflow.update(description="Propose changes: the same gate, the same rules")
    async def propose(self, message: RawValue) -> ProposalAnswer:
        """The request that people decide on, once it is open."""
        said = read_or_refuse(Propose, message)
        _taken(await self._inbox.answer_of(self._entry(said, control.take_proposal, "propose")))
        state = self._review.state
        changes = _taken(await prepare(self._review, said))
        while not (self._resting or control.is_ending(state)):  # it may go on as this one wakes
            await workflow.wait_condition(lambda: self._resting or control.is_ending(state))
        now = workflow.now()
        _taken(control.refused_when_over(state, "propose", said.by, now))
        request = self._open_request(_taken(control.still_new(state, changes, said.by, now)))
        return control.answer_to_proposal(state, request)

    @pause.validator
    def _check_pause(self, message: RawValue) -> None:
        self._check(Command, message)

    @resume.validator
    def _check_resume(self, message: RawValue) -> None:
        self._check(Command, message)

    @close.validator
    def _check_close(self, message: RawValue) -> None:
        self._check(Close, message)

    @annotate.validator
    def _check_annotate(self, message: RawValue) -> None:
        self._check(Annotate, message)

    @delegate.validator
    def _check_delegate(self, message: RawValue) -> None:
        self._check(Delegate, message)

    @ask.validator
    def _check_ask(self, message: RawValue) -> None:
        self._check(Ask, message)
        _taken(conversation.busy(self._review.state))

    @propose.validator
    def _check_propose(self, message: RawValue) -> None:
        self._check(Propose, message)

    def _check(self, model: type[Said], message: RawValue) -> None:
        """Shape only: a refusal here leaves no event."""
        read_or_refuse(model, message)
        if not self._review.state.follows(3):
            why = (
                "this review was begun by an earlier release, which did not know that (decide on "
                "what it asks or cancel it; the account's next review can)"
            )
            _taken(CommandRefused(code=CommandRefusal.WRONG_PHASE, message=why))

    async def _command(
        self, model: type[_Said], message: RawValue, apply: Any, verb: str
    ) -> CommandAnswer:
        said = read_or_refuse(model, message)
        answer = _taken(await self._inbox.answer_of(self._entry(said, apply, verb)))
        assert isinstance(answer, CommandAnswer)
        return answer

    def _open_request(self, changes: tuple[ProposedChange, ...]) -> ApprovalRequest:
        raise NotImplementedError


def _taken(answer: Any) -> Any:
    """The answer, unless it is a refusal: then the update fails with it."""
    if isinstance(answer, CommandRefused):
        raise ApplicationError(answer.message, answer, type=answer.code.value, non_retryable=True)
    return answer
