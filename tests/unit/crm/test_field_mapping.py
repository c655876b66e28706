"""Mapping files of CRMs: what is wrong with one is said with its place; values go both ways."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from account_reviews.crm.field_mapping import (
    FieldMapping,
    ModuleMapping,
    load_field_mapping,
    parse_field_mapping,
)
from account_reviews.crm.field_values import (
    mark_of,
    parse_moment,
    read_record,
    with_mark,
    without_mark,
    written_values,
)
from account_reviews.domain.errors import BadInputError, CrmInvalidError
from account_reviews.domain.records import RecordType

ACCOUNT = {"module": "Accounts", "record": "account", "fields": {"name": "Name"}}
WRONG_WORD = """
modules: [{module: X, record: account, fields: {name: N, status: {field: S, values: {a: Lost}}}}]
"""
WRITTEN_FREE_FIELD = """
modules: [{module: X, record: account, fields: {name: N, custom.a: {field: A, write: true}}}]
"""


def mapping_of(**module: object) -> tuple[FieldMapping, ModuleMapping]:
    """A mapping with accounts and one more module, and that module."""
    found = parse_field_mapping({"modules": [ACCOUNT, module]}, "m.yaml")
    return found, found.modules[1]


@pytest.mark.parametrize("shipped", ["zoho", "hubspot"])
def test_the_shipped_ones_fit(shipped: str) -> None:
    """Each kind of record that reviews look at is filled."""
    mapping = load_field_mapping(None, shipped=shipped)
    assert mapping.records() == frozenset(RecordType) - {RecordType.OWNER}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "m.yaml: a mapping file of a CRM starts with `modules:`"),
        ("a: [", "m.yaml is not valid YAML: while parsing"),
        ("modules: []", "m.yaml: modules: write one entry at least"),
        ("modules: [Accounts]", "modules[0]: write keys with values, such as"),
        ("modules: []\nmodules: []", "key 'modules' appears twice in the part from line 1 on"),
        (
            "currency: euro\nmodules: [{module: X, record: account, fields: {name: N}}]",
            "currency: 'euro' is no code of a currency; write it like EUR",
        ),
        ("modules: []\nfiles: 1", "unknown key 'files'; the keys are modules, time_zone"),
        (
            "modules: [{module: X, record: lead, fields: {}}]",
            "m.yaml: X, record: input should be 'account', 'contact'",
        ),
        (
            "modules: [{module: X, record: account, fields: {nam: N}}]",
            "m.yaml: X: accounts have no field 'nam'; their fields are name, owner_id",
        ),
        (
            "modules: [{module: X, record: account, fields: {owner_id: N}}]",
            "m.yaml: X: account needs the field name, which is not mapped",
        ),
        (
            WRONG_WORD,
            "m.yaml: X: status cannot be 'Lost'; it is one of Active, Inactive",
        ),
        (
            "modules: [{module: X, record: account, fields: {name: {column: N}}}]",
            "m.yaml: X, fields, name: unknown key 'column'; the keys are field, constant",
        ),
        (
            "modules: [{module: X, record: account, fields: {name: {part: id}}}]",
            "m.yaml: X, fields, name: give one of field, constant",
        ),
        (
            WRITTEN_FREE_FIELD,
            "m.yaml: X: custom.a cannot be written: reviews write no free fields",
        ),
        (
            "modules: [{module: X, record: account, fields: {name: N}, mark: name}]",
            "m.yaml: X: mark names 'name', which is no field with `write: true`",
        ),
        (
            "modules: [{module: X, record: contact, fields: {name: N}}]",
            "m.yaml: there must be one module with `record: account`",
        ),
        ("modules: []\ntime_zone: CET1", "m.yaml: "),
    ],
)
def test_says_what_is_wrong_and_where(tmp_path: Path, text: str, said: str) -> None:
    """One sentence with the file, the place, the value and what is allowed."""
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(BadInputError) as error:
        load_field_mapping(path, shipped="zoho")
    assert said in error.value.message
    assert "\n" not in error.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is named, with the variable that names it."""
    with pytest.raises(BadInputError, match="REVIEWS_CRM_MAPPING names a mapping file"):
        load_field_mapping(tmp_path / "none.yaml", shipped="zoho")


def test_words_go_both_ways() -> None:
    """What is in our vocabulary stays, the rest is translated; the first word that means it is
    written."""
    stage = {"field": "S", "write": "true", "values": {"Quote": "Proposal", "Offer": "Proposal"}}
    mapping, deals = mapping_of(module="D", record="deal", fields={"name": "N", "stage": stage})
    for theirs, ours in (("Quote", "Proposal"), ("Offer", "Proposal"), ("Stalled", "Stalled")):
        assert read_record(mapping, deals, {"N": "x", "S": theirs}).values["stage"] == ours
    assert written_values(deals, {"stage": "Proposal"}) == {"S": "Quote"}
    assert written_values(deals, {"stage": "Stalled"}) == {"S": "Stalled"}


