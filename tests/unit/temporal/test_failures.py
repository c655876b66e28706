"""Failures leave a worker with their sentence, whatever else there is to say."""

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from temporalio import exceptions
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    WorkflowSerializationContext,
)
from temporalio.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
)

from account_reviews.domain.audit.masks import mask_secrets
from account_reviews.domain.errors import WritesHaltedError
from account_reviews.temporal.failures import DATA_CONVERTER
from account_reviews.temporal.short_failures import CAUSES, LIMIT, cut, short_path
from account_reviews.temporal.worker_interceptor import to_application_error
from tests.support.long_paths import FOLDER, compiled

SENTENCE = "writes are stopped by ann since 2026-10-01T06:00:00Z: wrong owner ids"
SECRET = "Zq7Xw9Kj5Vb3Nf1Hd8Pm"
OF_ACTIVITIES = DATA_CONVERTER.with_context(
    ActivitySerializationContext(
        namespace="default",
        workflow_id="review/ac-017",
        workflow_type="AccountReview",
        activity_type="crm.apply_change",
        activity_id="7",
        activity_task_queue="account-reviews",
        is_local=False,
    )
)
OF_WORKFLOWS = DATA_CONVERTER.with_context(
    WorkflowSerializationContext(namespace="default", workflow_id="review/ac-017")
)


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Result(BaseModel):
    """As large as that of a cycle may be."""

    reviews: list[str]


LARGE = Result(reviews=[f"review/ac-{number:04}" for number in range(1_000)])


def sent(error: BaseException, converter: DataConverter = OF_ACTIVITIES) -> Failure:
    """What leaves the worker."""
    failure = Failure()
    converter.failure_converter.to_failure(error, converter.payload_converter, failure)
    return failure


def chain_of(failure: Failure) -> list[Failure]:
    found = [failure]
    while found[-1].HasField("cause"):
        found.append(found[-1].cause)
    return found


def raised(error: BaseException, depth: int = 0, folder: str = FOLDER) -> BaseException:
    """The error with the trace of so many frames of a file in a long path."""

    def fail() -> NoReturn:
        raise error

    try:
        compiled(folder)["call_from_deep_down"](fail, depth)
    except BaseException as caught:  # noqa: BLE001
        return caught
    raise AssertionError


def chained(errors: Sequence[BaseException]) -> BaseException:
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


texts = st.one_of(
    st.text(max_size=60),
    st.builds(
        lambda text, times: text * times, st.text(min_size=1, max_size=9), st.integers(1, 999)
    ),
)
errors = st.one_of(
    st.builds(RuntimeError, texts),
    st.builds(ApplicationError, texts, st.lists(st.integers() | texts), type=texts),
    st.builds(CancelledError, texts, texts),
    st.builds(
        exceptions.TimeoutError,
        texts,
        type=st.sampled_from(exceptions.TimeoutType),
        last_heartbeat_details=st.lists(texts),
    ),
)
deep = st.builds(raised, errors, st.integers(0, 40))
chains = st.builds(chained, st.lists(deep, min_size=1, max_size=12))


@unhurried
@given(chains, st.sampled_from([OF_ACTIVITIES, DATA_CONVERTER]))
def test_whatever_happens_it_is_short(error: Any, converter: DataConverter) -> None:
    failure = sent(error, converter)
    assert len(failure.SerializeToString()) <= LIMIT == 3_584


@unhurried
@given(chains)
def test_of_a_workflow_it_is_short_but_for_its_details(error: Any) -> None:
    failure = sent(error, OF_WORKFLOWS)
    if failure.HasField("application_failure_info"):
        failure.application_failure_info.ClearField("details")
    assert failure.ByteSize() <= LIMIT


@unhurried
@given(chains)
def test_the_sentence_is_whole_and_first(error: Any) -> None:
    sentence = mask_secrets(getattr(error, "message", str(error)))
    assume(0 < len(sentence.encode()) <= 3_000)
    alone = Failure(message=sentence).SerializeToString()  # with its length: nothing was cut
    assert sent(error).SerializeToString().startswith(alone)


@unhurried
@given(chains)
def test_what_is_passed_on_stays_as_it_is(error: Any) -> None:
    first = sent(error)
    converter = DATA_CONVERTER.failure_converter
    again = sent(converter.from_failure(first, DATA_CONVERTER.payload_converter))
    assert again == first


