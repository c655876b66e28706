"""Who reads decides how dates, numbers and fields are written."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.policy.model import parse_policy
from account_reviews.presentation.readers import reader_words

NOW = datetime(2026, 9, 29, 22, 30, tzinfo=UTC)
EUROS = parse_policy('[money]\ncurrency = "EUR"')
PLAIN = parse_policy("")


@pytest.fixture(autouse=True)
def _quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_TIME", "LANG", "TZ", "REVIEWS_LOCALE", "REVIEWS_TIME_ZONE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "locale"),
    [
        ({"REVIEWS_LOCALE": "fr-CA", "LC_ALL": "de_AT.UTF-8"}, "fr_CA"),
        ({"LC_ALL": "de_AT.UTF-8", "LANG": "en_US.UTF-8"}, "de_AT"),
        ({"LC_ALL": "C.UTF-8", "LANG": "sv_SE@euro"}, "sv_SE"),
        ({"LC_ALL": "xx_nowhere", "LANG": "POSIX"}, "en_GB"),
        ({}, "en_GB"),
    ],
)
def test_the_locale_is_the_first_that_somebody_named(
    environment: dict[str, str], locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(reader_words(Settings.load(), PLAIN, now=NOW).locale) == locale


def test_the_zone_is_the_readers_then_that_of_the_setting_then_the_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def day(zone: str | None = None) -> str:
        return reader_words(Settings.load(), PLAIN, now=NOW, zone=zone).day(NOW)

    monkeypatch.setenv("TZ", ":Pacific/Kiritimati")
    assert day() == "Wed 30 Sept"
    monkeypatch.setenv("REVIEWS_TIME_ZONE", "America/New_York")
    assert day() == "Tue 29 Sept"
    assert day("Europe/Berlin") == "Wed 30 Sept"
    assert day("Nowhere/Else") == "Tue 29 Sept"


@pytest.mark.parametrize(
    ("name", "value"),
    [("REVIEWS_TIME_ZONE", "Berlin"), ("REVIEWS_LOCALE", "klingon"), ("REVIEWS_LOCALE", "_")],
)
def test_a_setting_that_means_nothing_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInputError, match=f"{name} is '{value}', which is no"):
        reader_words(Settings.load(), PLAIN, now=NOW)


def test_what_a_browser_says_and_nobody_knows_is_passed_over() -> None:
    settings = Settings(locale="de_DE", time_zone="UTC")
    assert str(reader_words(settings, PLAIN, now=NOW, locale="xx").locale) == "de_DE"


def test_currency_and_labels_come_from_the_mapping_before_the_policy(tmp_path: Path) -> None:
    settings = Settings(locale="en_GB")
    assert reader_words(settings, PLAIN, now=NOW).money(120000) == "120,000"
    assert reader_words(settings, EUROS, now=NOW).money(120000) == "€120,000"
    file = tmp_path / "mapping.yaml"
    file.write_text(
        "currency: USD\nmodules:\n  - module: Accounts\n    record: account\n    fields:\n"
        "      name: Name\n      annual_revenue: {field: Turnover, label: Yearly turnover}\n"
    )
    words = reader_words(Settings(locale="en_GB", crm_mapping=file), EUROS, now=NOW)
    assert words.money(120000) == "US$120,000"
    assert words.field("annual_revenue") == "Yearly turnover"
    assert words.field("renewal_date") == "Renewal date"


@pytest.mark.parametrize("text", ["", "- 1", "modules: 3", "modules: [{fields: [x]}]", "{"])
def test_a_mapping_that_is_none_gives_no_words(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(text)
    assert reader_words(Settings(crm_mapping=file), PLAIN, now=NOW).labels == {}
