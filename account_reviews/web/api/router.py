"""All paths of the API, and its description: `python -m account_reviews.web.api.router`."""

import json
import sys
from typing import Any, Final

from fastapi import APIRouter, FastAPI

from account_reviews.web.api import approvals, events, health, reviews, start
from account_reviews.web.api.routes import PREFIX

TITLE: Final = "Account Reviews"
VERSION: Final = "1"
_ABOUT: Final = (
    "Reviews of CRM accounts, and the decisions of people on what they propose: the same verbs and "
    "the same JSON as the commands. Keys may be added; none is renamed. Fields that are not named "
    'here are refused. Errors are `{"error": {"code", "message", "hint"}}`.'
)
_TAGS: Final = (
    ("reviews", "Start reviews and look at them.", (start.router, reviews.router)),
    ("approvals", "What waits for a person, and the answers.", (approvals.router,)),
    ("events", "What changes, as it does.", (events.router,)),
)

router = APIRouter()
for _name, _said, _routers in _TAGS:
    for _one in _routers:
        router.include_router(_one, prefix=PREFIX, tags=[_name])
router.include_router(health.router, tags=["health"])


def bare_app(**more: Any) -> FastAPI:
    """An app without a path, which describes itself at `/openapi.json`."""
    return FastAPI(
        title=TITLE,
        version=VERSION,
        description=_ABOUT,
        openapi_tags=[{"name": name, "description": said} for name, said, _ in _TAGS]
        + [{"name": "health", "description": "For whoever watches over it."}],
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        **more,
    )


def description() -> str:
    """The OpenAPI document, as it stands in `docs/openapi.json`."""
    app = bare_app()
    app.include_router(router)
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(description())
