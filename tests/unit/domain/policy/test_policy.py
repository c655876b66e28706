"""The policy file: complete, checked key by key, and never silently ignored."""

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from account_reviews.domain.durations import format_duration, parse_duration
from account_reviews.domain.errors import PolicyError
from account_reviews.domain.policy.model import (
    SHIPPED,
    Policy,
    as_document,
    flat,
    load_policy,
    parse_policy,
)


def test_the_shipped_file_names_every_key_with_its_default() -> None:
    assert tomllib.loads(SHIPPED.read_text()) == Policy().model_dump(mode="json")
    assert load_policy() == Policy()


def test_a_file_needs_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('version = "ours-2"\n[approvals]\ntimeout = "3d"\n[risk]\nstalled_days = 20\n')
    policy = load_policy(path)
    assert policy.risk.stalled_days == 20
    assert policy.approvals.timeout == timedelta(days=3)
    assert policy.version == "ours-2"
    assert policy.attention == Policy().attention


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[risk]\ninactivity_days = 0",
            "risk.inactivity_days is 0, but must be a whole number from 1 to 3650",
        ),
        (
            "[risk]\ninactivity_days = true",
            "risk.inactivity_days is true, but must be a whole number from 1 to 3650",
        ),
        (
            '[money]\ncurrency = "euro"',
            "money.currency is 'euro', but must be the code of a currency such as EUR, or empty",
        ),
        (
            '[approvals]\non_timeout = "approve"',
            "approvals.on_timeout is 'approve', but must be one of reject, defer",
        ),
        (
            '[approvals]\ntimeout = "3 days"',
            "approvals.timeout is '3 days', but must be a duration from 1s to 365d",
        ),
        (
            '[approvals]\ntimeout = "366d"',
            "approvals.timeout is '366d', but must be a duration from 1s to 365d",
        ),
        (
            "[approvals.routes]\nmin_confidence = 1.5",
            "approvals.routes.min_confidence is 1.5, but must be a number from 0 to 1",
        ),
        ('[approvals]\nauto = ["delete"]', "approvals.auto is ['delete'], but must be a list of"),
        (
            '[approvals]\nrequire_signed = "no"',
            "approvals.require_signed is 'no', but must be true or false",
        ),
        (
            "[recommendations]\nmin_confidence = nan",
            "recommendations.min_confidence is nan, but must be a number from 0 to 1",
        ),
        (
            "[urgency.factors]\nescalation = 0",
            "urgency.factors.escalation is 0, but must be a number above 0 and up to 5",
        ),
        (
            "[risk.stalled_by_stage]\nNegotiation = 0",
            "risk.stalled_by_stage is {'Negotiation': 0}, but must be a table of",
        ),
        ("risk = 3", "risk is 3, but must be a table with rule, inactivity_days"),
        (
            '[risk]\nrule = "memory"',
            "risk.rule is 'memory', but must be one of account_score, signals",
        ),
        ("version = 1", "version is 1, but must be a text of 1 to 50 characters"),
        (
            "[approvals.routes]\npersonal_data = 1",
            "personal_data is 1, but must be a list of texts",
        ),
        ("[resume]\ncontext_max_age = 5", 'such as "3650d" or "off"'),
        (
            "[risk]\ninactivty_days = 3",
            "risk.inactivty_days is not a policy key; did you mean risk.inactivity_days?",
        ),
        ("[extra]\nx = 1", "extra is not a policy key; the policy has version, approvals"),
        ("[idle]\nfoo = 1", "idle.foo is not a policy key; [idle] has timeout"),
        ("[risk.bands]\nhigh = 90", "risk.bands.critical is 80, but must be above risk.bands.high"),
        (
            "[attention]\ninactivity_days = 30",
            "risk.inactivity_days is 30, but must be above attention.inactivity_days",
        ),
        ("[risk.score]\ninactive = 10", "risk.score.inactive is 10, but must be at least"),
        ("[confidence]\nhistory_weight = 0.3", "add up to 1.1, but must add up to 1"),
        ("not toml", "the policy is not valid TOML"),
        (f"x = {'[' * 5000}{']' * 5000}", "the policy is nested too deeply"),
        (f"x = {'1' * 5000}", "the policy is not valid TOML"),
    ],
)
def test_a_fault_is_one_sentence_with_key_value_and_range(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read: No such file"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'version = "\xe9"')
    with pytest.raises(PolicyError, match="not UTF-8"):
        load_policy(tmp_path / "latin.toml")


def test_the_hash_is_of_the_meaning() -> None:
    assert parse_policy('[approvals]\ntimeout = "3d"').hash == load_policy().hash
    assert parse_policy('[approvals]\ntimeout = "71h"').hash != load_policy().hash


def test_no_timeout_ever_approves() -> None:
    for word in ("approve", "approved", "APPROVE"):
        with pytest.raises(PolicyError):
            parse_policy(f'[approvals]\non_timeout = "{word}"')


def test_a_policy_travels_as_json_and_ignores_newer_keys() -> None:
    policy = parse_policy('[resume]\ncontext_max_age = "2h"\n[risk.stalled_by_stage]\nProposal = 9')
    assert Policy.model_validate_json(policy.model_dump_json()) == policy
    assert Policy.model_validate({"later": {"x": 1}}) == Policy()


def test_off_is_none() -> None:
    assert load_policy().resume.context_max_age is None
    assert parse_policy('[idle]\ntimeout = "off"').idle.timeout is None


def test_numbers_are_found_by_dotted_key() -> None:
    assert Policy().number("risk.bands.high") == 50
    for key in ("risk.rule", "risk.none", "risk", "approvals.require_signed"):
        with pytest.raises(KeyError):
            Policy().number(key)


def test_documents_for_people_and_programs() -> None:
    policy = load_policy()
    document: dict[str, Any] = as_document(policy)
    assert document["hash"] == policy.hash
    assert document["approvals"]["timeout"] == "72h"
    rows = dict(flat(policy))
    assert rows["approvals.timeout"] == '"72h"'
    assert rows["risk.stalled_by_stage"] == "{}"


@pytest.mark.parametrize("text", ["0s", "90s", "300s", "45m", "72h", "30d", "2555d"])
def test_durations_round_trip(text: str) -> None:
    assert format_duration(parse_duration(text), text[-1]) == text  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "3", "d", "-3d", "3w", "3 d", "1.5h", "9999999999d", "off"])
