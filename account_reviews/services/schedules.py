"""What the CLI does with schedule files and schedules, and the JSON it shows."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from temporalio.client import Client, ScheduleActionResult

from account_reviews.bootstrap import Parts
from account_reviews.domain.durations import format_duration
from account_reviews.domain.errors import ScheduleError
from account_reviews.domain.schedule.entry import ScheduleFile, is_past, spec_of
from account_reviews.domain.schedule.file import Known, parse_schedules
from account_reviews.domain.schedule.runs import ScheduleRun, ScheduleRunPage, UpkeepJob
from account_reviews.temporal import names
from account_reviews.temporal.schedules.control import ScheduleControl
from account_reviews.temporal.schedules.entries import Builder, Standing, utc_now
from account_reviews.temporal.schedules.plan import Planned, Planner

SHIPPED: Final = Path(__file__).parents[1] / "schedules.toml"
NEXT_SHOWN: Final = 5


def load_schedules(parts: Parts, path: Path | None) -> ScheduleFile:
    """A schedule file, None for the shipped one. ScheduleError says what is wrong with it."""
    source = path or SHIPPED
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ScheduleError(f"the schedule file {source} cannot be read: {reason}") from None
    policy = parts.policy
    known = Known(jobs=[*UpkeepJob], cycles=[*policy.cycle.kinds], grace=policy.schedules.grace)
    return parse_schedules(text, source=source.name if path is None else str(path), known=known)


async def ensure_owners(parts: Parts, file: ScheduleFile) -> None:
    """ScheduleError for an owner whom the CRM does not know."""
    accounts = parts.accounts
    for entry in file.entries:
        if entry.owner is None or await accounts.has_owner(entry.owner, by_name=True):
            continue
        raise ScheduleError(
            f"{file.source}: schedule {entry.id!r}: owner is {entry.owner!r}, but must be the id or"
            " the exact name of an owner whom the CRM knows"
        )


async def planner(parts: Parts, client: Client) -> Planner:
    """What plans and applies for this tenant and policy."""
    builder = Builder(
        policy=parts.policy,
        tenant=parts.settings.tenant,
        task_queue=names.task_queue(parts.settings.tenant),
        execution=await parts.execution(),
    )
    return Planner(client, builder, parts.schedule_runs, utc_now)


def control(parts: Parts, client: Client) -> ScheduleControl:
    return ScheduleControl(client, parts.settings.tenant)


async def list_schedules(
    parts: Parts, client: Client, *, after: str | None, limit: int
) -> dict[str, Any]:
    """A page of schedules by id."""
    there = control(parts, client)
    ids, cursor = await there.page(after, limit)
    missed = await parts.schedule_history.missed(parts.settings.tenant, ids)
    found = await there.describe_all(ids)
    items = [schedule_document(name, one, missed.get(name, 0)) for name, one in found]
    return {"items": items, "next_cursor": cursor}


async def show_schedule(parts: Parts, client: Client, entry_id: str) -> dict[str, Any]:
    """One schedule with everything the server keeps of it."""
    standing = await control(parts, client).get(entry_id)
    missed = await parts.schedule_history.missed(parts.settings.tenant, [entry_id])
    return detail_document(entry_id, standing, missed.get(entry_id, 0))


async def history(
    parts: Parts, client: Client, entry_id: str, *, cursor: str | None, limit: int
) -> ScheduleRunPage:
    """Runs of a schedule, newest first, also of one that was deleted. ScheduleNotFoundError."""
    tenant = parts.settings.tenant
    page = await parts.schedule_history.history(tenant, entry_id, cursor=cursor, limit=limit)
    if not page.items and cursor is None:
        await control(parts, client).get(entry_id)
    return page


def planned_document(planned: Planned) -> dict[str, Any]:
    """A line of `plan` and `apply`."""
    entry = planned.entry
    return {
        "id": planned.id,
        "action": planned.step,
        "kind": entry.kind if entry else None,
        "spec": spec_of(entry) if entry else None,
        "time_zone": entry.time_zone if entry else None,
        "changes": planned.changes,
        "next_runs": planned.next_runs,
        "warnings": planned.warnings,
    }


def schedule_document(entry_id: str, standing: Standing, missed_by_workers: int) -> dict[str, Any]:
    """A line of `list`."""
    description, entry = standing.description, standing.by.entry if standing.by else None
    info = description.info
    return {
        "id": entry_id,
        "kind": entry.kind if entry else None,
        "spec": spec_of(entry) if entry else "changed by hand",
        "time_zone": entry.time_zone
        if entry
        else description.schedule.spec.time_zone_name or "UTC",
        "paused": description.schedule.state.paused,
        "done": standing.ran_out or (entry is not None and is_past(entry, utc_now())),
        "next_runs": list(info.next_action_times[:NEXT_SHOWN]),
        "last_runs": last_runs(info.recent_actions),
        "missed": info.num_actions_missed_catchup_window + missed_by_workers,
        "skipped": info.num_actions_skipped_overlap,
        "owner": entry.owner if entry else None,
        "priority": entry.priority if entry else None,
    }


def detail_document(entry_id: str, standing: Standing, missed_by_workers: int) -> dict[str, Any]:
    """The answer of `show`."""
    description, entry = standing.description, standing.by.entry if standing.by else None
    info, state = description.info, description.schedule.state
    grace = description.schedule.policy.catchup_window
    return {
        **schedule_document(entry_id, standing, missed_by_workers),
        "note": state.note,
        "job": entry.job if entry else None,
        "starts": getattr(description.schedule.action, "workflow", None),
        "cycle": entry.cycle if entry else None,
        "accounts": list(entry.accounts) if entry and entry.accounts else None,
        "overlap": description.schedule.policy.overlap.name.lower(),
        "grace": format_duration(grace, "s") if grace is not None else None,
        "jitter": format_duration(entry.jitter, "s") if entry else None,
        "end_at": entry.end_at if entry else None,
        "retries": entry.retries if entry else None,
        "running": [getattr(one, "workflow_id", None) for one in info.running_actions],
        "runs": info.num_actions,
        "file": standing.file,
        "created_at": info.created_at,
        "updated_at": info.last_updated_at,
    }


def last_runs(actions: Sequence[ScheduleActionResult]) -> list[dict[str, Any]]:
    """Newest first, as far as the server keeps them."""
    return [
        {
            "scheduled_at": one.scheduled_at,
            "started_at": one.started_at,
            "workflow_id": getattr(one.action, "workflow_id", None),
            "run_id": getattr(one.action, "first_execution_run_id", None),
        }
        for one in reversed(actions)
    ]


def time_document(at: datetime, zone: str) -> dict[str, Any]:
    """A line of `next`: the same moment twice."""
    return {"at": at, "local": at.astimezone(ZoneInfo(zone)).isoformat(), "time_zone": zone}


def run_document(run: ScheduleRun) -> dict[str, Any]:
    """A line of `history`."""
    return run.model_dump()