@unhurried
@given(st.text(min_size=1, max_size=40), st.integers(1, 2_000), st.integers(0, 3))
def test_a_long_sentence_is_cut_between_two_characters(piece: str, times: int, depth: int) -> None:
    text = mask_secrets(piece * times)
    failure = sent(raised(chained([RuntimeError(text) for _ in range(depth + 1)])))
    assert failure.ByteSize() <= LIMIT
    if failure.message != text:
        assert failure.message.endswith("…")
        assert text.startswith(failure.message[:-1])
        assert failure.ByteSize() >= LIMIT - 8


@unhurried
@given(st.text(), st.integers(3, 50))
def test_a_cut_is_as_long_as_it_may_be(text: str, size: int) -> None:
    found = cut(text, size)
    assert len(found.encode()) <= size
    if found != text:
        assert text.startswith(found[:-1])
        assert len(found.encode()) > size - 4


@unhurried
@given(
    st.integers(0, 4_000),
    st.integers(0, 4_000),
    st.integers(1, 9),
    st.sampled_from(["password={}", "postgresql://u:{}@db.example/x", "Authorization: Bearer {}"]),
)
def test_no_piece_of_a_secret_is_left_by_a_cut(
    before: int, after: int, length: int, shape: str
) -> None:
    text = "x " * before + shape.format(SECRET) + " ü" * after
    links = [RuntimeError(text), ApplicationError(text, type="Odd"), OSError(text)] * length
    errors = [type(link)(text) for link in links]
    failure = sent(raised(chained(errors), folder=f"/srv/{'a' * (before % 200)}/{text[-400:]}"))
    pieces = {SECRET[start : start + 4] for start in range(len(SECRET) - 3)}
    data = failure.SerializeToString().decode(errors="replace")
    assert not [piece for piece in pieces if piece in data]


def test_who_stopped_the_writes_is_read_whatever_the_path() -> None:
    halted = WritesHaltedError(SENTENCE, retry_after=30)
    raised(halted, 40)
    error = to_application_error(halted)
    error.__cause__ = halted
    failure = sent(raised(error, 10))
    assert failure.message == failure.cause.message == SENTENCE
    assert failure.application_failure_info.type == "WritesHaltedError"
    assert failure.application_failure_info.next_retry_delay.ToTimedelta() == timedelta(seconds=30)
    assert failure.ByteSize() <= LIMIT
    assert FOLDER not in str(failure)
    trace = failure.cause.stack_trace
    assert trace.count('  File "…/account reviews/crm/gate.py", line ') == 4
    assert trace.endswith("in fail\n    raise error\n")
    assert failure.stack_trace.startswith("  … 8 more above, see the worker's log\n")


def test_frames_go_before_words_and_those_of_causes_first() -> None:
    causes = [raised(RuntimeError(f"cause {number} " + "w " * 100), 9) for number in range(6)]
    failure = sent(chained([raised(RuntimeError(SENTENCE), 9), *causes]))
    first, *others = chain_of(failure)
    assert first.stack_trace.count('  File "') == 5
    assert all(len(one.message) == 208 for one in others)
    assert max(one.stack_trace.count('  File "') for one in others) < 5
    large = sent(chained([raised(RuntimeError("o " * 1_500), 9), *causes]))
    assert large.message == "o " * 1_500
    assert large.stack_trace.count('  File "') == 0


def test_details_go_before_the_sentence_and_only_where_nobody_reads_them() -> None:
    error = ApplicationError(SENTENCE, LARGE, type="Odd", non_retryable=True)
    of_activity = sent(error)
    assert of_activity.message == SENTENCE
    assert not of_activity.application_failure_info.HasField("details")
    assert of_activity.application_failure_info.non_retryable
    for message in (SENTENCE, "w " * 4_500):
        error = ApplicationError(message, LARGE, type="ReviewFailed")
        error.__cause__ = ApplicationError("the cause", LARGE)
        kept = sent(raised(error, 40), OF_WORKFLOWS)
        (payload,) = kept.application_failure_info.details.payloads
        assert Result.model_validate(json.loads(payload.data)) == LARGE
        assert not kept.cause.application_failure_info.HasField("details")
        kept.application_failure_info.ClearField("details")
        assert kept.ByteSize() <= LIMIT
    small = sent(ApplicationError(SENTENCE, "a detail", type="Odd"))
    assert [one.data for one in small.application_failure_info.details.payloads] == [b'"a detail"']


