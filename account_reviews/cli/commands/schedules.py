"""`reviews schedules`: declare them in a file, look at them, steer them by hand."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from account_reviews.cli.following import say_next
from account_reviews.cli.lists import Rows, show_list, takes_view
from account_reviews.cli.options import Actor, Cursor, Limit, Output
from account_reviews.cli.output import Format, print_json, run
from account_reviews.cli.session import open_session, temporal
from account_reviews.presentation.tables import Column, View
from account_reviews.presentation.terminal import note, print_table, say

if TYPE_CHECKING:
    from account_reviews.domain.schedule.runs import ScheduleRun, ScheduleRunPage
    from account_reviews.temporal.schedules.plan import Planned

Schedule = Annotated[str, typer.Argument(help="A schedule id.")]
File = Annotated[
    Path | None, typer.Option("--file", "-f", help="A schedule file; the shipped one if left out.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="When reviews start by themselves.")
    group.command("plan")(plan_command)
    group.command("apply")(apply_command)
    group.command("list")(list_command)
    group.command("show")(show_command)
    group.command("next")(next_command)
    group.command("pause")(pause_command)
    group.command("resume")(resume_command)
    group.command("trigger")(trigger_command)
    group.command("backfill")(backfill_command)
    group.command("delete")(delete_command)
    group.command("history")(history_command)
    app.add_typer(group, name="schedules")


def plan_command(file: File = None, output: Output = Format.TABLE) -> None:
    """Show what applying a file would change, and when each schedule runs next."""
    planned = run(_planned(file, None, apply=False), output)
    _print_planned(planned, output)
    if output is not Format.JSON:
        from account_reviews.presentation.steps_after import plan_step
        from account_reviews.services.schedules import planned_document

        actions = [planned_document(one)["action"] for one in planned]
        say_next(plan_step(actions, str(file) if file else None), err=True)


def apply_command(file: File = None, by: Actor = None, output: Output = Format.TABLE) -> None:
    """Make the server's schedules what the file says. Repeating it changes nothing."""
    _print_planned(run(_planned(file, by, apply=True), output), output)
    if output is not Format.JSON:
        from account_reviews.presentation.steps_after import SCHEDULES

        say_next(SCHEDULES, err=True)


async def _planned(file: Path | None, by: str | None, *, apply: bool) -> "list[Planned]":
    from account_reviews.services.access import require
    from account_reviews.services.schedule_rows import show_change
    from account_reviews.services.schedules import ensure_owners, load_schedules, planner

    async with open_session() as parts:
        await require(parts, "schedules", by)
        wanted = load_schedules(parts, file)
        await ensure_owners(parts, wanted)
        there = await planner(parts, await temporal(parts))
        if not apply:
            return await there.plan(wanted)
        applied = await there.apply(wanted)
        await show_change(parts, there.client, [one.id for one in applied])
        return applied


def _print_planned(planned: "list[Planned]", output: Format) -> None:
    from account_reviews.presentation.quick_words import own_words
    from account_reviews.presentation.schedule_table import rhythm
    from account_reviews.services.schedules import planned_document

    items = [planned_document(one) for one in planned]
    if output is Format.JSON:
        print_json({"items": items, "next_cursor": None})
        return
    words = own_words()
    rows = [
        [one["action"], one["id"], rhythm(one["spec"], words, one["time_zone"]),
         _local(one["next_runs"][0], one["time_zone"]) if one["next_runs"] else None]
        for one in items
    ]  # fmt: skip
    columns = (
        Column("action", "Change"),
        Column("id", "Schedule"),
        Column("spec", "When", 2, prose=True),
        Column("next_runs", "Next", 3),
    )
    print_table(columns, rows)
    for one in items:
        for change in one["changes"]:
            before, after = _value(change["before"]), _value(change["after"])
            name = str(change["field"]).replace("_", " ")
            say(f"{one['id']}: {name}: {before} \N{RIGHTWARDS ARROW} {after}")
        for warning in one["warnings"]:
            note(f"{one['id']}: {warning}")


@takes_view
def list_command(
    view: View, limit: Limit = 100, cursor: Cursor = None, output: Output = Format.TABLE
) -> None:
    """List schedules by id, with their next times and what was missed or skipped."""
    run(_list(limit, cursor, output, view), output)


class _Page(NamedTuple):
    items: list[dict[str, Any]]
    next_cursor: str | None


