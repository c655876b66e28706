"""How `approvals show` says who was notified."""

from datetime import datetime

import pytest

from account_reviews.domain.review.approvals import ApprovalRequest, open_request
from account_reviews.domain.review.deliveries import Delivery, DeliveryRow
from account_reviews.domain.review.notices import NoticeKind
from account_reviews.domain.review.terms import Terms
from account_reviews.presentation.notifications import delivery_documents, delivery_sentence
from account_reviews.presentation.words import Words
from tests.support.review_states import NOW, task_change

WORDS = Words(now=NOW)


def request_with(*deliveries: Delivery) -> ApprovalRequest:
    request = open_request(
        "r-1", "review/ac-1", (task_change("ac-1"),), Terms(), NOW,
        approvers=("owner-1",), started_by="ann",
    )  # fmt: skip
    for delivery in deliveries:
        request = request.with_delivery(delivery)
    return request


def delivery(**values: object) -> Delivery:
    given: dict[str, object] = {
        "recipient": "owner-1", "name": "Ann Smith", "channel": "email", "ok": True,
        "kind": NoticeKind.REQUEST, "at": NOW, **values,
    }  # fmt: skip
    return Delivery.model_validate(given)


def row(**values: object) -> DeliveryRow:
    given: dict[str, object] = {
        "key": "k", "kind": "request", "about": "r-1", "level": 0, "channel": "webhook",
        "recipient": "owner-1", "name": None, "state": "trying", "attempts": 3,
        "begun_at": NOW, "ended_at": None, "error": "it answers 503", **values,
    }  # fmt: skip
    return DeliveryRow.model_validate(given)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "Notified: Ann Smith by e-mail, Thu 1 Oct, 12:00"),
        ({"name": None, "channel": "console"}, "Notified: owner-1 in the log, Thu 1 Oct, 12:00"),
        (
            {"kind": NoticeKind.REMINDER},
            "Notified: Ann Smith by e-mail (reminder), Thu 1 Oct, 12:00",
        ),
        (
            {"ok": False, "error": "no such mailbox"},
            "Not notified: Ann Smith by e-mail, Thu 1 Oct, 12:00: no such mailbox",
        ),
    ],
)
def test_a_delivery_is_a_sentence(values: dict[str, object], said: str) -> None:
    (document,) = delivery_documents(request_with(delivery(**values)))
    assert delivery_sentence(document, WORDS) == said


def test_what_is_still_tried_stands_in_the_table_alone() -> None:
    found = delivery_documents(request_with(delivery()), [row(), row(channel="email")])
    assert [(one["channel"], one["ok"], one["state"]) for one in found] == [
        ("email", True, "sent"),
        ("webhook", False, "trying"),
    ]
    assert delivery_sentence(found[1], WORDS) == (
        "Not notified yet: owner-1 by webhook, tried Thu 1 Oct, 12:00: it answers 503"
    )


def test_documents_have_the_keys_that_are_agreed() -> None:
    (document,) = delivery_documents(request_with(delivery()))
    assert {"recipient", "channel", "level", "at", "ok"} <= set(document)
    assert isinstance(document["at"], datetime)
