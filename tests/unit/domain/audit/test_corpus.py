"""What is found in texts and values: `secrets.tsv` (what must not be left), `kept.txt` (what must).

A line of the table (`⏎` is a new line) is tried as a text, as what a text holds when it is JSON,
and at every place where texts leave: the trail, the log, a failure in a history, an error on a
terminal.
"""

import csv
import io
import json
import logging
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from account_reviews.cli import output
from account_reviews.domain.audit.redaction import DEFAULT, SECRETS_ONLY, redact, redact_text
from account_reviews.domain.errors import BadInputError
from account_reviews.telemetry.logs import logging_to
from account_reviews.temporal.failures import DATA_CONVERTER

_HERE: Final = Path(__file__).parent
with (_HERE / "secrets.tsv").open(encoding="utf-8", newline="") as _stream:
    CASES: Final = [
        tuple(cell.replace("⏎", "\n") for cell in row)
        for row in csv.reader(_stream, delimiter="\t", quoting=csv.QUOTE_NONE)
    ][1:]
KEPT: Final = (_HERE / "kept.txt").read_text(encoding="utf-8").splitlines()
_AROUND: Final = ("{}", "it said ({}) at noon", "line\n{}\nline", "a: b, {}, c=d", "[{}]")

Case = tuple[str, str, str]


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_it_is_left_in_a_text(case: Case) -> None:
    text, secret, kind = case
    for rules in (DEFAULT, SECRETS_ONLY) if kind == "secret" else (DEFAULT,):
        for around in _AROUND:
            kept = redact_text(around.replace("{}", text), rules)
            assert secret not in kept
            assert redact_text(kept, rules) == kept


@pytest.mark.parametrize("case", [case for case in CASES if case[0].startswith('{"')])
def test_nothing_of_it_is_left_in_a_value(case: Case) -> None:
    text, secret, _ = case
    value = json.loads(text)
    for held in (value, [value], {"sent": {"body": value}}, {"body": text}, {"body": repr(value)}):
        kept = redact(held, DEFAULT)
        assert secret not in json.dumps(kept)
        assert redact(kept, DEFAULT) == kept


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_it_is_left_in_the_log(case: Case) -> None:
    text, secret, _ = case
    stream = io.StringIO()
    with logging_to(stream):
        try:
            raise RuntimeError(text)
        except RuntimeError:
            logging.getLogger("tests").exception("it failed: %s", text, extra={"sent": [text]})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines
    for line in lines:
        assert secret not in line["event"]
        assert secret not in str(line["sent"])
        assert secret not in line["exception"]


@pytest.mark.parametrize("case", [case for case in CASES if case[2] == "secret"])
async def test_nothing_of_it_is_left_in_a_failure(case: Case) -> None:
    text, secret, _ = case
    failure = Failure()
    await DATA_CONVERTER.encode_failure(ApplicationError(text), failure)
    assert secret not in failure.message
    assert secret not in failure.stack_trace


@pytest.mark.parametrize("case", [case for case in CASES if case[2] == "secret"])
def test_nothing_of_it_is_left_on_a_terminal(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text, secret, _ = case
    monkeypatch.setattr(output, "leave", lambda code: None)
    output.fail(BadInputError(text, hint=text))
    assert secret not in capsys.readouterr().err


@pytest.mark.parametrize("text", KEPT)
def test_ids_paths_and_prose_stay(text: str) -> None:
    for around in ("{}", "it said ({}) at noon", "line\n{}\nline"):
        assert redact_text(around.replace("{}", text), DEFAULT) == around.replace("{}", text)
    if text.startswith("{"):
        value: Any = json.loads(text)
        assert redact(value, DEFAULT) == value


@pytest.mark.parametrize("after", ["", "\n", "\r\nline"])
def test_a_word_alone_below_the_name_of_a_password_is_one(after: str) -> None:
    for name in ("password:", "Passwort: ", "password ="):
        assert "swordfish" not in redact_text(f"{name}\n  swordfish{after}", DEFAULT)
    for text in ("password:\nuser: ann", "password:\nRequired\n", "password:\nit is long"):
        assert redact_text(text, DEFAULT) == text


@pytest.mark.parametrize("first", ["at61 1904 3002 3457 3201", "DE89370400440532013000"])
def test_what_follows_an_account_number_stays(first: str) -> None:
    for after in (" with love", " is open", ", 12", " gone"):
        assert redact_text(first + after, DEFAULT) == f"**** **** ****{after}"
    assert redact_text(f"{first} {first}", DEFAULT) == "**** **** **** **** **** ****"


def test_what_was_typed_is_repeated_as_it_was_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed, other = "Acc0123456789AbcdefGhijklmNopqrsTuv", "Key0123456789AbcdefGhijklmNopqrsTuv"
    monkeypatch.setattr(output, "leave", lambda code: None)
    monkeypatch.setattr("sys.argv", ["reviews", "start", f"north/{typed}"])
    output.fail(BadInputError(f"no account {typed}, and {other} is none"))
    assert capsys.readouterr().err == f"no account {typed}, and **** is none\n"
