"""What `reviews dev` says once everything runs: where it is, why there, what to type next."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from account_reviews.local.stack import LocalStack

IMPORT: Final = "reviews crm import FOLDER --mapping FILE"
NEXT: Final = {
    "reviews doctor": "is everything there?",
    IMPORT: "accounts from CSV files",
    "reviews crm connect zoho": "or from a CRM",
    "reviews start --all --wait": "review them all",
    "reviews approvals next --as NAME": "decide on what waits, one by one",
    "reviews --help": "all the rest",
}
"""What to type next, and why. A word in capitals is to be replaced."""
EXAMPLE: Final = (
    "reviews crm import examples/portfolio \\",
    "  --mapping examples/portfolio/mapping.yaml --as-of 2026-10-01",
)
"""What comes with the source: it can be typed where that is."""
_EXAMPLE: Final = Path("examples/portfolio")


def welcome(stack: "LocalStack", sign_in: str | None) -> str:
    """The text for people, in lines of our own. `sign_in`: the address that signs in once."""
    inbox = [] if sign_in is None else ["", f"Open the inbox: {sign_in}", "  It signs you in once."]
    lines = [*_places(stack), *_moved(stack), *inbox, "", *_next(stack), "Stop with Ctrl-C."]
    return "\n".join(lines)


def _places(stack: "LocalStack") -> list[str]:
    from account_reviews.cli.commands.config import without_password

    pids = ", ".join(str(pid) for pid in stack.worker_pids)
    rows = [
        ("inbox", stack.web_url),
        ("Temporal", stack.address),
        ("Temporal UI", stack.ui),
        ("metrics", stack.metrics_url),
        ("database", without_password(stack.database_url)),
        ("data", str(stack.data_dir)),
        ("workers", pids or "none; start one with: reviews worker"),
    ]
    return [f"{name:<12} {place or '-'}" for name, place in rows]


def _moved(stack: "LocalStack") -> list[str]:
    from account_reviews.config.telemetry import metrics_address

    moved, wanted, page = list(stack.moved), metrics_address(), stack.metrics_url
    if page and wanted and wanted.port and urlsplit(page).port != wanted.port:
        here = urlsplit(page).port
        moved.append(
            f"port {wanted.port} is taken by another program; the metrics have port {here}"
        )
    return ["", *(f"Note: {one}." for one in moved)] if moved else []


def _next(stack: "LocalStack") -> list[str]:
    lines = ["Ready. Type in another terminal:"]
    if stack.data_dir != Path(".reviews").absolute():
        lines.append(f"  export REVIEWS_DATA_DIR={shlex.quote(str(stack.data_dir))}")
    width = max(map(len, NEXT))
    for command, why in NEXT.items():
        lines.append(f"  {command:<{width}}  {why}")
        if command == IMPORT and _EXAMPLE.is_dir():
            lines += ["    for example", *(f"    {line}" for line in EXAMPLE)]
    return lines
