"""The mapping against what a CRM says of its fields."""

from typing import Any

from account_reviews.crm.field_check import FieldType, FoundField, MappingProblem, check_fields
from account_reviews.crm.field_mapping import parse_field_mapping
from account_reviews.domain.records import DealStage

STAGES = tuple(DealStage)
TEXT, NUMBER, WORD = FieldType.TEXT, FieldType.NUMBER, FieldType.WORD
NAME = FoundField("Name", TEXT)


def problems(
    fields: dict[str, Any], *found: FoundField, record: str = "account", **more: Any
) -> list[tuple[str, ...]]:
    """What is said of one module `M`."""
    modules = [{"module": "M", "record": record, "fields": {"name": "Name", **fields}, **more}]
    if record != "account":
        modules.append({"module": "A", "record": "account", "fields": {"name": "Name"}})
    mapping = parse_field_mapping({"modules": modules}, "m.yaml")
    said = check_fields(mapping, {"M": (NAME, *found), "A": (NAME,)})
    return [(one.field, one.crm_field, one.expected, one.found) for one in said]


def test_a_field_that_is_missing_or_of_another_type() -> None:
    """Each is named, ours and theirs."""
    fields = {"employees": "E", "industry": "I", "renewal_date": "R", "phone": "P"}
    assert problems(
        fields, FoundField("E", TEXT), FoundField("I", WORD), FoundField("R", FieldType.BOOLEAN)
    ) == [
        ("accounts.employees", "M.E", "whole number", "a text"),
        ("accounts.renewal_date", "M.R", "date", "a yes or no"),
        ("accounts.phone", "M.P", "text", "no such field"),
    ]


def test_one_that_not_every_org_has() -> None:
    """Its absence is no problem, another type is."""
    rule = {"employees": {"field": "E", "optional": True}}
    assert problems(rule) == []
    assert len(problems(rule, FoundField("E", TEXT))) == 1


def test_a_field_of_which_nothing_is_said() -> None:
    """The others are checked all the same."""
    said = problems({"employees": "E", "phone": "P"}, FoundField("E", None), FoundField("P", TEXT))
    assert said == [
        ("accounts.employees", "M.E", "whole number", "a field of which the CRM gives no type")
    ]


def test_words_that_nobody_translates() -> None:
    """Each word of a pick list that would make a value unknown is named."""
    found = FoundField("S", WORD, words=("Proposal", "Offer", "Shaken hands"))
    stage = {"field": "S", "values": {"Offer": "Proposal"}}
    said = problems({"stage": stage}, found, record="deal")
    assert [(one[0], one[3]) for one in said] == [("deals.stage", "'Shaken hands'")]
    assert not problems({"stage": {**stage, "default": "Stalled"}}, found, record="deal")


def test_words_that_cannot_be_written() -> None:
    """Each of our words that the pick list has no word for is named, once for the field."""
    found = FoundField("S", WORD, words=("Proposal", "Lost", *STAGES[:-3]))
    stage = {"field": "S", "write": True, "values": {"Lost": "Closed Lost"}}
    said = problems({"stage": stage}, found, record="deal")
    assert [one[2:] for one in said] == [
        ("a word for each of ours, since it may be written", "none for Closed Won, Stalled")
    ]


def test_what_is_to_be_written_can_be() -> None:
    """And what is to be unique is."""
    phone = {"phone": {"field": "P", "write": True}}
    assert problems(phone, FoundField("P", TEXT, writable=False))[0][2:] == (
        "a field that can be written", "one that cannot",
    )  # fmt: skip
    for found, said in ((None, "none"), (FoundField("Op", TEXT), "not unique")):
        fields = () if found is None else (found,)
        assert problems({}, *fields, operation_id="Op") == [
            ("accounts.operation_id", "M.Op", "a unique field", said)
        ]
    assert not problems({}, FoundField("Op", TEXT, unique=True), operation_id="Op")


def test_a_module_that_is_missing() -> None:
    """One line for it, not one per field."""
    mapping = parse_field_mapping(
        {"modules": [{"module": "M", "record": "account", "fields": {"name": "N"}}]}, "m.yaml"
    )
    assert check_fields(mapping, {}) == (
        MappingProblem(field="accounts", crm_field="M", expected="a module", found="none"),
    )
