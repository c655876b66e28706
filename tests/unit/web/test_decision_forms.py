"""What a form of a request says, also of one that has been decided on since it was shown."""

from datetime import timedelta
from typing import Any

import pytest

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import ApprovalRequest, Decided, Terms
from account_reviews.domain.review.messages import Verdict
from account_reviews.presentation.words import Words
from account_reviews.services.form_decisions import Form, decisions_of
from account_reviews.services.request_views import ItemView, RequestView
from account_reviews.store.review_queries import RequestRow
from account_reviews.web.decision_forms import Typed, form_of
from tests.support.requests import NOW, OWNER, opened, task

WORDS = Words(now=NOW)
TWO_OF_TWO = Terms(requirement="n_of_m", n=2)
FORM = "f" * 32


def view_of(asked: ApprovalRequest) -> RequestView:
    row = RequestRow("run", "review/acme", None, asked)
    items = tuple(ItemView(one, None, ()) for one in asked.items)
    return RequestView(row, items, None, None, None, (), {})


def typed_on(asked: ApprovalRequest, subject: str) -> Typed:
    """The approval of all items of a page, the first of them with another subject."""
    first = asked.items[0].item_id
    return Typed(
        form_id=FORM,
        items=frozenset(one.item_id for one in asked.items),
        values={(first, "subject"): subject, (first, "priority"): "high"},
        hashes={one.item_id: one.change.hash for one in asked.items},
        shown_hash=asked.shown_hash,
        verdict="approve",
    )


def after(asked: ApprovalRequest, form: Form, by: str) -> ApprovalRequest:
    """The request once all that the form says was applied."""
    for said in decisions_of(view_of(asked).row, form, by):
        found = asked.decide(said, NOW + timedelta(hours=1), logic=3)
        assert isinstance(found, Decided), found
        asked = found.request
    return asked


@pytest.mark.parametrize(
    ("terms", "state"), [(Terms(), ItemState.ADJUSTED), (TWO_OF_TWO, ItemState.PROPOSED)]
)
def test_an_edited_form_says_the_same_once_it_was_applied(terms: Terms, state: ItemState) -> None:
    people: dict[str, Any] = {"approvers": (OWNER, "ben")}
    asked = opened(task("Call"), task("Write"), terms=terms, **people)
    typed = typed_on(asked, "Call them")
    form = form_of(typed, view_of(asked), WORDS)
    assert form.verdict is Verdict.APPROVE
    assert form.changes == {asked.items[0].item_id: {"subject": "Call them"}}
    later = after(asked, form, OWNER)
    assert later.items[0].state is state
    again = form_of(typed, view_of(later), WORDS)
    assert again == form
    first, second = (decisions_of(view_of(one).row, form, OWNER) for one in (asked, later))
    assert [one.decision_id for one in first] == [one.decision_id for one in second]


def test_who_is_shown_an_edited_change_approves_it_as_it_is() -> None:
    asked = opened(task("Call"), terms=TWO_OF_TWO, approvers=(OWNER, "ben"))
    later = after(asked, form_of(typed_on(asked, "Call them"), view_of(asked), WORDS), OWNER)
    assert form_of(typed_on(later, "Call them"), view_of(later), WORDS).changes == {}
    back = form_of(typed_on(later, "Call"), view_of(later), WORDS).changes
    assert back == {asked.items[0].item_id: {"subject": "Call"}}
