"""From cells to values."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from account_reviews.crm.importing.mapping import parse_mapping
from account_reviews.crm.importing.rows import RowReader, Value, digest, slug

BASE = {
    "accounts": {"id": {"constant": "a"}, "name": {"constant": "n"}},
    "deals": {"id": {"constant": "d"}, "account_id": {"constant": "a"},
              "name": {"constant": "n"}, "stage": {"constant": "Proposal"}},
    "contacts": {"id": {"constant": "c"}, "account_id": {"constant": "a"},
                 "name": {"constant": "n"}},
    "activities": {"id": {"constant": "c"}, "account_id": {"constant": "a"},
                   "type": {"constant": "Call"}, "at": {"constant": "2026-10-01"}},
}  # fmt: skip


def reader(field: str, rule: Any, **file: Any) -> RowReader:
    """A reader for `module.field`."""
    module, name = field.split(".", 1)
    entry = {"file": "f.csv", "module": module, "fields": {**BASE[module], name: rule}, **file}
    mapping = parse_mapping({"files": [entry]}, "m")
    return RowReader(mapping.files[0], {name: {"acme": "Zed"}})


def read(field: str, text: str, rule: Any = "X", **file: Any) -> Value:
    """The value of the field, or the message about it."""
    found = reader(field, rule, **file)
    values, bad = found.read(found.clean({"X": text, "Y": "why", "Z": ""}))
    name = field.split(".", 1)[1]
    return bad[0].message if bad else values.get(name)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("accounts.industry", " Retail ", "Retail"),
        ("accounts.industry", "", None),
        ("accounts.status", "At Risk", "At Risk"),
        ("accounts.annual_revenue", "12.50", Decimal("12.50")),
        ("accounts.annual_revenue", "-1e3", Decimal(-1000)),
        ("accounts.employees", "12", 12),
        ("accounts.employees", "12.0", 12),
        ("accounts.contract_end", "2026-10-01", date(2026, 10, 1)),
        ("accounts.contract_end", "2026-10-01T23:30:00-05:00", date(2026, 10, 1)),
        ("accounts.created_at", "2026-10-01", datetime(2026, 10, 1, tzinfo=UTC)),
        ("accounts.created_at", "2026-10-01T02:00:00+02:00", datetime(2026, 10, 1, tzinfo=UTC)),
        ("contacts.active", "YES", True),
        ("contacts.active", "0", False),
        ("contacts.alignment", "0.5", 0.5),
        ("contacts.level", "VP", "VP"),
        ("deals.probability", "100", 100),
        ("activities.participants", "Alva; Bela;;", ["Alva", "Bela"]),
        ("activities.participants", "", []),
    ],
)
def test_each_kind_is_read(field: str, text: str, value: Value) -> None:
    assert read(field, text) == value


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("accounts.status", "Sleeping", "status is not one of Active, Inactive"),
        ("accounts.annual_revenue", "a lot", "annual_revenue is not a number"),
        ("accounts.annual_revenue", "nan", "annual_revenue is not a number"),
        ("accounts.annual_revenue", "1e999999", "annual_revenue is not a number"),
        ("accounts.annual_revenue", "9" * 31, "annual_revenue is not a number"),
        ("accounts.annual_revenue", "1,000", "annual_revenue is not a number"),
        ("accounts.employees", "1.5", "employees is not a whole number from 0 to 2147483647"),
        ("accounts.employees", "-1", "employees is not a whole number"),
        ("accounts.employees", "2147483648", "employees is not a whole number"),
        ("deals.probability", "101", "probability is not a whole number from 0 to 100"),
        ("contacts.alignment", "1.01", "alignment is not a number from 0 to 1"),
        ("contacts.active", "perhaps", "active is neither yes nor no"),
        ("contacts.level", "Boss", "level is not one of C-Level, VP, Director"),
        ("accounts.contract_end", "01.10.2026", "contract_end is not a date of the form 2026"),
        ("accounts.created_at", "0001-01-01T00:00:00+14:00", "created_at is not a time that"),
        ("accounts.name", "", "name is empty, but needed"),
    ],
)
def test_what_does_not_fit_is_said(field: str, text: str, message: str) -> None:
    found = read(field, text)
    assert isinstance(found, str)
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ({"first_of": ["Z", "Y", "X"]}, "x", "why"),
        ({"first_of": ["Z"]}, "x", None),
        ({"template": "{Y} ({X})"}, "x", "why (x)"),
        ({"template": "{Z}-{X}"}, "", None),
        ({"template": "always"}, "x", "always"),
        ({"constant": "always"}, "x", "always"),
        ({"column": "X", "default": "none"}, "", "none"),
        ({"column": "X", "values": {"a": "b"}}, "a", "b"),
        ({"column": "X", "values": {"a": ""}}, "a", None),
        ({"column": "X", "values": {"a": "b"}, "default": "c"}, "z", "c"),
        ({"column": "X", "values": {"a": "b"}}, "", None),
        ({"column": "X", "values": {"a": "b", "c": "d"}}, "z", "industry is not one of a, c"),
        ({"column": "X", "values": {"a": "b"}}, "b", "industry is not one of a"),
        ({"column": "X", "slug": "true"}, " Acme Corp. & Söhne ", "acme-corp-söhne"),
        ({"column": "X", "slug": "true"}, "...", "industry gives no id"),
        ({"column": "X", "most_frequent": {"file": "f", "key": "k", "value": "v"}}, "acme", "Zed"),
        ({"column": "X", "most_frequent": {"file": "f", "key": "k", "value": "v"}}, "other", None),
    ],
)
def test_where_a_text_comes_from(rule: dict[str, Any], text: str, value: Value) -> None:
    assert read("accounts.industry", text, rule) == value


def test_numbers_are_cleaned_and_scaled() -> None:
    rule = {"column": "X", "remove": "$,", "scale": "1000000"}
    assert read("accounts.annual_revenue", "$1,100.04", rule) == Decimal("1100040000.00")


def test_dates_have_formats_and_a_zone() -> None:
    assert read("accounts.contract_end", "01-03-17", dates=["%d-%m-%y"]) == date(2017, 3, 1)
    berlin = read("accounts.created_at", "2026-07-01", time_zone="Europe/Berlin")
    assert berlin == datetime(2026, 6, 30, 22, tzinfo=UTC)
    message = read("accounts.contract_end", "2017-03-01", dates=["%d-%m-%y", "%d.%m.%Y"])
    assert message == "contract_end is not a date of the form %d-%m-%y or %d.%m.%Y"


def test_texts_that_mean_unknown() -> None:
    assert read("accounts.industry", "n/a", null=["n/a"]) is None
    assert read("accounts.name", "n/a", null=["n/a"]) == "name is empty, but needed"


def test_spellings_are_put_right_first() -> None:
    rule = {"column": "X", "values": {"technology": "Tech"}}
    found = read("accounts.industry", "technolgy", rule, replace={"X": {"technolgy": "technology"}})
    assert found == "Tech"


def test_rows_are_left_out_on_purpose() -> None:
    found = reader("accounts.industry", "X", skip_when={"X": ["", "test"], "Y": "never"})
    texts = ("", " test ", "Retail")
    rows = [found.clean({"X": text, "Y": "", "Z": ""}) for text in texts]
    assert [found.is_left_out(row) for row in rows] == [True, True, False]


def test_free_fields_of_an_account() -> None:
    assert read("accounts.custom.tier", "Premium") is None
    found = reader("accounts.custom.tier", "X")
    values, _ = found.read({"X": "Premium", "Y": "", "Z": ""})
    assert values["custom"] == '{"tier": "Premium"}'
    assert "custom" in found.columns


@given(st.text(max_size=40))
@example("1" * 5000)
@example("-0")
@example("٣")
def test_any_text_is_a_value_or_a_message(text: str) -> None:
    for field in ("accounts.annual_revenue", "accounts.employees", "accounts.created_at",
                  "contacts.alignment", "contacts.active", "accounts.status"):  # fmt: skip
        read(field, text)


@given(st.text())
def test_a_slug_is_its_own_slug(text: str) -> None:
    assert slug(slug(text)) == slug(text)


def test_a_digest_tells_values_and_fields_apart() -> None:
    seen = {
        digest({"a": "1"}), digest({"a": 1}), digest({"b": "1"}), digest({"a": None}), digest({}),
        digest({"a": "1", "b": None}), digest({"a": True}), digest({"a": ["1"]}),
    }  # fmt: skip
    assert len(seen) == 8
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


@pytest.mark.parametrize("text", ["\u200b", "\u3164", " \u2060\ufeff "])
def test_a_name_of_nothing_is_empty(text: str) -> None:
    assert read("accounts.name", text) == "name is empty, but needed"
    assert read("accounts.industry", text) is None
