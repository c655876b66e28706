"""A task that stands open in the CRM is named in the brief with its due date, on every form."""

import html
from typing import Any

import pytest

from account_reviews.domain.proposals import Action
from account_reviews.domain.records import Task
from account_reviews.domain.reports.brief import build_brief
from account_reviews.presentation.brief import render_brief
from tests.support.build import (
    POLICY,
    account,
    again,
    ago,
    earlier,
    idle,
    review,
    snapshot,
    written,
)

(CALL, *_) = written(again(idle(40)), Action.CREATE_TASK)


def brief(**fields: Any) -> Any:
    values = {"subject": CALL.after["subject"], "due_at": ago(-2), "owner_id": "anna", **fields}
    task = Task(id="T-1", version="1", account_id=account().id, **values)
    return build_brief(again(idle(40, tasks=(task,))), POLICY)


@pytest.mark.parametrize("form", ["md", "html"])
def test_it_is_named_with_its_due_date(form: str) -> None:
    page = html.unescape(render_brief(brief(), form))
    assert "Open tasks, so not proposed again" in page
    assert f"{CALL.after['subject']}: open, for Anna Lee, due Wed 2 Jul" in page
    assert "Open tasks" not in render_brief(brief(status="completed"), form)


@pytest.mark.parametrize("form", ["md", "html"])
def test_amounts_are_in_the_currency_of_the_account(form: str) -> None:
    dollars = {"custom": {"currency": "USD"}}
    was = snapshot(account=account(annual_revenue=100_000, **dollars))
    now = snapshot(account=account(annual_revenue=120_000, **dollars))
    page = render_brief(build_brief(review(now, earlier(was)), POLICY), form)
    assert "US$120,000" in page
    assert "£" not in page
