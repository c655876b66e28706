"""What is kept of values: no secret, no personal data, and every id as it is."""

import hashlib
import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from account_reviews.domain.audit.redaction import (
    DEFAULT,
    MAX_NODES,
    MAX_TEXT,
    REDACTED,
    SECRETS_ONLY,
    Rules,
    describe,
    describe_json,
    redact,
    redact_text,
    rules_of,
)
from account_reviews.domain.canonical import content_hash
from account_reviews.domain.policy.model import parse_policy
from account_reviews.domain.proposals import ItemState

CANARY = "kjh4-CANARY-9s8df"

SECRET_NAMES = (
    *("password", "api_key", "apiKey", "API-KEY", "x-api-key", "secret", "token", "Authorization"),
    *(
        "refresh_token",
        "refreshToken",
        "ACCESS_TOKEN",
        "client_secret",
        "clientSecret",
        "dbPassword",
    ),
    *("authorization", "Proxy-Authorization", "private_key", "aws_secret_access_key", "passwords"),
    *("password_hash", "password2", "secret_value", "session.cookie", "idToken", "\uff50assword"),
)
PLAIN_NAMES = (
    *("token_count", "max_token_count", "token_type", "secretary", "passport_no", "keyword", "key"),
    *("authorized_by", "author", "password_policy", "tokenizer", "monkey", "api_keyboard"),
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_secret_fields_are_redacted_at_any_depth(name: str) -> None:
    held = {"a": [{"b": ({name: CANARY}, {name: [CANARY, {"x": CANARY}]})}], name: {"deep": CANARY}}
    kept = json.dumps(redact(held, DEFAULT))
    assert CANARY not in kept
    assert kept.count(REDACTED) == 3
    assert redact({name: None}, DEFAULT) == {name: None}


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_other_fields_are_kept(name: str) -> None:
    assert redact({name: "12 of them"}, DEFAULT) == {name: "12 of them"}


def test_a_name_beside_its_value_counts() -> None:
    """As headers, variables and labels are held."""
    secret: tuple[Any, ...] = (
        ("x-api-key", CANARY),
        ["Authorization", f"Basic {CANARY}"],
        (b"authorization", f"Basic {CANARY}"),
        {b"x-api-key": CANARY},
        {"name": "api_key", "value": CANARY},
        {"key": "db password", "value": CANARY, "more": 1},
        {"Name": "DB_PASSWORD", "Value": [CANARY]},
        {"value": {"x": CANARY}, "name": "client_secret"},
    )
    for held in secret:
        kept = redact({"list": [held, held]}, DEFAULT)
        assert CANARY not in json.dumps(kept)
        assert json.dumps(kept).count(REDACTED) == 2
        assert redact(kept, DEFAULT) == kept
    assert redact([["pin code", CANARY], ["pinCode", CANARY]], Rules(redact_keys=("pincode",))) == [
        ["pin code", CANARY],
        ["pinCode", REDACTED],
    ], "two texts are a name and a value when the first is one word"
    assert redact({"name": "phone", "value": "5551234567"}, DEFAULT)["value"] == "***-***-****"  # type: ignore[index,call-overload]
    plain: tuple[Any, ...] = (
        ["risk", "high"],
        ["name the token", "and go on"],
        ["secret", None],
        ["token", "a", "b"],
        {"name": "plan", "value": "gold"},
        {"name": "secret", "values": 1},
        {"name": "account_id", "value": "5843104000000424162"},
    )
    for held in plain:
        assert redact(held, DEFAULT) == held


def test_numbers_of_texts_can_be_secrets() -> None:
    assert redact_text('{"password": 123456, "n": 123456}', DEFAULT) == (
        f'{{"password": {REDACTED}, "n": 123456}}'
    )
    assert redact_text("{'pwd': 123456}", DEFAULT) == f"{{'pwd': {REDACTED}}}"


def test_a_number_of_tokens_is_told_and_a_list_of_tokens_is_not() -> None:
    held = {"tokens": 12, "input_tokens": 5, "api_tokens": ["abc"], "ids": ["a"]}
    kept = {"tokens": 12, "input_tokens": 5, "api_tokens": REDACTED, "ids": ["a"]}
    assert redact(held, DEFAULT) == kept


def test_the_policy_names_more_secret_fields() -> None:
    policy = parse_policy('[audit]\nvalues = "masked"\nredact_keys = ["pin code"]\n')
    rules = rules_of(policy)
    assert rules == Rules(values="masked", redact_keys=("pin code",))
    assert redact({"pinCode": 1234, "home_pin_code": "x"}, rules) == {
        "pinCode": REDACTED,
        "home_pin_code": REDACTED,
    }
    assert redact({"pinCode": 1234}, DEFAULT) == {"pinCode": 1234}


MASKED = (
    ("write to ann.b+c@corp.example.com, please", "write to ***@***.***, please"),
    ("<müller@firma.de>", "<***@***.***>"),
    ("call 555-123-4567 or (555) 123-4567.", "call ***-***-**** or ***-***-****."),
    ("555.123.4567", "***-***-****"),
    ("phone 555 123 4567 today", "phone ***-***-**** today"),
    ("+49 30 901820 and +15551234567", "***-***-**** and ***-***-****"),
    ("+44 (20) 7946 0958", "***-***-****"),
    ("SSN 078-05-1120.", "SSN ***-**-****."),
    ("card 4111 1111 1111 1111", "card ****-****-****-****"),
    ("4111-1111-1111-1111,378282246310005", "****-****-****-****,****-****-****-****"),
    ("paid with 5555555555554444", "paid with ****-****-****-****"),
    ("key A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6 used", "key **** used"),
)
SECRET_TEXTS = (
    f"postgresql://reviews:{CANARY}@db.example.com:5432/reviews",
    f"cannot connect to postgresql+asyncpg://u:{CANARY}/x@[::1]:5432/r?ssl=require",
    f"Authorization: Bearer {CANARY}",
    f"authorization=Basic {CANARY}",
    f"sent bearer {CANARY} to the CRM",
    f"password={CANARY} host=db",
    f"https://crm.example.com/?access_token={CANARY}&page=2",
    f'{{"client_secret": "{CANARY}"}}',
    f"{{'api_key': '{CANARY}'}}",
    f'{{\\"refresh_token\\":\\"{CANARY}\\"}}',
    f"x-api-key: {CANARY}",
    f"PGPASSWORD={CANARY}",
    f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
    f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}",
    f"rvw_{CANARY}",
    f"sk-ant-api03-{CANARY}-more",
    f"ghp_{CANARY.replace('-', '')}0000",
    f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
    f"{{b'x-api-key': b'{CANARY}'}}",
    f"{{b'authorization': b'Basic {CANARY}', b'accept': b'*/*'}}",
    f"[(b'authorization', b'Basic {CANARY}'), (b'accept', b'*/*')]",
    f"headers=[('x-api-key', '{CANARY}')]",
    f'["client_secret", "{CANARY}"]',
    f'[\\"client_secret\\", \\"{CANARY}\\"]',
    f"Cookie: a=1; sid={CANARY}; b=2",
    f"GET / HTTP/1.1\r\nCOOKIE: a=1;sid={CANARY}\r\nAccept: */*",
    f"set-cookie: theme=dark; sid={CANARY}; Path=/",
)
SURVIVE = (
    *("ac-034", "5843104000000424162", "4843104000000424163", "0015g00000XyZ12AAB", "5551234567"),
    *("acc-555-123-4567", "12345678901", "1761900000000", "1761900000000123", "HUB-9876543210"),
    *("01a1fd1a-0a61-74dd-8d70-9cfcf2fa2255", "550e8400-e29b-41d4-a716-446655440000"),
    *("review/ac-034", "review/emea/5843104000000424162", "cycle/daily-2026-10-01T06:00:00Z"),
    hashlib.sha256(b"x").hexdigest(),
    "01a1fd1a-0a61-74dd-8d70-9cfcf2fa2255:9f86d081884c7d65",
    *("2026-10-01", "2026-10-01T09:30:00.123456Z", "2026-10-01T10:00:00+00:00", "01-10-2026"),
    *(
        "100000",
        "1100.4",
        "1,234,567.89",
        "$1,000,000.00",
        "-12345678.90",
        "EUR 12 345 678",
        "+5 %",
    ),
    *(
        "1.29.0",
        "v2.10.3-rc1",
        "10.0.0.12:5432",
        "192.168.100.200",
        "postgresql://u@h:5432/db",
        "amqp://u:***@h:1/db",
    ),
    *("http://127.0.0.1:8080/x?a=1", "token: it is missing", "the secret is out", "ann@laptop"),
    *("Cookie: it is missing", "one of ['token', 'name', 'id']", '"token_count": 123456'),
    *("('account', 'secretary')", "cookies are on"),
    *("rows 100 200 3000 4000", "Invalid value for '--token': nothing given", "100-200-300"),
)


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert redact_text(text, DEFAULT) == masked
    assert redact({"n": [text]}, DEFAULT) == {"n": [masked]}


