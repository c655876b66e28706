"""What the SDK is given to read of the environment."""

import os

import pytest

from account_reviews.config.settings import Settings
from account_reviews.config.temporal import sdk_variables
from account_reviews.domain.errors import BadInputError
from account_reviews.temporal.service_choice import choose

_NOT_UTF8 = os.fsdecode(b"\xff")


def test_a_variable_of_others_that_is_not_utf8_is_nothing_to_the_sdk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "localhost:1")
    monkeypatch.setenv("LESSCHARSET", _NOT_UTF8)
    monkeypatch.setenv(f"ODD{_NOT_UTF8}", "value")
    assert choose(Settings()).options["target_host"] == "localhost:1"
    assert {name for name in os.environ if name not in sdk_variables()} == {
        "LESSCHARSET",
        f"ODD{_NOT_UTF8}",
    }


def test_a_variable_of_temporal_that_is_not_utf8_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", _NOT_UTF8)
    with pytest.raises(BadInputError, match="variable 'TEMPORAL_NAMESPACE' is not UTF-8"):
        choose(Settings())
