"""The description of the API: as it stands in `docs/`, whole, and true of what is answered."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from account_reviews.local.stack import LocalStack
from account_reviews.web.api.router import description
from tests.support.commands import Reviews
from tests.support.web_server import Served, served

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
EXAMPLES = 30
"""Per operation, and each of what fits and what does not."""
METHODS = ("get", "post", "put", "delete", "patch")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    ignored_auth,
]


@pytest.fixture(scope="module")
def server(stack: LocalStack, reviews: Reviews) -> Iterator[Served]:
    """The app, with reviews that wait for decisions."""
    assert reviews("start", "ac-034", "ac-017", "ac-001", "--wait").code == 0
    with served(stack.database_url, stack.data_dir) as found:
        yield found


def described() -> dict[str, Any]:
    """Operations by id, but for the stream, which does not end."""
    # The token is ours in every request, so a token that does not fit would be no fault of it.
    made = {"with-security-parameters": False}
    config = SchemathesisConfig.from_dict({"seed": 16, "generation": made})
    schema: Any = schemathesis.openapi.from_dict(json.loads(description()), config=config)
    schema = schema.exclude(operation_id="watchEvents")
    found = [result.ok() for result in schema.get_all_operations()]
    return {one.definition.raw["operationId"]: one for one in found}


DESCRIBED = described()


NEVER_WRONG = ("health", "showApproval")
"""What takes nothing, or a name alone."""
CASES = [
    (name, mode)
    for name in DESCRIBED
    for mode in GenerationMode
    if mode.is_positive or name not in NEVER_WRONG
]


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_answers_are_as_described(name: str, mode: GenerationMode, server: Served) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=DESCRIBED[name].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode.is_positive:
            _mean_something(case)
        else:
            assume(not any(map(_is_sent_as_one, (case.query or {}).values())))
        case.call_and_validate(base_url=server.url, checks=CHECKS, headers=headers, timeout=20)

    ask()


def _is_sent_as_one(value: object) -> bool:
    """A list of one, which in an address looks like the one."""
    return isinstance(value, list) and len(value) == 1


def _mean_something(case: Any) -> None:
    """Half of what fits is asked about reviews and requests that are there."""
    for name, real in (("review", "review/ac-034"), ("request_name", "ac-017-1")):
        given = case.path_parameters.get(name)
        if given is not None and len(given) % 2:
            case.path_parameters[name] = quote(real, safe="")


def test_the_file_is_what_the_app_says() -> None:
    assert FILE.read_text() == description(), "write it anew: make openapi"


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in json.loads(FILE.read_text())["paths"].items():
        for method, one in methods.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", one


def test_every_path_is_described_whole() -> None:
    ids = [one["operationId"] for _, one in operations()]
    assert len(set(ids)) == len(ids) >= 13
    for name, one in operations():
        assert re.fullmatch(r"[A-Z].*\.", one["description"], re.DOTALL), name
        assert one["summary"], name
        assert not one["summary"].endswith("."), name
        for status, answer in one["responses"].items():
            assert answer["description"], (name, status)
            assert answer["content"], (name, status)
        if name != "GET /health":
            assert one["security"] == [{"token": []}, {"session": []}], name
            assert {"401", "403", "422", "429", "503"} <= set(one["responses"]), name
            for status in ("429", "503"):
                assert "Retry-After" in one["responses"][status]["headers"], name
        if name.startswith("POST"):
            assert "413" in one["responses"], name
            body = one["requestBody"]["content"]["application/json"]["schema"]
            assert body["additionalProperties"] is False, name


def test_what_may_be_given_once_is_refused_twice(server: Served) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    for path, query in (
        ("approvals/count", "owner=a&owner=b"),
        ("reviews", "kind=event&kind=undo"),
    ):
        answer = httpx2.get(f"{server.url}/api/v1/{path}?{query}", headers=headers)
        assert answer.status_code == 422
        name = query.partition("=")[0]
        assert answer.json()["error"]["message"] == f"{name} is given 2 times; give it once"
    forbidden = httpx2.get(f"{server.url}/api/v1/approvals/count?owner=a&owner=b")
    assert forbidden.status_code == 401


def test_a_list_is_given_several_times(server: Served) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    watched = f"{server.url}/api/v1/events?kind=review&kind=request"
    with httpx2.stream("GET", watched, headers=headers) as answer:
        assert answer.status_code == 200


def test_lists_alone_are_given_several_times() -> None:
    lists = {
        (path, one["name"])
        for path, operation in operations()
        for one in operation.get("parameters", ())
        if one["in"] == "query" and one["schema"].get("type") == "array"
    }
    assert lists == {("GET /api/v1/events", "kind")}, "say so where the path asks who may"