def test_what_came_from_elsewhere_is_masked_and_short_too() -> None:
    foreign = Failure(message=f"password={SECRET}", stack_trace="at Main.java\n" * 900)
    foreign.application_failure_info.type = "Foreign"
    payload = DATA_CONVERTER.payload_converter.to_payload({"message": f"password={SECRET}"})
    foreign.cause.encoded_attributes.CopyFrom(payload)
    inner = foreign.cause
    for number in range(60):
        inner.message = f"cause {number}, token={SECRET}"
        inner = inner.cause
    failure = sent(
        OF_ACTIVITIES.failure_converter.from_failure(foreign, DATA_CONVERTER.payload_converter)
    )
    assert SECRET not in str(failure)
    assert failure.message == "password=***REDACTED***"
    assert failure.stack_trace.count("at Main.java") == 5
    assert len(chain_of(failure)) == CAUSES + 1
    assert failure.ByteSize() <= LIMIT


@pytest.mark.parametrize("number", [50, 5_000])
def test_of_many_causes_the_first_and_the_root_are_left(number: int) -> None:
    failure = sent(chained([RuntimeError(f"cause {at}") for at in range(number)]))
    messages = [one.message for one in chain_of(failure)]
    assert messages == [*(f"cause {at}" for at in range(CAUSES)), f"cause {number - 1}"]
    assert chain_of(failure)[-1].stack_trace == f"  … {number - CAUSES - 1} causes before\n"


@pytest.mark.parametrize("length", [1, 2, 3, 20])
def test_a_chain_that_comes_back_to_itself_ends(length: int) -> None:
    errors = [RuntimeError(f"cause {at}") for at in range(length)]
    chained([*errors, errors[0]])
    messages = [one.message for one in chain_of(sent(errors[0]))]
    assert messages[0] == "cause 0"
    assert len(messages) == min(length, CAUSES + 1)


class MuteError(Exception):
    """It cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("no file f\udce4lle.csv"), "no file f\ufffdlle.csv"),
        (ApplicationError(SENTENCE, object(), non_retryable=True, type="Odd"), SENTENCE),
        (MuteError(), "MuteError"),
    ],
    ids=["half a character", "a detail nobody can write", "no words"],
)
def test_what_cannot_be_sent_does_not_hold_up_the_sentence(error: Exception, message: str) -> None:
    error.__cause__ = RuntimeError("the root")
    failure = sent(raised(error, 3))
    assert failure.message == message
    assert failure.cause.message == "the root"
    assert 'gate.py", line ' in failure.stack_trace
    ours = isinstance(error, ApplicationError)
    assert failure.application_failure_info.non_retryable is ours
    assert failure.application_failure_info.type == ("Odd" if ours else type(error).__name__)


def test_a_path_that_is_no_text_costs_no_sentence() -> None:
    failure = sent(raised(RuntimeError(SENTENCE), 2, "/srv/b\udcfccher"))
    assert failure.message == SENTENCE
    assert 'File "…/srv/b\ufffdcher/gate.py"' in failure.stack_trace


def test_retries_go_by_the_same_marks_as_before() -> None:
    error = ApplicationError(
        "w " * 4_500,
        object(),
        type="Odd",
        next_retry_delay=timedelta(seconds=3),
        category=ApplicationErrorCategory.BENIGN,
    )
    info = sent(error).application_failure_info
    assert (info.type, info.non_retryable) == ("Odd", False)
    assert ApplicationErrorCategory(int(info.category)) is ApplicationErrorCategory.BENIGN
    assert info.next_retry_delay.ToTimedelta() == timedelta(seconds=3)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (__file__, "tests/unit/temporal/test_failures.py"),
        (json.__file__, "json/__init__.py"),
        (pytest.__file__, "pytest/__init__.py"),
        ("/opt/ä b/.venv/lib/python3.12/site-packages/sqlalchemy/a.py", "sqlalchemy/a.py"),
        ("/usr/lib/python3/dist-packages/six.py", "six.py"),
        ("/home/ann/hooks/crm/zoho.py", "…/hooks/crm/zoho.py"),
        (f"{FOLDER}/gate.py", "…/account reviews/crm/gate.py"),
        (f"/{'b' * 80}/{'c' * 80}/d.py", f"…/{'c' * 80}/d.py"),
        (f"/{'d' * 300}.py", f"…{'d' * 97}.py"),
        ("<string>", "<string>"),
    ],
)
def test_paths_begin_where_a_thing_is_installed(path: str, shown: str) -> None:
    assert short_path(path) == shown
