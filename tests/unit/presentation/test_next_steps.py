"""What comes next is one sentence with the command for it."""

from datetime import timedelta

import pytest

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.items import RequestState
from account_reviews.domain.review.phases import Outcome, Status
from account_reviews.domain.review.state import Paused, ReviewState, UndoOf
from account_reviews.domain.review.terms import Terms
from account_reviews.presentation.next_steps import next_step, people, request_step
from account_reviews.presentation.words import Words
from tests.support.requests import NOW, contact_change, opened, task
from tests.support.review_states import analysis_result, fresh

WORDS = Words(now=NOW, people={"owner-1": "Tomas Brekke"})
CHANGES = (task("Call"), task("Write"), contact_change())


def of(**fields: object) -> ReviewState:
    return fresh("ac-038", at=NOW).model_copy(update=fields)


def ended(outcome: Outcome, *states: ItemState, plan_only: bool = False) -> ReviewState:
    request = decided(*states)
    return of(
        analysis=analysis_result("a", CHANGES[: len(states)]),
        requests=() if plan_only else (request,),
        plan_only=plan_only,
        outcome=outcome,
    )


def decided(*states: ItemState) -> ApprovalRequest:
    request = opened(*CHANGES[: len(states) or 1])
    items = tuple(
        item.model_copy(update={"state": state})
        for item, state in zip(request.items, states, strict=False)
    )
    return request.model_copy(update={"items": items, "state": RequestState.MIXED})


def test_what_waits_is_named_with_its_people_and_deadline() -> None:
    state = of(requests=(opened(*CHANGES),))
    step = WORDS.next_step(state, {"r1": "ac-038-1"})
    assert step == next_step(state, WORDS, {"r1": "ac-038-1"})
    assert step.line == (
        "3 changes wait for Tomas Brekke, until Sun 4 Oct, in 3 days: "
        "reviews approvals show ac-038-1"
    )
    assert next_step(state, WORDS).command == "reviews approvals show r1"


def test_a_command_can_be_typed_whatever_an_id_holds() -> None:
    assert next_step(fresh("Fjord Optics", at=NOW), WORDS).command == "reviews watch 'Fjord Optics'"
    step = request_step(opened(), WORDS, "it's 1")
    assert step.command == """reviews approvals show 'it'"'"'s 1'"""


def test_the_soonest_of_several_requests_leads() -> None:
    soon = opened().model_copy(update={"request_id": "r2", "deadline": NOW + timedelta(hours=2)})
    step = next_step(of(requests=(opened(*CHANGES), soon)), WORDS)
    assert step.text == (
        "1 change waits for Tomas Brekke, until Thu 1 Oct, in 2 hours, and 1 more request"
    )
    assert step.command == "reviews approvals show r2"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "anybody"),
        (("owner-1",), "Tomas Brekke"),
        (("owner-1", "Tomas Brekke"), "Tomas Brekke"),
        (("owner-1", "Ann"), "Tomas Brekke or Ann"),
        (("Ann", "Ben", "Cleo"), "Ann, Ben or Cleo"),
        (("Ann", "Ben", "Cleo", "Dora"), "Ann, Ben or one of 2 others"),
    ],
)
def test_people_by_their_names(names: tuple[str, ...], said: str) -> None:
    assert people(names, WORDS.person) == said


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (of(), "It is under way: reviews watch ac-038"),
        (of(interactive=True), "It waits for questions and proposals: reviews ask ac-038 QUESTION"),
        (
            of(paused=Paused(by="Ann", at=NOW), status=Status.PAUSED, requests=(opened(),)),
            "Paused by Ann: reviews resume ac-038",
        ),
        (
            ended(Outcome.NOTHING_TO_DO, *[ItemState.PROPOSED] * 3, plan_only=True),
            "3 changes planned, nobody was asked; to propose them: reviews start ac-038",
        ),
        (
            ended(Outcome.NOTHING_TO_DO),
            "Nothing is to be decided; the brief: reviews brief ac-038",
        ),
        (
            ended(Outcome.COMPLETED, ItemState.EXECUTED, ItemState.REJECTED),
            "1 change was written; the brief: reviews brief ac-038",
        ),
        (
            ended(Outcome.REJECTED, ItemState.REJECTED),
            "Everything was rejected, and nothing was written.",
        ),
        (ended(Outcome.FAILED, ItemState.FAILED), "It failed; why: reviews show ac-038"),
    ],
)
def test_what_comes_next(state: ReviewState, line: str) -> None:
    assert next_step(state, WORDS).line == line


@pytest.mark.parametrize("outcome", Outcome)
def test_every_end_has_a_next_step_without_a_code(outcome: Outcome) -> None:
    step = next_step(ended(outcome, ItemState.EXPIRED), WORDS)
    assert "_" not in step.line
    assert "None" not in step.line


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ((ItemState.APPROVED,), "1 change is being written"),
        ((ItemState.APPROVED, ItemState.ADJUSTED), "2 changes are being written"),
        ((ItemState.REJECTED,), "All is decided"),
    ],
)
def test_a_request_that_is_decided(states: tuple[ItemState, ...], text: str) -> None:
    assert request_step(decided(*states), WORDS).text == text


@pytest.mark.parametrize(
    ("requirement", "n", "approved", "said"),
    [
        ("any", 1, (), "Tomas Brekke, Ann or Ben"),
        ("n_of_m", 2, (), "2 of Tomas Brekke, Ann and Ben"),
        ("n_of_m", 2, ("Ann",), "Tomas Brekke or Ben"),
        ("all", 1, (), "Tomas Brekke, Ann and Ben"),
        ("all", 1, ("ben",), "Tomas Brekke and Ann"),
    ],
)
def test_whoever_has_approved_already_is_waited_for_no_more(
    requirement: str, n: int, approved: tuple[str, ...], said: str
) -> None:
    asked = opened(terms=Terms.model_validate({"requirement": requirement, "n": n}))
    (item,) = asked.items
    asked = asked.model_copy(
        update={
            "approvers": ("owner-1", "Ann", "Ben"),
            "needs": None,
            "items": (item.model_copy(update={"approvals": approved}),),
        }
    )
    waits = f"1 change waits for {said}, until Sun 4 Oct, in 3 days"
    assert request_step(asked, WORDS).text == waits


def test_what_takes_a_write_back_is_called_by_its_own_id() -> None:
    """The account's id names the review that wrote it."""
    name = "undo/r-1/c-1"
    asked = decided(ItemState.APPROVED).model_copy(update={"review_id": name})
    assert request_step(asked, WORDS).command == f"reviews watch {name}"
    undo = UndoOf(run_id="r-1", review_id="review/ac-038", change_id="c-1", title="Status")
    taking = {"undo": undo, "review_id": name}
    done = ended(Outcome.COMPLETED, ItemState.EXECUTED).model_copy(update=taking)
    assert next_step(done, WORDS).line == (
        "It was taken back; the brief of the account: reviews brief ac-038"
    )
    refused = ended(Outcome.REJECTED, ItemState.REJECTED).model_copy(update=taking)
    assert next_step(refused, WORDS).line == f"Nothing was taken back; why: reviews show {name}"
