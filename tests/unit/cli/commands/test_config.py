"""`config show` says what set each setting."""

import json

import pytest

from account_reviews.cli.commands import config
from account_reviews.cli.output import Format


@pytest.mark.parametrize("name", ["REVIEWS_DATABASE_URL", "reviews_database_url"])
def test_a_variable_counts_in_upper_and_lower_case(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REVIEWS_DATABASE_URL", raising=False)
    monkeypatch.setenv(name, "postgresql://u:geheim@h/d")
    monkeypatch.setenv("reviews_tenant", "north")
    config.show(origin=True, output=Format.JSON)
    items = {item["name"]: item for item in json.loads(capsys.readouterr().out)["items"]}
    assert items["REVIEWS_DATABASE_URL"] == {
        "name": "REVIEWS_DATABASE_URL",
        "value": "postgresql://u:***@h/d",
        "origin": "environment",
    }
    assert items["REVIEWS_TENANT"]["value"] == "north"
    assert items["REVIEWS_TENANT"]["origin"] == "environment"
    assert items["REVIEWS_AUDIT_DATABASE_URL"]["origin"] == "default"
