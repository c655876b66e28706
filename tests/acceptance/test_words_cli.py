"""What people read of a review: names, dates, what comes next, and no news of our own."""

from tests.support.commands import Reviews


def test_a_plan_ends_as_planned_for_people_alone(reviews: Reviews) -> None:
    started = reviews("start", "ac-033", "--plan-only", "--wait")
    assert "planned" in started.out
    assert "changes planned, nobody was asked" in " ".join(f"{started.out} {started.err}".split())
    listed = reviews("list", "--account", "ac-033")
    assert "planned" in listed.out
    assert "nothing to do" not in listed.out
    (row,) = reviews.json("list", "--account", "ac-033")["items"]
    assert row["outcome"] == "nothing_to_do"
    assert "plan_only" not in row


def test_a_first_review_of_a_quiet_account_needs_nobody(reviews: Reviews) -> None:
    review = reviews.json("start", "ac-001", "--wait")
    shown = reviews.json("show", review["review_id"])
    assert shown["needs_attention"] is False
    assert [one["kind"] for one in shown["findings"]] == ["new_account"]


def test_a_week_later_our_writes_are_no_news_and_open_tasks_are_named(reviews: Reviews) -> None:
    request = reviews.request("ac-034")
    next_step = " ".join(reviews("show", "ac-034").out.split())
    assert "5 changes wait for Oren Salvat, until " in next_step
    assert next_step.endswith("reviews approvals show ac-034-1")
    reviews.json("approvals", "approve", request["request_id"], "--as", "ow-4")
    assert reviews.closed("ac-034")["outcome"] == "completed"
    reviews.json("start", "ac-034", "--as-of", "2026-10-08", "--wait")
    brief = reviews.json("brief", "ac-034")
    assert brief["changes"] == []
    assert "status_at_risk" in [one["kind"] for one in brief["findings"]]
    made = [one["after"]["subject"] for one in request["items"] if one["action"] == "create_task"]
    assert sorted(one["subject"] for one in brief["open_tasks"]) == sorted(made)
    assert not [one for one in brief["items"] if one["action"] == "create_task"]
    page = reviews("brief", "ac-034").out
    for subject in made:
        assert f"{subject}: open, for Oren Salvat, due " in page
