"""What the memory keeps of a review is told in words, with names."""

import pytest

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import SnapshotRef
from account_reviews.domain.review.ending import memory_items
from account_reviews.domain.review.phases import Outcome
from tests.support.requests import NOW, opened
from tests.support.review_states import analysis_result, fresh


@pytest.mark.parametrize(("by", "name"), [("ow-4", "Oren Salvat"), ("ann", "ann")])
def test_decisions_are_remembered_by_names_and_words(by: str, name: str) -> None:
    request = opened()
    decided = request.items[0].model_copy(
        update={"state": ItemState.EXECUTED, "decided_by": by, "decided_at": NOW}
    )
    request = request.model_copy(update={"items": (decided,)})
    read = SnapshotRef(
        hash="h", account_name="Acme", owner_id="ow-4", owner_name="Oren Salvat", fetched_at=NOW
    )
    state = fresh("acme", at=NOW).model_copy(
        update={
            "snapshot": read,
            "requests": (request,),
            "analysis": analysis_result("a", (decided.change,)),
            "outcome": Outcome.COMPLETED,
        }
    )
    review, decision = memory_items(state)
    assert review.text == "completed: risk high; 1 proposed change: 1 written"
    assert decision.text.startswith(f"written by {name}. Nobody has spoken to them")
    assert decision.attributes["by"] == by


def test_a_plan_is_remembered_as_planned() -> None:
    state = fresh("acme", at=NOW).model_copy(
        update={"plan_only": True, "outcome": Outcome.NOTHING_TO_DO}
    )
    assert memory_items(state)[0].text.startswith("planned: ")
