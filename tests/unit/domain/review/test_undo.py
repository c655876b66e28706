"""What a write is taken back with, and when it cannot be."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from account_reviews.domain.proposals import (
    Action,
    ItemState,
    ProposedChange,
    change_id,
    proposal_hash,
)
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.decisions import propose
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import ReviewState, UndoOf, WrittenChange
from account_reviews.domain.review.undo import (
    Recorded,
    Undone,
    changed_since,
    item_of,
    mark_undone,
    propose_undo,
    what_it_undid,
    why_not,
)
from tests.support.review_states import NOW, analysis_result, fresh, task_change

LATER = datetime(2026, 10, 2, tzinfo=UTC)
RECORD = RecordRef(type=RecordType.ACCOUNT, id="acme", name="Acme", version="7")
UNDONE = Undone(
    by="ann", approved_by="bob", at=LATER, reason="wrong account", review_id="undo/r/c", run_id="u"
)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from(["Active", "At Risk", "Inactive"]),
    "industry": st.sampled_from([None, "Retail", "Logistics"]),
    "phone": st.sampled_from([None, "+99 1", "+99 2"]),
    "annual_revenue": st.sampled_from([None, "100", "250.5"]),
}


@st.composite
def writes(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stood before, and what a write of some of the fields makes of it."""
    before = {name: draw(values) for name, values in FIELDS.items()}
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, unique=True))
    return before, {name: draw(FIELDS[name]) for name in names}


def change(
    before: dict[str, Any], after: dict[str, Any], action: Action = Action.UPDATE_ACCOUNT
) -> ProposedChange:
    return ProposedChange(
        change_id=change_id(action, RECORD, "acme", "rule", after),
        action=action,
        account_id="acme",
        record=RECORD,
        before=before,
        after=after,
        hash=proposal_hash(action, RECORD, before, after),
        rule="rule",
        title="Mark it",
        rationale="Because the test says so, at some length.",
    )


def undo(
    before: dict[str, Any], after: dict[str, Any], now: dict[str, Any], **more: Any
) -> ProposedChange | str:
    was = {name: before.get(name) for name in after}
    original = change(was, after, **more)
    recorded = Recorded(before=was, written=after)
    return propose_undo(original, recorded, RECORD, now, by="ann", reason="wrong account")