def test_personal_data_is_told_where_the_policy_says_so() -> None:
    for text, _ in MASKED[:-1]:
        assert redact_text(text, SECRETS_ONLY) == text


@pytest.mark.parametrize("text", SECRET_TEXTS)
@pytest.mark.parametrize("rules", [DEFAULT, SECRETS_ONLY])
def test_no_secret_of_a_text_is_kept(text: str, rules: Rules) -> None:
    for around in ("{}", "see ({}) there", "line\n{}\nline"):
        kept = redact_text(around.format(text), rules)
        assert "CANARY" not in kept
        assert redact_text(kept, rules) == kept


@pytest.mark.parametrize("text", SURVIVE)
def test_ids_dates_amounts_and_versions_survive(text: str) -> None:
    for around in ("{}", "the account {}, today", "({})", "a={}"):
        assert redact_text(around.format(text), DEFAULT) == around.format(text)
    assert redact({"x": [text], text: text}, DEFAULT) == {"x": [text], text: text}


@given(st.uuids(), st.binary(min_size=8, max_size=8), st.integers(), st.datetimes())
def test_our_ids_survive(uuid: UUID, raw: bytes, number: int, at: datetime) -> None:
    digest = hashlib.sha256(raw).hexdigest()
    for text in (str(uuid), f"{uuid}:{raw.hex()}/1/start", digest, at.isoformat()):
        assert redact_text(text, DEFAULT) == text
    held = {"trace_id": uuid.hex, "changeIds": [raw.hex()], "n": number, "snapshot_ref": digest}
    kept = redact(held, DEFAULT)
    assert isinstance(kept, dict)
    assert kept["trace_id"] == uuid.hex
    assert kept["changeIds"] == [raw.hex()]
    assert kept["snapshot_ref"] == digest
    assert str(kept["n"]) == str(number)


