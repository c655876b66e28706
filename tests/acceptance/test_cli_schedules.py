"""`reviews schedules` as a person types it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from account_reviews.local.stack import LocalStack
from account_reviews.temporal.names import schedule_id
from tests.support.commands import Reviews

FILE = """
name = "{name}"
[[schedule]]
id = "{name}-month"
kind = "monthly"
day = 31
time_zone = "Europe/Berlin"
owner = "ow-2"
job = "cycle"
priority = 2

[[schedule]]
id = "{name}-upkeep"
kind = "daily"
job = "remove_done"
"""
LIST_KEYS = {
    "id", "kind", "spec", "time_zone", "paused", "next_runs", "last_runs", "missed", "skipped",
    "owner", "priority",
}  # fmt: skip
RUN_KEYS = {
    "id", "scheduled_at", "started_at", "lateness_seconds", "late", "status",
    "accounts_processed", "duration_seconds", "error", "schedule_id", "workflow_id", "trigger",
}  # fmt: skip


def write(folder: Path, name: str, text: str = FILE) -> str:
    path = folder / f"{name}.toml"
    path.write_text(text.format(name=name))
    return str(path)


def steps(document: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {one["id"]: one["action"] for one in document["items"]}


def test_plan_apply_list_show_next(reviews: Reviews, tmp_path: Path) -> None:
    file = write(tmp_path, "one")
    planned = reviews.json("schedules", "plan", "--file", file)
    assert steps(planned) == {"one-month": "create", "one-upkeep": "create"}
    assert [len(one["next_runs"]) for one in planned["items"]] == [5, 5]
    assert all(at.endswith("Z") for one in planned["items"] for at in one["next_runs"])
    assert planned["items"][0]["warnings"] == ["months without a day 31 are left out"]
    assert steps(reviews.json("schedules", "apply", "--file", file)) == steps(planned)
    again = reviews.json("schedules", "apply", "--file", file)
    assert set(steps(again).values()) == {"unchanged"}
    listed = reviews.until(
        "schedules", "list",
        holds=lambda page: {"one-month", "one-upkeep"} <= {one["id"] for one in page["items"]},
    )  # fmt: skip
    assert listed["next_cursor"] is None
    (month,) = [one for one in listed["items"] if one["id"] == "one-month"]
    assert set(month) >= LIST_KEYS
    assert (month["owner"], month["priority"], month["missed"], month["skipped"]) == (
        "ow-2", 2, 0, 0,
    )  # fmt: skip
    first = reviews.json("schedules", "list", "--limit", "1")
    rest = reviews.json("schedules", "list", "--cursor", first["next_cursor"])
    assert [*first["items"], *rest["items"]] == listed["items"]
    shown = reviews.json("schedules", "show", "one-month")
    assert {**month, **shown} == shown
    times = reviews.json("schedules", "next", "one-month", "--count", "3")["items"]
    assert [one["at"] for one in times] == month["next_runs"][:3]
    assert all("-31T05:00:00+0" in one["local"] for one in times)
    emptied = write(tmp_path, "one", 'name = "one"')
    reviews.until(
        "schedules", "plan", "--file", emptied, holds=lambda page: len(page["items"]) == 2
    )
    assert set(steps(reviews.json("schedules", "apply", "--file", emptied)).values()) == {"delete"}
    reviews.quick("schedules", "show", "one-month").sentence(3)


def test_steering_and_history(reviews: Reviews, tmp_path: Path) -> None:
    reviews.json("schedules", "apply", "--file", write(tmp_path, "two"))
    paused = reviews.json("schedules", "pause", "two-upkeep", "--note", "holidays")
    assert paused == {"id": "two-upkeep", "paused": True, "note": "holidays"}
    assert reviews.json("schedules", "show", "two-upkeep")["note"] == "holidays"
    assert reviews.json("schedules", "resume", "two-upkeep")["paused"] is False
    started = reviews.json("schedules", "trigger", "two-upkeep")
    assert started["workflow_id"].startswith("upkeep/two-upkeep-20")
    page = reviews.until(
        "schedules", "history", "two-upkeep",
        holds=lambda page: [one["status"] for one in page["items"]] == ["success"],
    )  # fmt: skip
    (run,) = page["items"]
    assert set(run) == RUN_KEYS
    assert (run["id"], run["trigger"], run["late"]) == (started["run_id"], "trigger", False)
    times = ("--from", "2026-10-01", "--to", "2026-10-04")
    filled = reviews.json("schedules", "backfill", "two-upkeep", *times)
    assert len(filled["times"]) == 3
    page = reviews.until(
        "schedules", "history", "two-upkeep",
        holds=lambda page: [one["status"] for one in page["items"]] == ["success"] * 4,
    )  # fmt: skip
    assert [one["scheduled_at"] for one in page["items"][:3]] == filled["times"][::-1]
    newest = reviews.json("schedules", "history", "two-upkeep", "--limit", "1")
    older = reviews.json("schedules", "history", "two-upkeep", "--cursor", newest["next_cursor"])
    assert [*newest["items"], *older["items"]] == page["items"]
    for one in ("two-upkeep", "two-month"):
        assert reviews.json("schedules", "delete", one) == {"id": one, "deleted": True}
    assert reviews.json("schedules", "history", "two-upkeep")["items"] == page["items"]


async def test_one_that_was_changed_by_hand_is_shown_as_what_it_does(
    reviews: Reviews, stack: LocalStack, tmp_path: Path
) -> None:
    reviews.json("schedules", "apply", "--file", write(tmp_path, "six"))
    client = await Client.connect(stack.address)

    def edit(seen: ScheduleUpdateInput) -> ScheduleUpdate:
        spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(hours=7))])
        action = ScheduleActionStartWorkflow("Upkeep", id="upkeep/by-hand", task_queue="nobody")
        return ScheduleUpdate(replace(seen.description.schedule, spec=spec, action=action))

    await client.get_schedule_handle(schedule_id("six-upkeep", "default")).update(edit)
    shown = reviews.quick("schedules", "show", "six-upkeep")
    first = shown.out.splitlines()[0]
    assert first == "six-upkeep: changed by hand (UTC), starts Upkeep, on"
    assert "None" not in first
    document = reviews.json("schedules", "show", "six-upkeep")
    assert (document["time_zone"], document["starts"]) == ("UTC", "Upkeep")
    for one in ("six-month", "six-upkeep"):
        reviews.json("schedules", "delete", one)


@pytest.mark.parametrize(
    "words",
    [
        ("show", "nobody"),
        ("next", "nobody"),
        ("pause", "nobody", "--note", "x"),
        ("resume", "nobody"),
        ("trigger", "nobody"),
        ("backfill", "nobody", "--from", "2026-10-01", "--to", "2026-10-02"),
        ("delete", "nobody"),
        ("history", "nobody"),
        ("show", "a/b/c"),
        ("show", "ä ö"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_an_unknown_schedule_is_said(reviews: Reviews, words: tuple[str, ...]) -> None:
    assert f"there is no schedule {words[1]!r}" in reviews.quick("schedules", *words).sentence(3)
    error = reviews.quick("schedules", *words, "-o", "json").error(3)
    assert error["code"] == "schedule_not_found"


def test_bad_input(reviews: Reviews, tmp_path: Path) -> None:
    file = write(tmp_path, "bad", '[[schedule]]\nid = "a"\nkind = "weekly"\nweekday = 1\n')
    for verb in ("plan", "apply"):
        said = reviews.quick("schedules", verb, "--file", file).sentence(2)
        assert said.startswith(f"{file}: schedule 'a': weekday is 1, but must be a name")
        missing = reviews.quick("schedules", verb, "--file", str(tmp_path / "none")).sentence(2)
        assert "none cannot be read: No such file or directory" in missing
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in reviews.quick("schedules", "plan", "-f", str(tmp_path / "binary")).err
    times = ("--from", "2026-10-02", "--to", "yesterday")
    assert "--to: 'yesterday'" in reviews.quick("schedules", "backfill", "a", *times).sentence(2)
    assert "--note" in reviews.quick("schedules", "pause", "a").sentence(2)
    assert "--count" in reviews.quick("schedules", "next", "a", "--count", "0").sentence(2)
    asked = ("schedules", "history", "a", "--cursor", "?")
    assert "goes with -o json" in reviews.quick(*asked).sentence(2)
    assert "not a cursor" in reviews.quick(*asked, "-o", "json").error(2)["message"]


def test_conflicts_and_limits(reviews: Reviews, tmp_path: Path) -> None:
    reviews.json("schedules", "apply", "--file", write(tmp_path, "three"))
    text = FILE.replace('id = "{name}', 'id = "three')
    said = reviews.quick("schedules", "plan", "--file", write(tmp_path, "four", text)).sentence(4)
    assert "belongs to the file 'three'" in said
    often = 'name = "five"\n[[schedule]]\nid = "five"\nkind = "interval"\nevery_minutes = 1\n'
    lines = f'{often}job = "remove_done"\npaused = true\n'
    reviews.json("schedules", "apply", "--file", write(tmp_path, "five", lines))
    times = ("--from", "2026-10-01", "--to", "2026-10-04")
    assert "999" in reviews.quick("schedules", "backfill", "five", *times).sentence(6)
    for one in ("three-month", "three-upkeep", "five"):
        reviews.json("schedules", "delete", one)


def test_nobody_there(reviews: Reviews) -> None:
    for verb in ("plan", "apply", "list"):
        answer = reviews.quick("schedules", verb, TEMPORAL_ADDRESS="127.0.0.1:1")
        assert "Temporal does not answer at 127.0.0.1:1" in answer.sentence(5)
