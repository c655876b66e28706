"""Every Temporal name but search attributes: task queue, workflow ids with their inverses."""

import re
from datetime import datetime
from typing import Final
from urllib.parse import unquote

from account_reviews.domain import ids
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.ids import encode_part

TASK_QUEUE: Final = "account-reviews"
NAMESPACE: Final = "default"
RETENTION_DAYS: Final = 30
DEFAULT_TENANT: Final = ids.DEFAULT_TENANT

REVIEW_WORKFLOW: Final = "AccountReview"
SYNC_WORKFLOW: Final = "MemorySync"
SNAPSHOT_QUERY: Final = "snapshot"
DECIDE_UPDATE: Final = "decide"
DECIDE_SIGNAL: Final = "submit_decision"
CANCEL_SIGNAL: Final = "cancel_review"
STEP_FAILING_SIGNAL: Final = "step_failing"
STEP_RECOVERED_SIGNAL: Final = "step_recovered"
"""What a client says to a review. The code of workflows is no client's to import: it brings along
every activity, and with them every library that they need."""

TOOLS: Final = ("crm.", "memory.")
"""How the activities begin that call other systems: an auditor and a hook know them as tools."""

SCHEDULE_MEMO: Final = "schedule"
"""Memo key under which a started workflow finds its schedule's entry."""

PREVIEW_PREFIX: Final = "preview-of-"
"""How a schedule begins that is made to look ahead, and is gone again."""

MOST_OF_AN_ID: Final = 1000
"""Characters that the server takes for a workflow id."""

_PREFIX: Final = "review"
_UNDO_PREFIX: Final = "undo"
_TIME_SUFFIX: Final = re.compile(r"-(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)$")


def task_queue(tenant: str = DEFAULT_TENANT) -> str:
    """Where the work of a tenant waits: `account-reviews`, else `account-reviews/{tenant}`."""
    return TASK_QUEUE if tenant == DEFAULT_TENANT else f"{TASK_QUEUE}/{encode_part(tenant)}"


def write_queue(tenant: str = DEFAULT_TENANT) -> str:
    """Where its CRM writes wait: `account-reviews:write`, else `account-reviews:write/{tenant}`."""
    return write_queue_of(task_queue(tenant))


def write_queue_of(queue: str) -> str:
    """The queue of the writes of reviews that are on `queue`: whoever serves one can serve both."""
    head, slash, tenant = queue.partition("/")
    return f"{head}:write{slash}{tenant}"


def queue_from(current: str, tenant: str) -> str:
    """Where a workflow on the queue `current` goes on: what all tenants shared is left for good."""
    return task_queue(tenant) if current == TASK_QUEUE else current


def review_id(account_id: str, tenant: str = DEFAULT_TENANT) -> str:
    """The workflow id of an account's review: `review/{account}` or `review/{tenant}/{account}`."""
    parts = [account_id] if tenant == DEFAULT_TENANT else [tenant, account_id]
    return "/".join([_PREFIX, *(encode_part(part) for part in parts)])


def new_review_id(account_id: str, tenant: str = DEFAULT_TENANT) -> str:
    """The same for a review to be started. BadInputError when the server would not take it."""
    found = review_id(account_id, tenant)
    if len(found) > MOST_OF_AN_ID:
        raise BadInputError(
            f"the account id {account_id[:40]!r}... is too long to be reviewed: it makes a workflow"
            f" id of {len(found):,} characters, and the server takes {MOST_OF_AN_ID:,}",
            hint="give the account a shorter id; each letter beyond a to z counts 3 to 12 times",
        )
    return found


def parse_review_id(value: str) -> tuple[str, str]:
    """The inverse of `review_id`: (account id, tenant). ValueError for anything else."""
    parts = value.split("/")
    if parts[0] != _PREFIX or len(parts) not in (2, 3) or not all(parts):
        raise ValueError(f"{value!r} is not a review id")
    tenant = DEFAULT_TENANT if len(parts) == 2 else unquote(parts[1])
    return unquote(parts[-1]), tenant


def undo_id(run_id: str, change_id: str) -> str:
    """The workflow id of the review that takes a write back: one is open at a time."""
    return f"{_UNDO_PREFIX}/{encode_part(run_id)}/{encode_part(change_id)}"


def parse_undo_id(value: str) -> tuple[str, str]:
    """The inverse of `undo_id`: (run id, change id) of the write. ValueError for anything else."""
    parts = value.split("/")
    if parts[0] != _UNDO_PREFIX or len(parts) != 3 or not all(parts):
        raise ValueError(f"{value!r} is not the id of an undo")
    return unquote(parts[1]), unquote(parts[2])


def undoes(review_id: str) -> dict[str, str] | None:
    """Which write a review is about taking back; None for any other."""
    try:
        run_id, change_id = parse_undo_id(review_id)
    except ValueError:
        return None
    return {"run_id": run_id, "change_id": change_id}


def is_review_id(value: str) -> bool:
    """Whether a workflow of that id is a review: of an account, or one that takes a write back.

    Whose account the latter is about stands in its input and its state, not in its id.
    """
    for parse in (parse_review_id, parse_undo_id):
        try:
            parse(value)
        except ValueError:
            continue
        return True
    return False


def account_of(review: str) -> str | None:
    """The account of a review, when its id says so."""
    try:
        return parse_review_id(review)[0]
    except ValueError:
        return None


def schedule_id(entry_id: str, tenant: str = DEFAULT_TENANT) -> str:
    """The server's id of a schedule: `{entry}`, in other tenants `{tenant}/{entry}`."""
    return _path(entry_id, tenant)


def parse_schedule_id(value: str) -> tuple[str, str]:
    """The inverse of `schedule_id`: (entry id, tenant). ValueError for anything else."""
    parts = value.split("/")
    if len(parts) > 2 or not all(parts):
        raise ValueError(f"{value!r} is not a schedule id")
    return unquote(parts[-1]), DEFAULT_TENANT if len(parts) == 1 else unquote(parts[0])


def scheduled_cycle_id(entry_id: str, tenant: str = DEFAULT_TENANT) -> str:
    """What the cycles of a schedule are called; the server adds `-` and the time of each."""
    return f"cycle/{_path(entry_id, tenant)}"


def upkeep_id(entry_id: str, tenant: str = DEFAULT_TENANT) -> str:
    """What the upkeep runs of a schedule are called, likewise."""
    return f"upkeep/{_path(entry_id, tenant)}"


def memory_sync_id(tenant: str = DEFAULT_TENANT) -> str:
    """The workflow id of a tenant's sync of the memory: one is open at a time."""
    return f"memory-sync/{encode_part(tenant)}"


def parse_scheduled_id(value: str) -> tuple[str, str, str, datetime | None]:
    """The inverse of both: (`cycle` or `upkeep`, entry id, tenant, scheduled time).

    ValueError for anything else.
    """
    prefix, _, path = value.partition("/")
    at = _TIME_SUFFIX.search(path)
    if prefix not in ("cycle", "upkeep"):
        raise ValueError(f"{value!r} was not started by a schedule")
    entry_id, tenant = parse_schedule_id(path[: at.start()] if at else path)
    return prefix, entry_id, tenant, datetime.fromisoformat(at[1]) if at else None


def operation_id(run_id: str, change_id: str) -> str:
    """The name of one write: stable over retries, new for every review."""
    return f"{run_id}:{change_id}"


def _path(last: str, tenant: str) -> str:
    parts = [last] if tenant == DEFAULT_TENANT else [tenant, last]
    return "/".join(encode_part(part) for part in parts)
