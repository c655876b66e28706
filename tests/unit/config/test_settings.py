"""Aliases of the environment set what they say, and ours win."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from account_reviews.cli.commands.config import without_password
from account_reviews.config import environment_aliases
from account_reviews.config.environment_aliases import without_effect
from account_reviews.config.settings import Settings
from account_reviews.domain.audit.redaction import DEFAULT, rules_of
from account_reviews.domain.errors import BadInputError, PolicyError, UnreachableError

_WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Z"]), min_size=1).filter(
    lambda text: text == text.strip()
)


@given(user=_WORD, password=_WORD, name=_WORD, port=st.integers(1, 65535))
def test_the_database_url_keeps_every_character(
    user: str, password: str, name: str, port: int
) -> None:
    url = environment_aliases.database_url(
        {
            "DATABASE_HOST": "db.internal",
            "DATABASE_PORT": str(port),
            "DATABASE_NAME": name,
            "DATABASE_USER": user,
            "DATABASE_PASSWORD": password,
        }
    )
    assert url is not None
    found = make_url(url)
    assert (found.username, found.password) == (user, password)
    assert (found.host, found.port, found.drivername) == ("db.internal", port, "postgresql+asyncpg")


def test_our_database_url_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_HOST", "theirs")
    assert Settings.load().database_url == "postgresql+asyncpg://theirs:5432/reviews"
    monkeypatch.setenv("REVIEWS_DATABASE_URL", "postgresql://ours/x")
    assert Settings.load().database_url == "postgresql://ours/x"


def test_a_bad_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_HOST", "theirs")
    monkeypatch.setenv("DATABASE_PORT", "many")
    with pytest.raises(BadInputError, match="DATABASE_PORT is 'many'"):
        Settings.load()


def test_aliases_reach_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Settings.load().policy()
    monkeypatch.setenv("INACTIVITY_THRESHOLD_DAYS", "20")
    monkeypatch.setenv("APPROVAL_TIMEOUT", "7200")
    policy = Settings.load().policy()
    assert policy.risk.inactivity_days == 20
    assert policy.approvals.timeout.total_seconds() == 7200
    assert policy.risk.stalled_days == shipped.risk.stalled_days
    monkeypatch.setenv("APPROVAL_TIMEOUT_HOURS", "24")
    assert Settings.load().policy().approvals.timeout.total_seconds() == 24 * 3600
    monkeypatch.setenv("SESSION_MAX_CONCURRENT", "7")
    monkeypatch.setenv("SESSION_TIMEOUT_SECS", "90")
    monkeypatch.setenv("SESSION_CLEANUP_INTERVAL", "300")
    policy = Settings.load().policy()
    assert policy.admission.max_open == 7
    assert policy.idle.timeout is not None
    assert policy.idle.timeout.total_seconds() == 90
    assert list(environment_aliases.without_effect()) == ["SESSION_CLEANUP_INTERVAL"]


def test_a_policy_file_wins_over_aliases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("[risk]\ninactivity_days = 21\n")
    monkeypatch.setenv("REVIEWS_POLICY_FILE", str(file))
    monkeypatch.setenv("INACTIVITY_THRESHOLD_DAYS", "20")
    monkeypatch.setenv("DEAL_STALLED_THRESHOLD_DAYS", "25")
    policy = Settings.load().policy()
    assert policy.risk.inactivity_days == 21
    assert policy.risk.stalled_days == 25


@pytest.mark.parametrize("value", ["soon", "1.5", "-1", "0", "99999"])
def test_a_bad_alias_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("INACTIVITY_THRESHOLD_DAYS", value)
    with pytest.raises((BadInputError, PolicyError)) as caught:
        Settings.load().policy()
    assert "INACTIVITY_THRESHOLD_DAYS" in f"{caught.value.message} {caught.value.hint}"


def test_snapshot_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_NOTES_PER_ACCOUNT", "7")
    limits = Settings.load().snapshot_limits()
    assert (limits.notes, limits.deals) == (7, 20)
    monkeypatch.setenv("MAX_NOTES_PER_ACCOUNT", "0")
    with pytest.raises(BadInputError, match="MAX_NOTES_PER_ACCOUNT is 0"):
        Settings.load().snapshot_limits()


def test_aliases_say_how_services_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOHO_API_TIMEOUT", "12.5")
    monkeypatch.setenv("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "7")
    monkeypatch.setenv("RETRY_JITTER_ENABLED", "False")
    monkeypatch.setenv("MAX_RETRY_ATTEMPTS", "4")
    monkeypatch.setenv("REVIEWS_RETRY_TRIES", "2")
    settings = Settings.load()
    assert (settings.api_timeout, settings.breaker_failures) == (12.5, 7)
    assert (settings.retry_jitter, settings.retry_tries) == (False, 2)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "2", "from 3 to 10"),
        ("CIRCUIT_BREAKER_RECOVERY_TIMEOUT", "301", "from 30 to 300"),
        ("ZOHO_API_TIMEOUT", "soon", "from 1 to 600"),
        ("RETRY_BASE_DELAY", "nan", r"from 0\.1 to 60"),
        ("RETRY_JITTER_ENABLED", "perhaps", "true or false"),
        ("REVIEWS_API_TIMEOUT", "0", r"from 0\.1 to 600"),
        ("REVIEWS_BREAKER_TRIALS", "2.5", "whole number"),
        ("REVIEWS_RETRY_JITTER", "2", "true or false"),
    ],
)
def test_what_does_not_fit_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInputError, match=f"{name} is '{value}'.*{said}"):
        Settings.load()


def test_names_without_effect_are_reported() -> None:
    reported = environment_aliases.without_effect(
        {"REDIS_HOST": "x", "REDIS_PORT": "1", "HOME": "/", "REDIS": ""}
    )
    assert list(reported) == ["REDIS_HOST", "REDIS_PORT"]


def test_no_alias_is_also_without_effect() -> None:
    known = {
        *environment_aliases.POLICY,
        *environment_aliases.LIMITS,
        *environment_aliases.DATABASE,
        *environment_aliases.CALLS,
        environment_aliases.JITTER,
    }
    assert environment_aliases.without_effect(dict.fromkeys(known, "1")) == {}


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWS_TENANT", "")
    assert Settings.load().tenant == "default"


def test_the_stack_of_a_dead_process_is_not_there(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    with pytest.raises(UnreachableError, match="no stack runs"):
        settings.require_database_url()
    document = {"pid": os.getpid(), "database_url": "postgresql://x/y"}
    (tmp_path / "stack.json").write_text(json.dumps(document))
    assert Settings.load(data_dir=tmp_path).require_database_url() == "postgresql://x/y"
    (tmp_path / "stack.json").write_text(json.dumps(document | {"pid": 2**22 + 1}))
    assert Settings.load(data_dir=tmp_path).stack == {}


def test_pages_are_where_they_are_said_to_be_or_where_the_stack_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings.load(data_dir=tmp_path).pages_url is None
    document = {"pid": os.getpid(), "database_url": "postgresql://x/y", "web_url": "http://here:1"}
    (tmp_path / "stack.json").write_text(json.dumps(document))
    assert Settings.load(data_dir=tmp_path).pages_url == "http://here:1"
    monkeypatch.setenv("REVIEWS_DATABASE_URL", "postgresql://elsewhere/y")
    assert Settings.load(data_dir=tmp_path).pages_url is None
    monkeypatch.setenv("REVIEWS_WEB_URL", "https://reviews.example")
    assert Settings.load(data_dir=tmp_path).pages_url == "https://reviews.example"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p%40ss@h:1/d", "postgresql://u:***@h:1/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://h/d?user=u&password=p&x=1", "postgresql://h/d?user=u&password=***&x=1"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_the_audit_rules_of_an_unchanged_policy_are_known() -> None:
    settings = Settings.load()
    assert settings.audit_rules() == rules_of(settings.policy()) == DEFAULT


def test_the_audit_rules_of_a_changed_policy_are_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[audit]\nredact_keys = ["badge"]\n')
    monkeypatch.setenv("REVIEWS_POLICY_FILE", str(file))
    assert Settings.load().audit_rules().redact_keys == ("badge",)
    file.write_text("[audit]\nredact = 1\n")
    with pytest.raises(PolicyError, match="redact"):
        Settings.load().audit_rules()


@pytest.mark.parametrize("name", ["INACTIVITY_THRESHOLD_DAYS", "APPROVAL_TIMEOUT"])
def test_an_alias_is_checked_although_no_rule_is_asked_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "soon")
    with pytest.raises(BadInputError, match=name):
        Settings.load().audit_rules()


def test_what_does_not_fit_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWS_LOG_LEVEL", "loud")
    with pytest.raises(BadInputError) as caught:
        Settings.load()
    assert caught.value.message == (
        "REVIEWS_LOG_LEVEL is 'loud': input should be 'debug', 'info', 'warning' or 'error'"
    )
    monkeypatch.setenv("REVIEWS_LOG_LEVEL", "debug")
    monkeypatch.setenv("REVIEWS_TENANT", "half \udce4 letter")
    with pytest.raises(BadInputError, match="REVIEWS_TENANT is"):
        Settings.load()


def test_names_are_read_in_any_case_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("reviews_tenant", "small")
    monkeypatch.setenv("REVIEWS_DATA_DIR", "/from/environment")
    settings = Settings.load(data_dir="/from/flag", tenant=None)
    assert (settings.tenant, settings.data_dir) == ("small", Path("/from/flag"))


def test_a_tilde_is_the_home_directory_for_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REVIEWS_DATA_DIR", "~/x")
    monkeypatch.setenv("REVIEWS_POLICY_FILE", "~/policy.toml")
    assert Settings.load().data_dir == tmp_path / "x"
    assert Settings.load().policy_file == tmp_path / "policy.toml"
    assert Settings.load(data_dir=Path("~/y")).data_dir == tmp_path / "y"
    with pytest.raises(BadInputError, match="REVIEWS_DATA_DIR is '~nobody-here/x'"):
        Settings.load(data_dir="~nobody-here/x")


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("a:secret\n", encoding="utf-8")
    assert Settings(approval_keys="b:x").secret("approval_keys") == "b:x"
    assert Settings(approval_keys_file=file).secret("approval_keys") == "a:secret"
    assert Settings().secret("approval_keys") is None
    with pytest.raises(BadInputError, match="both REVIEWS_APPROVAL_KEYS and"):
        Settings(approval_keys="b:x", approval_keys_file=file).secret("approval_keys")
    with pytest.raises(BadInputError, match="cannot be read: No such file"):
        Settings(approval_keys_file=tmp_path / "none").secret("approval_keys")
    file.write_bytes(b"\xff")
    with pytest.raises(BadInputError, match="not UTF-8 text"):
        Settings(approval_keys_file=file).secret("approval_keys")
    assert "b:x" not in repr(Settings(approval_keys="b:x"))


def test_names_of_earlier_installations_set_what_comes_in_by_webhooks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", "of-zoho")
    monkeypatch.setenv("WEBHOOK_MAX_QUEUE_SIZE", "500")
    monkeypatch.setenv("WEBHOOK_EVENT_TTL", "7200")
    settings = Settings.load()
    assert (settings.secret("zoho_webhook_secret"), settings.webhook_max_queue) == ("of-zoho", 500)
    assert settings.policy().events.duplicates == timedelta(hours=2)
    monkeypatch.setenv("REVIEWS_ZOHO_WEBHOOK_SECRET", "ours")
    monkeypatch.setenv("REVIEWS_WEBHOOK_MAX_QUEUE", "7")
    settings = Settings.load()
    assert (settings.zoho_webhook_secret, settings.webhook_max_queue) == ("ours", 7)
    assert "WEBHOOK_BATCH_SIZE" in without_effect({"WEBHOOK_BATCH_SIZE": "10"})
    assert without_effect({"WEBHOOK_SECRET": "x", "WEBHOOK_MAX_QUEUE_SIZE": "5"}) == {}