@given(st.from_regex(r"[1-9][0-9]{9,18}", fullmatch=True))
def test_account_ids_of_a_crm_survive(number: str) -> None:
    """Digits in a row are an id; only those of a real card are masked, and never in an id field."""
    assert redact({"account_id": number, "ids": [number]}, DEFAULT) == {
        "account_id": number,
        "ids": [number],
    }
    if redact_text(number, DEFAULT) != number:
        assert len(number) in {14, 15, 16}
        assert luhn(number)


def luhn(number: str) -> bool:
    doubled = [
        int(digit) * 2 if place % 2 else int(digit) for place, digit in enumerate(number[::-1])
    ]
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def test_phone_fields_are_masked_whatever_they_look_like() -> None:
    held = {"phone": "5551234567", "mobilePhone": "0171/1234", "Fax": 4930901820, "phone_id": "77"}
    kept = dict.fromkeys(("phone", "mobilePhone", "Fax"), "***-***-****") | {"phone_id": "77"}
    assert redact(held, DEFAULT) == kept
    assert redact(held, SECRETS_ONLY) == held


class Inner(BaseModel):
    password: str
    amount: Decimal


class Outer(BaseModel):
    secretly: SecretStr
    inner: list[Inner]
    state: ItemState
    at: datetime


def outer() -> Outer:
    return Outer(
        secretly=SecretStr(CANARY),
        inner=[Inner(password=CANARY, amount=Decimal("1100.40"))],
        state=ItemState.APPROVED,
        at=datetime(2026, 10, 1, tzinfo=UTC),
    )


