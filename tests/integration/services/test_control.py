"""Commands to reviews that answer, that nobody works on, that are paused in Temporal, or gone."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    LimitReachedError,
    NotFoundError,
    ReviewNotFoundError,
    UnreachableError,
)
from account_reviews.domain.proposals import Action
from account_reviews.domain.review.commands import (
    Annotate,
    Ask,
    AskAnswer,
    Close,
    Command,
    Propose,
    Said,
    Touch,
    WantedChange,
)
from account_reviews.domain.review.state import ReviewState
from account_reviews.services import control
from account_reviews.services.control import Commanded, command, touch
from tests.support.operations import delete, pause, unpause
from tests.support.world import Handle, World, create_task, eventually, make_world
from workflows.account_review import AccountReviewWorkflow

BY = Command(by="olga", reason="so it is")
NOTE = WantedChange(action=Action.ADD_NOTE, after={"title": "Call", "content": "In May."})


@pytest.fixture
def world(own_client: Client, engine: AsyncEngine) -> World:
    """A world in the namespace of `parts`."""
    world = make_world(own_client, engine)
    world.analysis.changes = (create_task(world.account),)
    return world


async def waiting(world: World, parts: Parts) -> Handle:
    """A review that waits for a decision, started in a worker of the test."""
    handle = await world.start(tenant=parts.settings.tenant)
    await world.request(handle)
    return handle


async def say(parts: Parts, world: World, verb: str, said: Said = BY, **more: Any) -> Commanded:
    return await command(parts, world.client, world.account.id, verb, said, **more)


async def seen(handle: Handle) -> ReviewState:
    return await handle.query(AccountReviewWorkflow.snapshot)


async def test_an_answer_says_how_the_review_stands(parts: Parts, world: World) -> None:
    async with world.worker():
        handle = await waiting(world, parts)
        done = await say(parts, world, "pause")
        assert done.answer is not None
        assert (done.answer.status, done.queued) == ("paused", False)
        state = await seen(handle)
        assert state.paused is not None
        assert (state.paused.by, state.paused.reason) == ("olga", "so it is")
        with pytest.raises(ConflictError, match="paused already"):
            await say(parts, world, "pause")
        with pytest.raises(ConflictError, match="not at 1"):
            await say(parts, world, "annotate", Annotate(by="a", step="x", expected_version=1))


@pytest.mark.parametrize(
    ("verb", "said", "error"),
    [
        ("propose", Propose(by="a", changes=(WantedChange(change_id="none"),)), BadInputError),
        (
            "annotate",
            Annotate(by="a", context={f"k{n}": "x" * 4000 for n in range(20)}),
            BadInputError,
        ),
    ],
)
async def test_what_does_not_fit_is_bad_input(
    parts: Parts, world: World, verb: str, said: Said, error: type[Exception]
) -> None:
    async with world.worker():
        await waiting(world, parts)
        with pytest.raises(error):
            await say(parts, world, verb, said)


async def test_an_unknown_review_is_not_found(parts: Parts, world: World) -> None:
    with pytest.raises(ReviewNotFoundError):
        await say(parts, world, "pause")


async def test_what_no_worker_answers_is_unknown_and_counts_once_when_it_is_repeated(
    parts: Parts, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.worker():
        handle = await waiting(world, parts)
    monkeypatch.setattr(control, "UPDATE_SECONDS", 0.5)
    with pytest.raises(UnreachableError) as raised:
        await say(parts, world, "annotate", Annotate(by="a", context={"current_batch": 1}),
                  command_id="c-7")  # fmt: skip
    assert "may still be applied" in raised.value.message
    assert "--command-id c-7" in (raised.value.hint or "")
    monkeypatch.setattr(control, "UPDATE_SECONDS", 30)
    async with world.worker():
        said = Annotate(by="a", context={"current_batch": 1})
        done = await say(parts, world, "annotate", said, command_id="c-7")
        assert done.answer is not None
        again = await say(parts, world, "annotate", said, command_id="c-7")
        assert again.answer == done.answer
        state = await seen(handle)
    assert [line.kind for line in state.timeline].count("annotated") == 1


async def test_a_review_that_is_paused_in_temporal_hears_of_it_when_it_goes_on(
    parts: Parts, world: World
) -> None:
    async with world.worker():
        handle = await waiting(world, parts)
        await pause(world.client, handle.id)
        sent = await say(parts, world, "annotate", Annotate(by="a", step="look"))
        assert (sent.queued, sent.answer) == (True, None)
        assert "goes on" in sent.message
        assert (await touch(parts, world.client, world.account.id, Touch(by="a"))).message
        for verb, said in (("ask", Ask(question="Why?")), ("propose", Propose(changes=(NOTE,)))):
            with pytest.raises(ConflictError, match="paused in Temporal"):
                await say(parts, world, verb, said)
        await unpause(world.client, handle.id)
        await eventually(lambda: seen(handle), lambda state: state.step == "look")


async def test_one_that_temporal_does_not_know_is_to_be_cancelled(
    parts: Parts, world: World
) -> None:
    async with world.worker():
        handle = await waiting(world, parts)
        await delete(world.client, handle.id, handle.first_execution_run_id or "")
        for verb in ("pause", "close"):
            with pytest.raises(NotFoundError, match="does not know"):
                await say(parts, world, verb, Close(exit_code=0) if verb == "close" else BY)


async def test_one_that_was_terminated_is_closed_to_close_and_a_conflict_to_others(
    parts: Parts, world: World
) -> None:
    async with world.worker():
        handle = await waiting(world, parts)
        await handle.terminate()
        done = await say(parts, world, "close", Close(outcome="failed"))
        assert "has ended in Temporal" in done.message
        with pytest.raises(ConflictError, match="has ended in Temporal"):
            await say(parts, world, "resume")
        with pytest.raises(ConflictError, match="has ended in Temporal"):
            await touch(parts, world.client, world.account.id, Touch(by="a"))


async def test_the_ninth_question_is_one_too_many(parts: Parts, world: World) -> None:
    world.answers.open.clear()
    async with world.worker():
        handle = await waiting(world, parts)
        asked = [
            asyncio.ensure_future(say(parts, world, "ask", Ask(by="a", question=f"{number}?")))
            for number in range(8)
        ]
        await eventually(lambda: seen(handle), lambda state: len(state.conversation) == 8)
        with pytest.raises(LimitReachedError, match="8 questions wait"):
            await say(parts, world, "ask", Ask(by="a", question="And this?"))
        paused = await say(parts, world, "pause")
        assert paused.answer is not None, "nothing else is limited"
        await say(parts, world, "resume")
        world.answers.open.set()
        answers = await asyncio.gather(*asked)
    assert {one.answer.turn.answer for one in answers if isinstance(one.answer, AskAnswer)} == {
        f"So it is: {number}?" for number in range(8)
    }


async def test_a_worker_of_an_earlier_release_is_named_as_the_reason(
    parts: Parts, world: World
) -> None:
    """To it a verb of today is what a verb of tomorrow is to a worker of today."""
    async with world.worker():
        await waiting(world, parts)
        with pytest.raises(ConflictError, match="of an earlier release") as refused:
            await say(parts, world, "hibernate")
        assert refused.value.hint == "stop the workers of the old release, then repeat"
