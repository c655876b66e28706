"""What HubSpot's refusals mean."""

import json
from typing import Any

import pytest

from account_reviews.crm.http.answers import Answer, Raw
from account_reviews.crm.hubspot.refusals import (
    existing_id,
    is_taken,
    named_property,
    refusal,
    wait_for,
)
from account_reviews.domain.errors import (
    CrmError,
    CrmInvalidError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmRecordNotFoundError,
    CrmUnreadableError,
)


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    return Answer(status, body, headers, None)


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"policyName": "TEN_SECONDLY_ROLLING"}, {}, 10.0),
        ({"policyName": "SECONDLY"}, {}, 1.0),
        ({"policyName": "DAILY"}, {}, 3600.0),
        ({"message": "You have reached your secondly limit."}, {}, 1.0),
        ({"message": "You have reached your ten_secondly_rolling limit."}, {}, 10.0),
        ({"policyName": "DAILY"}, {"retry-after": "60"}, 60.0),
        ({"policyName": "OF_TOMORROW"}, {}, None),
        (["odd"], {}, None),
    ],
)
def test_a_limit_is_waited_for_by_its_name(
    body: object, headers: dict[str, str], seconds: float | None
) -> None:
    assert wait_for(Raw(429, json.dumps(body).encode(), headers)) == seconds
    assert wait_for(Raw(429, b"<html>", {})) is None


@pytest.mark.parametrize("name", ["requiredGranularScopes", "requiredScopes"])
def test_a_missing_scope_is_named(name: str) -> None:
    context = {name: ["crm.objects.deals.write"]}
    body = {"category": "MISSING_SCOPES", "errors": [{"message": "x", "context": context}]}
    error = refusal(answer(403, body), "change deals")
    assert isinstance(error, CrmPermissionError)
    assert error.message == (
        "HubSpot does not let us change deals: the app lacks the scope crm.objects.deals.write"
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, CrmInvalidError),
        (403, CrmPermissionError),
        (404, CrmRecordNotFoundError),
        (405, CrmError),
        (409, CrmInvalidError),
        (414, CrmError),
        (423, CrmRateLimitedError),
        (477, CrmRateLimitedError),
        (200, CrmUnreadableError),
    ],
)
@pytest.mark.parametrize("body", [None, "text", [], {"errors": "odd", "message": 4}])
def test_each_status_has_its_error(status: int, kind: type[CrmError], body: object) -> None:
    error = refusal(answer(status, body), "read companies")
    assert type(error) is kind
    assert "read companies" in error.message or status == 477


@pytest.mark.parametrize(
    ("body", "name", "code"),
    [
        (
            {"errors": [{"message": "m", "code": "INVALID_OPTION", "in": "industry"}]},
            "industry", "INVALID_OPTION",
        ),
        (
            {"errors": [{"code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["x_y"]}}]},
            "x_y", "PROPERTY_DOESNT_EXIST",
        ),
        (
            {
                "message": 'Property values were not valid: '
                '[{"isValid":false,"error":"INVALID_OPTION","name":"industry"}]'
            },
            "industry", "INVALID_OPTION",
        ),
        ({"message": 'Property \\"phone_no\\" does not exist'}, "phone_no", None),
        ({"message": "Invalid input JSON"}, None, None),
    ],
)  # fmt: skip
def test_a_property_is_named_wherever_it_stands(
    body: dict[str, Any], name: str | None, code: str | None
) -> None:
    assert named_property(body) == (name, code)
    error = refusal(answer(400, body), "change companies")
    assert isinstance(error, CrmInvalidError)
    assert error.field == (name or "value")


def test_no_value_of_a_record_stands_in_a_message() -> None:
    body = {"category": "VALIDATION_ERROR", "message": "anna@secret.example is not valid"}
    assert "secret" not in refusal(answer(400, body), "change contacts").message


def test_what_is_taken_is_named_in_the_text_only() -> None:
    taken = answer(409, {"message": "Contact already exists. Existing ID: 4711"})
    unique = answer(400, {"message": '[{"error":"CONFLICTING_UNIQUE_VALUE"}]'})
    assert (is_taken(taken), existing_id(taken)) == (True, "4711")
    assert (is_taken(unique), existing_id(unique)) == (True, None)
    assert not is_taken(answer(400, {"message": "no"}))