def test_models_are_told_like_mappings() -> None:
    assert redact(outer(), DEFAULT) == {
        "secretly": REDACTED,
        "inner": [{"password": REDACTED, "amount": "1100.4"}],
        "state": "approved",
        "at": "2026-10-01T00:00:00Z",
    }
    kept = describe(outer(), DEFAULT)
    assert kept["keys"] == [
        *("at", "inner", "inner[].amount", "inner[].password", "secretly", "state"),
    ]


def test_inputs_are_told_by_keys_and_hash() -> None:
    held = {"b": {"c": 1.5, "d": [{"e": 1}, {"f": 2}]}, "a": CANARY}
    kept = describe(held, DEFAULT)
    assert kept == {
        "keys": ["a", "b", "b.c", "b.d", "b.d[].e", "b.d[].f"],
        "sha256": content_hash(held),
    }
    assert describe("text", DEFAULT) == {"keys": [], "sha256": content_hash("text")}
    shown = describe({**held, "token": CANARY}, Rules(values="masked"))
    assert shown["values"] == {
        **held,
        "b": {"c": "1.5", "d": [{"e": 1}, {"f": 2}]},
        "token": REDACTED,
    }


def test_keys_that_are_data_are_masked_too() -> None:
    held = {"ann@corp.example": 1, "bob@corp.example": 2, 3: 4}
    assert redact(held, DEFAULT) == {"***@***.***": 1, "***@***.***'": 2, "3": 4}
    assert describe(held, DEFAULT)["keys"] == ["***@***.***", "3"]


ANYTHING: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.binary(max_size=5)
    | st.datetimes()
    | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec=None)) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


def storable(value: object) -> bool:
    match value:
        case str():
            return "\x00" not in value and bool(value.encode() or True)
        case None | bool():
            return True
        case int():
            return abs(value) < 2**63
        case list():
            return all(map(storable, value))
        case dict():
            return all(isinstance(key, str) and storable(key) for key in value) and all(
                map(storable, value.values())
            )
    return False


@given(ANYTHING)
def test_whatever_comes_can_be_stored(value: Any) -> None:
    assert storable(redact(value, DEFAULT))
    assert storable(describe(value, Rules(values="masked")))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(_JSON, st.sampled_from([DEFAULT, Rules(values="masked")]))
def test_a_value_that_comes_from_json_is_described_alike(value: Any, rules: Rules) -> None:
    document = json.loads(json.dumps(value))
    assert describe_json(document, rules) == describe(value, rules)


@given(ANYTHING)
def test_telling_twice_changes_nothing(value: Any) -> None:
    kept = redact(value, DEFAULT)
    assert redact(kept, DEFAULT) == kept


def test_size_and_depth_are_bounded() -> None:
    chaos = random.Random(7)
    deep: Any = CANARY
    for _ in range(5_000):
        deep = [deep] if chaos.random() < 0.5 else {"x": deep}
    assert "too deep" in json.dumps(redact(deep, DEFAULT))
    assert describe(deep, DEFAULT)["sha256"]
    looped: list[Any] = []
    looped.append(looped)
    assert "too deep" in json.dumps(redact(looped, DEFAULT))
    assert describe(looped, DEFAULT)["sha256"]
    wide = redact({f"k{number}": "word " * 9 for number in range(50_000)}, DEFAULT)
    assert isinstance(wide, dict)
    assert len(wide) == MAX_NODES
    assert wide["…"] == f"{50_000 - MAX_NODES + 1} more"
    kept = describe({f"k{number}": 1 for number in range(500)}, DEFAULT)
    assert (len(kept["keys"] or ""), kept["more_keys"]) == (200, 300)  # type: ignore[arg-type]
    cut = redact_text("word " * 400_000, DEFAULT)
    assert cut == ("word " * 800) + f"… {2_000_000 - MAX_TEXT} more characters"


def test_a_secret_on_the_cut_is_not_kept() -> None:
    for before in range(MAX_TEXT - 60, MAX_TEXT + 5):
        text = "x " * (before // 2) + f"password={CANARY}" + " y" * 5_000
        assert "CANARY" not in redact_text(text, DEFAULT)
