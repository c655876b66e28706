"""Where pages are."""

from typing import Final
from urllib.parse import quote

KEYS: Final = ("/l/", "/login/link/")
"""What stands behind these lets somebody in: it is told to nobody, and written nowhere."""


def shown_path(path: str) -> str:
    """A path as a log may hold it."""
    return next((f"{one}..." for one in KEYS if path.startswith(one)), path)


def account_path(account_id: str) -> str:
    """The page of an account."""
    return f"/accounts/{quote(account_id, safe='')}"


def review_path(review_id: str, run_id: str | None = None, part: str = "") -> str:
    """The page of a review: its newest run, or this one; or a `part` of it, such as `brief`."""
    query = f"?run={quote(run_id, safe='')}" if run_id else ""
    where = f"/{part}" if part else ""
    return f"/reviews/{quote(review_id, safe='/')}{where}{query}"
