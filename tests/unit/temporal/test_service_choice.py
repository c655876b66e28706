"""Which Temporal is used: one choice for all, and what does not fit is one sentence."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from account_reviews.cli.commands.config import _collect
from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError, ConflictError, UnreachableError
from account_reviews.temporal import service_choice
from account_reviews.temporal.service_choice import (
    check_of_one_stack,
    choose,
    default_profile_address,
    named_by_environment,
)

STACK = "127.0.0.1:7233"
DEFAULT = "127.0.0.1:17233"
PROFILES = """
[profile.default]
address = "127.0.0.1:17233"
namespace = "theirs"
api_key = "a key of theirs"

[profile.production]
address = "temporal.internal:7233"
namespace = "reviews"
"""


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal's own configuration file, where it looks for it."""
    for folder in (".config", "Library/Application Support"):
        (tmp_path / folder / "temporalio").mkdir(parents=True)
        (tmp_path / folder / "temporalio" / "temporal.toml").write_text(PROFILES)
    monkeypatch.delenv("TEMPORAL_CONFIG_FILE")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def run_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Makes a stack that seems to run; gives the settings that find it."""
    monkeypatch.setenv("REVIEWS_DATA_DIR", str(tmp_path))

    def run(**fields: Any) -> Settings:
        stack = {"pid": os.getpid(), "temporal_address": STACK, "namespace": "default", **fields}
        (tmp_path / "stack.json").write_text(json.dumps(stack))
        return Settings(data_dir=tmp_path)

    return run


@pytest.mark.usefixtures("profiles")
def test_a_running_stack_wins_over_the_default_profile(
    run_stack: Callable[..., Settings],
) -> None:
    assert default_profile_address() == DEFAULT
    assert named_by_environment() is None
    chosen = choose(run_stack())
    assert chosen.options == {"target_host": STACK, "namespace": "default"}
    assert (chosen.origin, chosen.passed_over) == ("stack.json", DEFAULT)


@pytest.mark.usefixtures("profiles")
def test_without_a_stack_the_default_profile_is_used(tmp_path: Path) -> None:
    chosen = choose(Settings(data_dir=tmp_path))
    assert chosen.options["target_host"] == DEFAULT
    assert chosen.options["namespace"] == "theirs"
    assert (chosen.origin, chosen.passed_over) == ("Temporal profile", None)


@pytest.mark.usefixtures("profiles")
def test_a_stack_on_the_profiles_service_keeps_the_profile(
    run_stack: Callable[..., Settings],
) -> None:
    chosen = choose(run_stack(temporal_address=DEFAULT))
    assert chosen.options["api_key"] == "a key of theirs"
    assert chosen.passed_over is None


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(
    ("variable", "value", "address", "origin"),
    [
        ("TEMPORAL_ADDRESS", "elsewhere:7233", "elsewhere:7233", "environment"),
        ("TEMPORAL_PROFILE", "production", "temporal.internal:7233", "Temporal profile"),
        ("TEMPORAL_PROFILE", "default", DEFAULT, "Temporal profile"),
    ],
)
def test_what_the_environment_names_wins_for_all(
    run_stack: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    address: str,
    origin: str,
) -> None:
    monkeypatch.setenv(variable, value)
    settings = run_stack()
    named, chosen = named_by_environment(), choose(settings)
    assert named is not None
    assert named.options["target_host"] == chosen.options["target_host"] == address
    assert chosen.origin == origin
    assert default_profile_address() is None
    with pytest.raises(ConflictError, match="the database is that of the stack") as caught:
        check_of_one_stack(settings, chosen)
    assert f"names {address}, " in caught.value.message
    own = Settings(data_dir=settings.data_dir, database_url="postgresql://db/reviews")
    check_of_one_stack(own, chosen)


def test_two_names_of_this_machine_are_one_service(
    run_stack: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "localhost:7233")
    settings = run_stack()
    check_of_one_stack(settings, choose(settings))


@pytest.mark.usefixtures("profiles")
async def test_the_choice_and_what_it_passes_over_are_shown(
    run_stack: Callable[..., Settings],
) -> None:
    run_stack()
    items, idle = await _collect()
    shown = {item.name: (item.value, item.origin) for item in items}
    assert shown["TEMPORAL_ADDRESS"] == (STACK, "stack.json")
    assert shown["TEMPORAL_NAMESPACE"] == ("default", "stack.json")
    assert f"it names {DEFAULT}, and the stack" in idle["the default Temporal profile"]


def test_nothing_names_one(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no Temporal: TEMPORAL_ADDRESS is not set"):
        choose(Settings(data_dir=tmp_path))


def test_a_file_that_cannot_be_read_is_named_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", STACK)
    key = tmp_path / "key.pem"
    key.write_text("none")
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", str(key))
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", "/none")
    with pytest.raises(
        BadInputError,
        match="TEMPORAL_TLS_CLIENT_CERT_PATH is '/none', which cannot be read: no such file",
    ):
        choose(Settings(data_dir=tmp_path))


def test_a_profile_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "nope")
    with pytest.raises(BadInputError, match="'nope'"):
        choose(Settings(data_dir=tmp_path))


def test_what_asks_for_tls_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "abc")
    assert service_choice.tls_wanted_by({"api_key": "abc"}) == "TEMPORAL_API_KEY"
    monkeypatch.setenv("TEMPORAL_TLS", "true")
    assert service_choice.tls_wanted_by({"tls": True}) == "TEMPORAL_TLS and TEMPORAL_API_KEY"
    assert service_choice.tls_wanted_by({"target_host": STACK}) is None