def test_other_forms_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'channels = ["pigeon"]',
            "channels is ['pigeon'], but must be a list of some of console, email, webhook",
        ),
        ('time_zone = "Berlin"', "time_zone is 'Berlin', but must be an IANA time zone"),
        ('time_zones = { "Ann" = "CEST" }', "time_zones.Ann is 'CEST', but must be an IANA"),
        (
            'addresses = { "Ann" = "ann@example.com, eve@example.com" }',
            "addresses.Ann is 'ann@example.com, eve@example.com', but must be one e-mail address",
        ),
        (
            'addresses = { "Ann" = "ann@example.com\\nBcc: eve@example.com" }',
            "must be one e-mail address",
        ),
        ('digest = "sometimes"', "digest is 'sometimes', but must be one of always, news, off"),
    ],
)
def test_notifications_that_would_reach_nobody_are_refused(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(f"[notifications]\n{text}")
    assert message in caught.value.message


def test_a_name_is_found_however_it_is_spelled() -> None:
    found = parse_policy(
        '[notifications]\ntime_zone = "Europe/Paris"\n'
        '[notifications.addresses]\n"Ann Smith" = "ann@example.com"\n'
        '[notifications.time_zones]\n"o-1" = "Asia/Tokyo"\n'
    ).notifications
    assert found.address_of("nobody", None, " ann  SMITH") == "ann@example.com"
    assert found.address_of("nobody") is None
    assert found.zone_of("Ann Smith", "O-1").key == "Asia/Tokyo"
    assert found.zone_of("Ann Smith").key == "Europe/Paris"
