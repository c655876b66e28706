"""Requests to Zoho CRM held against the description of its API, minus what is known to be wrong in
it."""

import warnings
from functools import cache
from pathlib import Path

from openapi_core import OpenAPI
from openapi_core.testing import MockRequest

from account_reviews.fakes.framework import Call

_FILES = {
    "coql": "coql",
    "users": "users",
    "org": "org",
    "Notes": "notes",
    "actions/watch": "notifications",
    "settings/fields": "fields",
    "settings/modules": "modules",
    "settings/related_lists": "related_lists",
}
"""What a path begins with -> the file that describes it; all else are records."""
_WRONG = (
    ("POST", "/crm/v8/Notes", "Request body"),
    ("GET", "/crm/v8/Notes", "ids"),
    ("GET", "/crm/v8/users", "type"),
    ("POST", "/crm/v8/actions/watch", "Request body"),
    ("PUT", "/crm/v8/actions/watch", "Request body"),
)
"""Notes would need fields that nobody may write, and ids; users know no `AllUsers`; the id of a
channel would be an object."""


@cache
def _described(folder: Path, name: str) -> OpenAPI:
    return OpenAPI.from_file_path(str(folder / f"{name}.json"))


def _file_of(path: str) -> str:
    rest = path.removeprefix("/crm/v8/")
    parts = rest.split("/")
    if parts[-2:] == ["actions", "count"]:
        return "record_count"
    for beginning, name in _FILES.items():
        if rest == beginning or rest.startswith(f"{beginning}/"):
            return name
    if len(parts) == 3 and parts[2] == "__timeline":
        return "timelines"
    if len(parts) >= 3 and parts[1] != "actions":
        return "related_records"
    return "record"


def faults_of(call: Call, folder: Path) -> list[str]:
    """What the description has against a request."""
    request = MockRequest(
        "https://zohoapis.com",
        call.method.lower(),
        call.path,
        args=dict(call.query),
        headers=dict(call.headers),
        data=call.body or None,
    )
    with warnings.catch_warnings():
        # Its security scheme is OAuth, which the validator passes over, saying so.
        warnings.filterwarnings("ignore", "Unsupported scheme type")
        errors = [*_described(folder, _file_of(call.path)).iter_request_errors(request)]
    found = [f"{call.method} {call.path}: {one} {one.__cause__ or ''}" for one in errors]
    return [
        one
        for one in found
        if not any(
            call.method == method and call.path == path and word in one
            for method, path, word in _WRONG
        )
    ]