@given(writes())
def test_what_is_done_and_undone_stands_as_before(
    write: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, after = write
    record = {**before, **after}
    found = undo(before, after, record)
    if record == before:
        assert found == "'Mark it' changed nothing"
        return
    assert isinstance(found, ProposedChange)
    assert {**record, **found.after} == before
    assert found.before == {name: record[name] for name in found.after}
    assert all(before[name] != after[name] for name in found.after)


@given(writes(), st.sampled_from(sorted(FIELDS)), st.data())
def test_what_somebody_wrote_since_is_never_overwritten(
    write: tuple[dict[str, Any], dict[str, Any]], name: str, data: st.DataObject
) -> None:
    before, after = write
    record = {**before, **after}
    newer = data.draw(FIELDS[name])
    assume(newer not in (record[name], before[name]))
    now = {**record, name: newer}
    found = undo(before, after, now)
    if name in after and after[name] != before[name]:
        assert isinstance(found, str)
        assert found.startswith(f"{name} has changed since")
    elif isinstance(found, ProposedChange):
        assert name not in found.after


@given(writes())
def test_an_undo_is_undone_as_any_other_write(
    write: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, after = write
    record = {**before, **after}
    first = undo(before, after, record)
    assume(isinstance(first, ProposedChange))
    assert isinstance(first, ProposedChange)
    back = {**record, **first.after}
    recorded = Recorded(before=first.before, written=first.after)
    again = propose_undo(first, recorded, RECORD, back, by="bob", reason=None)
    assert isinstance(again, ProposedChange)
    assert {**back, **again.after} == record
    assert again.title == "Undo: Undo: Mark it"


def test_it_says_who_wants_it_and_is_hashed_as_any_write() -> None:
    found = undo({"status": "Active"}, {"status": "At Risk"}, {"status": "At Risk"})
    assert isinstance(found, ProposedChange)
    assert (found.author, found.rule, found.title) == ("ann", "undo", "Undo: Mark it")
    assert "wrong account" in found.rationale
    assert found.hash == proposal_hash(found.action, RECORD, found.before, found.after)


def test_what_is_back_already_is_left_out() -> None:
    before = {"status": "Active", "phone": None}
    after = {"status": "At Risk", "phone": "+99 1"}
    found = undo(before, after, {"status": "At Risk", "phone": None})
    assert isinstance(found, ProposedChange)
    assert found.after == {"status": "Active"}
    assert undo(before, after, before) == (
        "'Mark it' is taken back already: the CRM shows what stood before"
    )


def test_what_cannot_be_written_is_no_undo() -> None:
    owner = {"owner_id": "ow-1"}
    found = undo({"owner_id": None}, owner, owner, action=Action.CHANGE_OWNER)
    assert found == "owner_id was empty before, and change_owner cannot empty it"
    odd = undo({"status": "odd"}, {"status": "Active"}, {"status": "Active"})
    assert isinstance(odd, str)
    assert odd.startswith("what stood before cannot be written: status cannot be 'odd'")


def test_the_field_that_changed_is_named_with_both_values() -> None:
    assert changed_since({"a": 1, "b": None}, {"a": 1}) is None
    assert changed_since({"a": 1}, {"a": True}) == (
        "a has changed since: 1 was written, and the CRM shows True"
    )


def written(*changes: ProposedChange, state: ItemState = ItemState.EXECUTED) -> ReviewState:
    """A closed review with these items."""
    review = fresh("acme")
    review.move(Phase.INVESTIGATING, NOW)
    review.analysis = analysis_result("a" * 64, changes)
    review.move(Phase.PLANNING, NOW)
    propose(review, changes, "request-1", NOW)
    review.move(Phase.APPROVAL, NOW)
    for one in changes:
        review.replace_request(review.requests[0].mark(one.change_id, state))
        if state is ItemState.EXECUTED:
            review.written[one.change_id] = WrittenChange(
                change_id=one.change_id, state=state, record=RECORD, written=one.after, at=NOW
            )
    review.close(Outcome.COMPLETED, NOW)
    return review


STATUS = change({"status": "Active"}, {"status": "At Risk"})


def test_only_what_was_written_can_be_taken_back() -> None:
    review = written(STATUS)
    assert why_not(review, STATUS.change_id) is None
    assert "has no item 'other'" in str(why_not(review, "other"))
    rejected = written(STATUS, state=ItemState.REJECTED)
    assert why_not(rejected, STATUS.change_id) == "'Mark it' was not written: it is rejected"
    undone = mark_undone(review, STATUS.change_id, UNDONE)
    assert "is undone already: undone by ann" in str(why_not(undone, STATUS.change_id))


@pytest.mark.parametrize(
    ("action", "made"), [(Action.CREATE_TASK, "task"), (Action.ADD_NOTE, "note")]
)
def test_what_was_made_is_not_deleted(action: Action, made: str) -> None:
    one = task_change("acme").model_copy(update={"action": action})
    assert f"made a {made}, and nothing here deletes" in str(why_not(written(one), one.change_id))


def test_the_review_that_wrote_it_shows_who_took_it_back() -> None:
    review = written(STATUS, task_change("acme"))
    marked = mark_undone(review, STATUS.change_id, UNDONE)
    item = item_of(marked, STATUS.change_id)
    assert item is not None
    assert item.state is ItemState.UNDONE
    said = "undone by ann at 2026-10-02 00:00Z, approved by bob: wrong account"
    assert item.reason == said
    assert marked.written[STATUS.change_id].state is ItemState.UNDONE
    assert marked.timeline[-1].text == f"Mark it: {said}"
    assert (marked.version, marked.outcome) == (review.version, Outcome.COMPLETED)
    assert [state for _, state in marked.changes].count(ItemState.EXECUTED) == 1
    assert [state for _, state in review.changes].count(ItemState.UNDONE) == 0
    assert mark_undone(marked, STATUS.change_id, UNDONE) is marked


def test_a_review_that_goes_on_gains_no_line_of_another() -> None:
    """Its next save would tell another under that number."""
    review = written(STATUS)
    review.closed_at = None
    marked = mark_undone(review, STATUS.change_id, UNDONE)
    assert marked.timeline == review.timeline
    assert mark_undone(marked, STATUS.change_id, UNDONE) is marked
    marked.closed_at = NOW  # as one that ends from outside
    assert mark_undone(marked, STATUS.change_id, UNDONE).timeline[-1].kind == "item_undone"


def test_an_undo_says_what_it_took_back_once_it_has() -> None:
    of = UndoOf(review_id="review/acme", run_id="r", change_id="c", reason="wrong account")
    review = written(STATUS)
    assert what_it_undid(review) is None
    review.undo = of
    found = what_it_undid(review)
    assert found is not None
    assert found[0] == of
    assert (found[1].by, found[1].at, found[1].reason) == ("ann", NOW, "wrong account")
    rejected = written(STATUS, state=ItemState.REJECTED)
    rejected.undo = of
    assert what_it_undid(rejected) is None
