"""The fields of a change as a form asks for them, and what comes back from it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.base import Scalar
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.presentation.edit_fields import edit_fields, edited, typed
from account_reviews.presentation.words import Words

WORDS = Words(now=datetime(2026, 10, 1, tzinfo=UTC), zone=ZoneInfo("Europe/Berlin"))
OWNERS = {"ow-1": "Ann Lee", "ow-2": "Ben Ode"}


def change(action: Action, after: dict[str, Scalar], **more: object) -> ProposedChange:
    return ProposedChange.model_validate(
        {
            "change_id": "1",
            "action": action,
            "account_id": "acme",
            "record": RecordRef(type=RecordType.TASK),
            "after": after,
            "hash": "h",
            "rule": "rule",
            "title": "Call",
            "rationale": "Because.",
            **more,
        }
    )


TASK = change(
    Action.CREATE_TASK,
    {
        "subject": "Call",
        "description": "One\nTwo",
        "due_at": "2026-10-02T07:00:00Z",
        "priority": "high",
        "owner_id": "ow-1",
    },
)


def test_each_field_has_the_input_of_its_type() -> None:
    found = {one.name: one for one in edit_fields(TASK, WORDS, OWNERS)}
    assert {name: one.kind for name, one in found.items()} == {
        "subject": "text",
        "description": "long",
        "due_at": "time",
        "priority": "choice",
        "owner_id": "choice",
    }
    assert found["due_at"].value == "2026-10-02T09:00"  # as the reader's clock shows it
    assert [one.label for one in found["owner_id"].choices] == ["Ann Lee", "Ben Ode"]
    assert [one.value for one in found["priority"].choices] == ["critical", "high", "medium", "low"]


def test_a_day_and_money_have_theirs() -> None:
    update = change(
        Action.UPDATE_ACCOUNT,
        {"renewal_date": "2027-01-31", "annual_revenue": "120000", "status": "At Risk"},
    )
    kinds = {one.name: one.kind for one in edit_fields(update, WORDS, OWNERS)}
    assert kinds == {"renewal_date": "date", "annual_revenue": "number", "status": "choice"}


@given(st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_form_that_nobody_touched_changes_nothing(line: str, trailing: bool) -> None:
    given = {
        one.name: one.value.replace("\n", line) + (" " if trailing else "")
        for one in edit_fields(TASK, WORDS, OWNERS)
    }
    assert edited(TASK, given, WORDS, OWNERS) == {}


def test_what_was_changed_comes_back_in_its_wire_form() -> None:
    given = {"due_at": "2026-12-24T10:30", "owner_id": "ow-2", "subject": "Call", "other": "x"}
    assert edited(TASK, given, WORDS, OWNERS) == {
        "due_at": "2026-12-24T09:30:00Z",
        "owner_id": "ow-2",
    }


def test_an_owner_whom_nobody_knows_stays_in_the_list() -> None:
    (field,) = edit_fields(change(Action.CHANGE_OWNER, {"owner_id": "ow-9"}), WORDS, OWNERS)
    assert [one.value for one in field.choices] == ["ow-9", "ow-1", "ow-2"]


def test_a_date_counted_from_the_writing_is_fixed_by_choosing_one() -> None:
    counted = change(
        Action.CREATE_TASK, {"subject": "Call", "due_at": "2026-10-02T07:00:00Z"},
        due_in_seconds=86400,
    )  # fmt: skip
    field = next(one for one in edit_fields(counted, WORDS, OWNERS) if one.name == "due_at")
    assert field.value == ""
    assert field.hint is not None
    assert edited(counted, {"due_at": ""}, WORDS, OWNERS) == {}
    found = edited(counted, {"due_at": "2026-10-05T09:00"}, WORDS, OWNERS)
    assert found == {"due_at": "2026-10-05T07:00:00Z"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"due_at": "soon"}, "Due cannot be 'soon'"),
        ({"priority": "huge"}, "Priority cannot be 'huge'"),
        ({"subject": "x" * 200}, "Subject cannot be"),
        ({"subject": " "}, "Subject cannot be empty"),
    ],
)
def test_what_does_not_fit_is_named_by_its_label(given: dict[str, str], said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        edited(TASK, given, WORDS, OWNERS)
    assert caught.value.message.startswith(said)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"Due": "2026-12-24"}, {"due_at": "2026-12-23T23:00:00Z"}),
        ({"due_at": "2026-12-24T10:30"}, {"due_at": "2026-12-24T09:30:00Z"}),
        ({"due_at": "2026-12-24T10:30:00Z"}, {"due_at": "2026-12-24T10:30:00Z"}),
        ({"owner": "ben ode", "PRIORITY": "low"}, {"owner_id": "ow-2", "priority": "low"}),
        ({"owner_id": "ow-9"}, {"owner_id": "ow-9"}),
        ({"description": None}, {"description": None}),
    ],
)
def test_what_is_typed_means_a_field_by_its_label_and_somebody_by_name(
    given: dict[str, Scalar], meant: dict[str, Scalar]
) -> None:
    assert typed(TASK, given, WORDS, OWNERS) == meant


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Colour": "red"}, "has no field 'Colour'; its fields are Subject, Description, Due, "),
        ({"due_at": "fri"}, "Due cannot be 'fri': write a day, as 2026-10-09, or a time, as "),
        ({"due_at": "0001-01-01"}, "Due cannot be '"),
        ({"Priority": "huge"}, "Priority cannot be 'huge': it is critical, high, medium or low"),
        ({"Owner": "Ann Lee"}, "it may mean Ann Lee (ow-1) or Ann Lee (ow-3)"),
        ({"subject": None}, "Subject cannot be empty"),
    ],
)
def test_what_is_typed_and_does_not_fit_is_told_in_words(
    given: dict[str, Scalar], said: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        typed(TASK, given, WORDS, {**OWNERS, "ow-3": "Ann Lee"})
    assert said in caught.value.message


def test_a_change_of_a_record_takes_the_fields_it_changes() -> None:
    update = change(Action.UPDATE_ACCOUNT, {"status": "At Risk"})
    with pytest.raises(BadInputError) as caught:
        typed(update, {"segment": "x"}, WORDS, OWNERS)
    assert caught.value.message.endswith("has no field 'segment'; its fields are Status")