def test_what_cannot_be_read_is_unknown_and_told() -> None:
    """One value that does not fit takes nothing else with it."""
    fields = {"name": "N", "stage": "S", "amount": "A", "created_at": "C", "probability": "P"}
    mapping, deals = mapping_of(module="D", record="deal", fields=fields)
    found = read_record(
        mapping, deals, {"N": "x", "S": "??", "A": "much", "C": "2026-01-01 10:00", "P": 300}
    )
    assert found.values == {
        "name": "x",
        "stage": None,
        "amount": None,
        "created_at": datetime(2026, 1, 1, 10, tzinfo=UTC),
        "probability": None,
    }
    assert [(one.field, one.crm_field) for one in found.problems] == [
        ("stage", "S"), ("amount", "A"), ("probability", "P"),
    ]  # fmt: skip
    assert "'??', which the mapping does not translate to one of" in found.problems[0].why


def test_only_what_may_be_written_is_written() -> None:
    """The sentence names the field and those that may be."""
    fields = {"name": "N", "phone": {"field": "P", "write": True}}
    _, contacts = mapping_of(module="C", record="contact", fields=fields)
    assert written_values(contacts, {"phone": None}) == {"P": None}
    with pytest.raises(CrmInvalidError, match="the mapping lets phone be written") as error:
        written_values(contacts, {"name": "x"})
    assert error.value.field == "name"


def test_free_fields_of_an_account() -> None:
    """Those that are named, and those whose names begin so."""
    document = {
        "custom_prefixes": ["cf_"],
        "modules": [{**ACCOUNT, "fields": {"name": "Name", "custom.tier": "Tier"}}],
    }
    mapping = parse_field_mapping(document, "m.yaml")
    found = {"Name": "A", "Tier": ["a", "b"], "cf_x": 3, "cf_y": None, "cf_u": {"id": "7"}, "o": 1}
    values = read_record(mapping, mapping.modules[0], found).values
    assert values == {"name": "A", "custom": {"tier": "a; b", "cf_x": "3", "cf_u": "7"}}


def test_names_of_all_scripts_and_what_no_database_keeps() -> None:
    """Emoji and right-to-left names stay; NUL and half characters are replaced."""
    mapping, contacts = mapping_of(module="C", record="contact", fields={"name": "N"})
    for name in ("שלום בע״מ", "مؤسسة", "🦊 Füchse", "a\u200db"):
        assert read_record(mapping, contacts, {"N": name}).values["name"] == name
    assert read_record(mapping, contacts, {"N": "a\0b\ud83d"}).values["name"] == "a\ufffdb\ufffd"


def test_a_long_text_is_cut_and_says_so() -> None:
    """A record of 5 MB does not become a snapshot of 5 MB."""
    mapping, notes = mapping_of(module="N", record="note", fields={"content": "C", "title": "T"})
    found = read_record(mapping, notes, {"C": "x" * 5_000_000, "T": "y" * 5_000}).values
    assert (len(found["content"]), found["content"][-1]) == (100_000, "…")
    assert (len(found["title"]), found["title"][-1]) == (2_000, "…")


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-20T08:00:00+01:00", datetime(2026, 11, 20, 7, tzinfo=UTC)),
        ("2026-11-20T08:00:00.123Z", datetime(2026, 11, 20, 8, 0, 0, 123000, tzinfo=UTC)),
        ("2026-11-20T08:00:00Z", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("1763625600000", datetime(2025, 11, 20, 8, tzinfo=UTC)),
        (1763625600000, datetime(2025, 11, 20, 8, tzinfo=UTC)),
    ],
)
def test_times_of_each_form(value: object, moment: datetime) -> None:
    """ISO with Z, with an offset, and milliseconds."""
    assert parse_moment(value) == moment


@pytest.mark.parametrize("value", ["2026-11-20T08:00:00", "soon", "", True, "9999-12-31T00:00:00Z"])
def test_times_that_are_none(value: object) -> None:
    """A zone is required where nobody says which."""
    with pytest.raises(ValueError, match=r"^is "):
        parse_moment(value)


def test_days_numbers_and_yes() -> None:
    """Python types, whatever JSON they came as."""
    fields = {"name": "N", "annual_revenue": "R", "employees": "E", "renewal_date": "D"}
    document = {"modules": [{**ACCOUNT, "fields": fields}], "time_zone": "Europe/Berlin"}
    mapping = parse_field_mapping(document, "m.yaml")
    found = {"N": "A", "R": 1.5e6, "E": "12", "D": "2026-11-20"}
    values = read_record(mapping, mapping.modules[0], found).values
    assert values["annual_revenue"] == Decimal(1500000)
    assert (values["employees"], values["renewal_date"]) == (12, date(2026, 11, 20))
    late = {"N": "A", "D": "2026-11-20T23:30:00Z"}
    assert read_record(mapping, mapping.modules[0], late).values["renewal_date"] == date(
        2026, 11, 21
    )
    assert mapping.zone == ZoneInfo("Europe/Berlin")


def test_the_mark_of_an_operation() -> None:
    """It stands in the last line and is gone when the text is read."""
    marked = with_mark("Call them\n", "run:change")
    assert without_mark(marked) == ("Call them\n", mark_of("run:change"))
    assert without_mark(with_mark(None, "x")) == ("", mark_of("x"))
    assert without_mark("no [operation 1]") == ("no [operation 1]", None)
