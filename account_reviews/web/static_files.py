"""`/static/`: the style sheet, our scripts, and what others published. Nothing else is served."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from account_reviews.presentation.templating import TEMPLATES

router = APIRouter()
_PLACE: Final = Path(__file__).parent / "static"
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LONG: Final = "public, max-age=31536000, immutable"


@cache
def files() -> dict[str, bytes]:
    """What is served, by path under `/static/`."""
    found = {
        path.relative_to(_PLACE).as_posix(): path.read_bytes()
        for path in _PLACE.rglob("*")
        if path.suffix in _KINDS
    }
    return {**found, "style.css": (TEMPLATES / "page.css.j2").read_bytes()}


@cache
def version_of(path: str) -> str:
    """Changes when the file does; KeyError for none."""
    return hashlib.sha256(files()[path]).hexdigest()[:12]


def address_of(path: str) -> str:
    """Where a page finds it, so that it may be kept for ever."""
    return f"/static/{path}?v={version_of(path)}"


@router.get("/static/{path:path}", include_in_schema=False)
async def static_file(request: Request, path: str) -> Response:
    """One of the files."""
    body = files().get(path)
    if body is None:
        raise HTTPException(404)
    tag = f'"{version_of(path)}"'
    is_this = request.query_params.get("v") == version_of(path)
    headers = {"etag": tag, "cache-control": _LONG if is_this else "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=_KINDS[Path(path).suffix], headers=headers)