async def _list(limit: int, cursor: str | None, output: Format, view: View) -> None:
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.presentation.schedule_table import SCHEDULE_COLUMNS, schedule_row
    from account_reviews.presentation.steps_after import schedules_step
    from account_reviews.services.lookup import people
    from account_reviews.services.schedules import list_schedules

    async with open_session() as parts:
        client = await temporal(parts)

        async def read(after: str | None, most: int) -> _Page:
            return _Page(**await list_schedules(parts, client, after=after, limit=most))

        async def rows(found: "Sequence[dict[str, Any]]") -> Rows:
            names = await people(parts)
            words = list_words(parts.settings, lambda: parts.policy, people=names)
            return [schedule_row(one, words) for one in found]

        await show_list(
            view, output, read=read, columns=SCHEDULE_COLUMNS, rows=rows,
            document=lambda one: one, limit=limit, cursor=cursor,
            nothing="there is no schedule",
            ending=lambda found: schedules_step([one["id"] for one in found]),
        )  # fmt: skip


def show_command(schedule: Schedule, output: Output = Format.TABLE) -> None:
    """Show one schedule: next times, counters, last runs."""
    run(_show(schedule, output), output)


async def _show(schedule: str, output: Format) -> None:
    from account_reviews.domain.counting import counted
    from account_reviews.presentation.quick_words import own_words
    from account_reviews.presentation.schedule_table import rhythm, state_of
    from account_reviews.presentation.terms import term_of
    from account_reviews.services.schedules import show_schedule

    async with open_session() as parts:
        found = await show_schedule(parts, await temporal(parts), schedule)
    if output is Format.JSON:
        print_json(found)
        return
    job = term_of(found["job"]) if found["job"] else None
    work = f"{term_of(found['cycle'])} cycle" if found["cycle"] else job
    work = work or f"starts {found['starts'] or 'nothing we know'}"  # changed by hand
    zone = "" if found["kind"] == "interval" else f" ({found['time_zone']})"
    when = f"{rhythm(found['spec'], own_words(), found['time_zone'])}{zone}"
    say(f"{found['id']}: {when}, {work}, {state_of(found)}")
    if found["note"]:
        say(f"  note: {found['note']}")
    ran = counted(found["runs"], "time")
    say(f"  ran {ran}, missed {found['missed']}, skipped {found['skipped']}")
    overlap = term_of(found["overlap"])
    grace, jitter = _length(found["grace"]), _length(found["jitter"])
    say(f"  grace {grace}, when one is still going on: {overlap}, jitter {jitter}")
    for at in found["next_runs"]:
        say(f"  next {_local(at, found['time_zone'])}")
    for one in found["last_runs"]:
        say(f"  ran  {_local(one['started_at'], found['time_zone'])}")


def next_command(
    schedule: Schedule,
    count: Annotated[int, typer.Option(min=1, max=1000, help="So many times.")] = 5,
    output: Output = Format.TABLE,
) -> None:
    """Show the next times of a schedule, as the server gives them."""
    run(_next(schedule, count, output), output)


async def _next(schedule: str, count: int, output: Format) -> None:
    from account_reviews.services.schedules import control, time_document

    async with open_session() as parts:
        there = control(parts, await temporal(parts))
        standing, times = await there.next_times(schedule, count)
    zone = standing.by.entry.time_zone if standing.by else "UTC"
    if output is Format.JSON:
        items = [time_document(at, zone) for at in times]
        print_json({"items": items, "next_cursor": None})
        return
    for at in times:
        say(_local(at, zone))
    if not times:
        note(f"schedule {schedule} does not run any more")


def pause_command(
    schedule: Schedule,
    text: Annotated[str, typer.Option("--note", help="Why; it is shown.")],
    by: Actor = None,
    output: Output = Format.TABLE,
) -> None:
    """Start nothing until it is resumed."""
    run(_steer(schedule, by, output, pause=text), output)


def resume_command(schedule: Schedule, by: Actor = None, output: Output = Format.TABLE) -> None:
    """Start again at the next time. What passed meanwhile is not made up for."""
    run(_steer(schedule, by, output, pause=None), output)


async def _steer(schedule: str, by: str | None, output: Format, *, pause: str | None) -> None:
    from account_reviews.services.access import require
    from account_reviews.services.schedule_rows import show_change
    from account_reviews.services.schedules import control

    async with open_session() as parts:
        await require(parts, "schedules", by)
        there = control(parts, await temporal(parts))
        await (there.resume(schedule) if pause is None else there.pause(schedule, pause))
        await show_change(parts, there.client, [schedule])
    answer = {"id": schedule, "paused": pause is not None, "note": pause}
    _answer(answer, f"{schedule} is {'resumed' if pause is None else 'paused'}", output)


