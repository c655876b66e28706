"""From cells to values."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from account_reviews.crm.importing.fields import MODULES
from account_reviews.crm.importing.mapping import parse_mapping
from account_reviews.crm.importing.rows import RowReader, Value, digest, slug
from account_reviews.temporal.names import review_id

BASE = {
    "accounts": {"id": {"constant": "a"}, "name": {"constant": "n"}},
    "deals": {"id": {"constant": "d"}, "account_id": {"constant": "a"},
              "name": {"constant": "n"}, "stage": {"constant": "Proposal"}},
    "contacts": {"id": {"constant": "c"}, "account_id": {"constant": "a"},
                 "name": {"constant": "n"}},
    "activities": {"id": {"constant": "c"}, "account_id": {"constant": "a"},
                   "type": {"constant": "Call"}, "at": {"constant": "2026-10-01"}},
    "owners": {"id": {"constant": "o"}, "name": {"constant": "n"}},
    "tasks": {"id": {"constant": "t"}, "account_id": {"constant": "a"},
              "subject": {"constant": "s"}},
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
        ("accounts.annual_revenue", "(1234.56)", Decimal("-1234.56")),
        ("accounts.annual_revenue", "500-", Decimal(-500)),
        ("accounts.annual_revenue", "\u22127", Decimal(-7)),
        ("deals.probability", "62.5", 63),
        ("tasks.status", "COMPLETED", "COMPLETED"),
        ("tasks.status", "NOT_STARTED", "NOT_STARTED"),
        ("tasks.status", "", None),
        ("tasks.description", "d" * 200_000, "d" * 200_000),
        ("accounts.name", "n" * 2000, "n" * 2000),
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
        ("accounts.name", "\u200b", "name is empty, but needed"),
        ("accounts.contract_end", "9999-12-31", "contract_end is not a time that can be kept"),
        ("accounts.contract_end", "0001-01-01", "contract_end is not a time that can be kept"),
        ("accounts.created_at", "9999-12-31T23:59:59.999999Z", "created_at is not a time that can"),
        ("deals.probability", "100.4", "probability is not a whole number from 0 to 100"),
        ("tasks.status", "Erledigt", "status is not one of open, not started"),
        ("accounts.owner_id", "o" * 201, "owner_id is longer than 200 characters"),
        ("accounts.id", "я" * 166, "id is too long: its review could not be named"),
        ("contacts.account_id", "a" * 501, "account_id is longer than 500 characters"),
        ("owners.name", "n" * 501, "name is longer than 500 characters"),
        ("accounts.name", "n" * 2001, "name is longer than 2000 characters"),
        ("tasks.subject", "n" * 2001, "subject is longer than 2000 characters"),
        ("accounts.annual_revenue", "(5", "annual_revenue is not a number"),
        ("accounts.annual_revenue", "(-5)", "annual_revenue is not a number"),
        ("accounts.annual_revenue", "-5-", "annual_revenue is not a number"),
        ("accounts.annual_revenue", "12,5", "annual_revenue is not a number; say what its comma"),
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


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("1.234,56 €", {"remove": "€ "}, Decimal("1234.56")),
        ("12,5", {}, Decimal("12.5")),
        ("1.234", {}, Decimal(1234)),
        ("-1.234.567,8", {}, Decimal("-1234567.8")),
        ("(1.234,5)", {}, Decimal("-1234.5")),
        ("1 234,5", {}, Decimal("1234.5")),
        ("1\u202f234", {}, Decimal(1234)),
        ("1'234'567.5", {"decimal": "."}, Decimal("1234567.5")),
        ("1,234.5", {"decimal": "."}, Decimal("1234.5")),
    ],
)
def test_the_decimal_sign_is_what_the_mapping_says(
    text: str, rule: dict[str, str], value: Decimal
) -> None:
    assert read("accounts.annual_revenue", text, {"column": "X", **rule}, decimal=",") == value


@pytest.mark.parametrize("text", ["12.5", "1.23.456", "1,2,3", "12 34", "1.234.56", ",", "1,234.5"])
def test_a_sign_that_parts_no_thousands_is_no_number(text: str) -> None:
    found = read("accounts.annual_revenue", text, decimal=",")
    assert found == "annual_revenue is not a number"


def test_per_cent_become_a_fraction() -> None:
    rule = {"column": "X", "remove": "%", "scale": "0.01"}
    assert read("contacts.alignment", "82%", rule) == 0.82
    whole = {"column": "X", "scale": "100"}
    assert read("deals.probability", "0.333", whole) == 33


def test_times_are_counted_since_1970() -> None:
    at = datetime(2026, 10, 1, 9, 30, tzinfo=UTC)
    seconds = int(at.timestamp())
    assert read("accounts.created_at", str(seconds), dates=["epoch"]) == at
    assert read("accounts.created_at", f"{seconds}000", dates=["%d.%m.%Y", "epoch_ms"]) == at
    message = read("accounts.created_at", f"{seconds}000", dates=["epoch"])
    assert isinstance(message, str)
    assert message.startswith("created_at is not a date of the form epoch")
    for text in ("nan", "inf", "1e400", "0x1"):
        assert isinstance(read("accounts.created_at", text, dates=["epoch"]), str)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-12-31T23:00:00Z", date(2027, 1, 1)),
        ("2027-01-01T00:00:00+01:00", date(2027, 1, 1)),
        ("2026-12-31", date(2026, 12, 31)),
        ("2026-12-31T23:30:00", date(2026, 12, 31)),
    ],
)
def test_a_day_is_one_of_the_zone_that_the_mapping_names(text: str, day: date) -> None:
    assert read("accounts.contract_end", text, time_zone="Europe/Berlin") == day


def test_a_time_that_means_none_is_unknown_when_the_mapping_says_so() -> None:
    assert read("accounts.contract_end", "9999-12-31", null=["9999-12-31"]) is None


def test_what_the_mapping_made_of_a_text_is_said() -> None:
    message = read("accounts.status", "1", {"column": "X", "values": {"1": "active"}})
    assert isinstance(message, str)
    assert message.startswith("status is not one of Active, ")
    assert message.endswith("; the mapping made 'active' of it")


def test_letters_keep_their_marks_in_a_slug() -> None:
    assert slug("कमला") == "कमला"
    assert slug("कमला") != slug("कमल")
    assert slug("Cafe\u0301 Noir") == slug("Café Noir") == "café-noir"


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


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 500))
@example("я", 166)
@example("я", 150)
@example("a", 500)
def test_an_account_that_is_taken_can_be_reviewed(text: str, times: int) -> None:
    account_id = (text * times)[:500]
    if not MODULES["accounts"].fields["id"].too_long(account_id):
        assert len(review_id(account_id)) <= 1000


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