def trigger_command(schedule: Schedule, by: Actor = None, output: Output = Format.TABLE) -> None:
    """Run it once now, also when it is paused. Exit 4 while a run goes on."""
    run(_trigger(schedule, by, output), output)


async def _trigger(schedule: str, by: str | None, output: Format) -> None:
    from account_reviews.services.access import require
    from account_reviews.services.halts import ensure_not_halted
    from account_reviews.services.schedules import control

    async with open_session() as parts:
        await require(parts, "schedules", by)
        await ensure_not_halted(parts)
        started = await control(parts, await temporal(parts)).trigger(schedule)
    workflow_id = started.workflow_id if started else None
    answer = {
        "id": schedule,
        "workflow_id": workflow_id,
        "run_id": started.first_execution_run_id if started else None,
    }
    _answer(answer, f"{schedule} {'runs' if started else 'will run'}", output)
    if output is not Format.JSON:
        from account_reviews.presentation.steps_after import run_step

        say_next(run_step(schedule), err=True)


def backfill_command(
    schedule: Schedule,
    start: Annotated[str, typer.Option("--from", help="A date, or a time with its zone.")],
    end: Annotated[str, typer.Option("--to", help="Likewise; later than --from.")],
    by: Actor = None,
    output: Output = Format.TABLE,
) -> None:
    """Run it for its times between two moments, one after another."""
    run(_backfill(schedule, start, end, by, output), output)


async def _backfill(schedule: str, start: str, end: str, by: str | None, output: Format) -> None:
    from account_reviews.cli.parsing import parse_time
    from account_reviews.domain.counting import counted
    from account_reviews.services.access import require
    from account_reviews.services.halts import ensure_not_halted
    from account_reviews.services.schedules import control

    since, until = parse_time(start, "--from"), parse_time(end, "--to")
    async with open_session() as parts:
        await require(parts, "schedules", by)
        await ensure_not_halted(parts)
        there = control(parts, await temporal(parts))
        times = await there.backfill(schedule, since, until)
    answer = {"id": schedule, "from": since, "to": until, "times": times}
    _answer(answer, f"{schedule} runs {counted(len(times), 'time')}", output)


def delete_command(schedule: Schedule, by: Actor = None, output: Output = Format.TABLE) -> None:
    """Delete a schedule. Its runs and its history stay; applying its file makes it again."""
    run(_delete(schedule, by, output), output)


async def _delete(schedule: str, by: str | None, output: Format) -> None:
    from account_reviews.services.access import require
    from account_reviews.services.schedule_rows import show_change
    from account_reviews.services.schedules import control

    async with open_session() as parts:
        await require(parts, "schedules", by)
        there = control(parts, await temporal(parts))
        await there.delete(schedule)
        await show_change(parts, there.client, [schedule])
    _answer({"id": schedule, "deleted": True}, f"{schedule} is deleted", output)


@takes_view
def history_command(
    schedule: Schedule,
    view: View,
    limit: Limit = 100,
    cursor: Cursor = None,
    output: Output = Format.TABLE,
) -> None:
    """List the runs of a schedule, newest first. The last 1000 are kept."""
    run(_history(schedule, limit, cursor, output, view), output)


async def _history(
    schedule: str, limit: int, cursor: str | None, output: Format, view: View
) -> None:
    from account_reviews.presentation.quick_words import list_words
    from account_reviews.presentation.schedule_table import RUN_COLUMNS, run_row
    from account_reviews.services.schedules import history, run_document

    async with open_session() as parts:
        client = await temporal(parts)

        async def read(after: str | None, most: int) -> "ScheduleRunPage":
            return await history(parts, client, schedule, cursor=after, limit=most)

        async def rows(found: "Sequence[ScheduleRun]") -> Rows:
            words = list_words(parts.settings, lambda: parts.policy)
            return [run_row(one, words) for one in found]

        await show_list(
            view, output, read=read, columns=RUN_COLUMNS, rows=rows, document=run_document,
            limit=limit, cursor=cursor, nothing=f"{schedule} has not run yet",
        )  # fmt: skip


def _answer(document: dict[str, Any], sentence: str, output: Format) -> None:
    if output is Format.JSON:
        print_json(document)
    else:
        say(sentence)


def _value(value: Any) -> str:
    """What a field of a schedule holds, in a sentence."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _length(text: str | None) -> str:
    """A length of the schedule as people say it: "2 hours" of "7200s", "none" of "0s"."""
    from account_reviews.domain.durations import parse_duration
    from account_reviews.presentation.lengths import length_words

    return length_words(parse_duration(text)) if text else "none"


def _local(at: datetime, zone: str | None) -> str:
    from account_reviews.presentation.schedule_table import local

    return local(at, zone)
