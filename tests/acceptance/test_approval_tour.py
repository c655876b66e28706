"""Deciding at a terminal, one request after the other, and through a pipe."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.commands import CLI, Reviews
from tests.support.paths import ROOT
from tests.support.terminals import Terminal
from tests.support.waiting import PATIENCE

ASKED = r"\(q\)uit:"
Open = Callable[[str], Terminal]


@pytest.fixture(scope="module", autouse=True)
def worker(reviews: Reviews) -> Iterator[None]:
    process = reviews.worker()
    yield
    process.terminate()
    process.communicate()


@pytest.fixture
def tour(reviews: Reviews) -> Iterator[Open]:
    """Opens the tour of somebody at a terminal, with nothing else waiting."""
    opened: list[Terminal] = []

    def begin(who: str) -> Terminal:
        words = [*CLI, "approvals", "next", "--as", who]
        opened.append(Terminal(words, reviews.env))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()
    reviews.json("approvals", "defer", "--all", "--yes", "--as", "the test")


def piped(reviews: Reviews, *words: str, typed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, "approvals", "next", *words],
        env=reviews.env,
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def shown(reviews: Reviews, request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = reviews.json("approvals", "show", request["request_id"])
    return found


def test_a_request_is_shown_with_evidence_and_decided_item_by_item(
    reviews: Reviews, tour: Open
) -> None:
    request = reviews.request("ac-034")
    first, second, third, *_ = request["items"]
    screen = tour("ow-4")
    screen.until("1 request to look at")
    screen.until(r"\(ac-034\)")
    screen.until(f"request {request['short_id']}")
    screen.until("risk ")
    screen.until("found:")
    screen.until("Item 1 of 5")
    screen.until("why: ")
    screen.until("evidence: ")
    screen.until(ASKED)
    screen.type("")
    screen.until("type one of the letters")
    screen.until(ASKED)
    screen.type("a")
    screen.until("approve: approved")
    screen.until("Item 2 of 5")
    screen.until(ASKED)
    screen.type("r")
    screen.until("reason:")
    screen.type("")
    screen.until("a rejection needs a reason")
    screen.until("Item 2 of 5")
    screen.until(ASKED)
    screen.type("r")
    screen.until("reason:")
    screen.type("they renewed by phone")
    screen.until("reject: rejected")
    screen.until("Item 3 of 5")
    screen.until(ASKED)
    screen.type("s")
    screen.until("Item 4 of 5")
    screen.until(ASKED)
    screen.type("l")
    screen.until("Item 5 of 5")
    screen.until("Enter goes back:")
    screen.type("d")
    screen.until(r"reason \(Enter for none\):")
    screen.type("")
    screen.until("defer: put off")
    screen.until("defer: put off")
    screen.until("nothing is left to decide; 4 decisions made")
    screen.until("shown and not decided:")
    assert screen.end() == 0
    found = {one["item_id"]: one["state"] for one in shown(reviews, request)["items"]}
    assert found[first["item_id"]] in ("approved", "executed")
    assert found[second["item_id"]] == "rejected"
    assert found[third["item_id"]] == "proposed"
    assert list(found.values()).count("deferred") == 2
    assert "\x1b" not in screen.shown
    assert max(map(len, screen.shown.splitlines())) <= 80, screen.shown


def test_values_are_adjusted_field_by_field(reviews: Reviews, tour: Open) -> None:
    request = reviews.request("ac-042")
    item = next(one for one in request["items"] if "priority" in one["after"])
    place = request["items"].index(item)
    screen = tour("ow-1")
    for _ in range(place):
        screen.until(ASKED)
        screen.type("s")
    screen.until(ASKED)
    screen.type("j")
    for name in item["after"]:
        label = {"due_at": "Due", "owner_id": "Owner"}.get(name, name.capitalize())
        screen.until(rf"{label} \(.*\):")
        if name != "priority":
            screen.type("")
            continue
        screen.type("enormous")
        screen.until("Priority cannot be 'enormous'")
        screen.until(r"Priority \(.*\):")
        screen.type("low")
    screen.until(r"reason \(Enter for none\):")
    screen.type("not that urgent")
    screen.until("adjust: approved with changes")
    found = next(
        one for one in shown(reviews, request)["items"] if one["item_id"] == item["item_id"]
    )
    assert found["after"]["priority"] == "low"
    assert found["original_after"]["priority"] == item["after"]["priority"]
    screen.press(b"\x04")
    assert screen.end() == 0


def test_who_is_asked_comes_first_and_what_another_decided_is_told(
    reviews: Reviews, tour: Open
) -> None:
    other, mine = reviews.request("ac-036"), reviews.request("ac-038")
    (me,) = mine["approvers"]
    assert me not in other["approvers"]
    screen = tour(me)
    screen.until("2 requests to look at")
    screen.until(r"\(ac-038\)")
    screen.until(ASKED)
    reviews.json("approvals", "reject", mine["request_id"], "--as", "ow-9", "--reason", "mine")
    screen.type("a")
    screen.until(r"decided by ow-9, \w+ \d+ \w+, \d\d:\d\d: rejected \(mine\)")
    screen.until(r"1 request to look at")
    screen.until(r"\(ac-036\)")
    screen.until(ASKED)
    screen.type("q")
    screen.until("stopped; 0 decisions made")
    assert screen.end() == 0
    assert shown(reviews, other)["state"] == "pending"


def test_ctrl_c_says_what_was_done_and_what_was_not(reviews: Reviews, tour: Open) -> None:
    request = reviews.request("ac-040")
    screen = tour("ow-4")
    screen.until(ASKED)
    screen.type("d")
    screen.until("reason")
    screen.type("")
    screen.until("defer: put off")
    screen.until(ASKED)
    screen.press(b"\x03")
    screen.until("stopped by Ctrl-C; 1 decision made")
    screen.until(r"\(ac-040\): defer")
    screen.until("shown and not decided:")
    assert screen.end() == 130
    states = [one["state"] for one in shown(reviews, request)["items"]]
    assert states.count("deferred") == 1
    assert states.count("proposed") == len(states) - 1


def test_a_pipe_answers_as_a_person_does(reviews: Reviews, tour: Open) -> None:
    request = reviews.request("ac-035")
    count = len(request["items"])
    done = piped(reviews, "--as", "ow-4", "-o", "json", typed="a\n" + "d\nlater\n" * (count - 1))
    assert done.returncode == 0, done
    rows = json.loads(done.stdout)["items"]
    assert [row["decision"] for row in rows] == ["approve"] + ["defer"] * (count - 1)
    assert {row["ok"] for row in rows} == {True}
    decisions = shown(reviews, request)["decisions"]
    assert all(one["shown_hash"] for one in decisions)
    assert "(ac-035)" in done.stderr
    nothing = piped(reviews, "--as", "ow-4", typed="")
    assert nothing.returncode == 0
    assert "nothing is left to decide; 0 decisions made" in nothing.stdout


def test_an_input_that_ends_decides_nothing_more(reviews: Reviews, tour: Open) -> None:
    request = reviews.request("ac-033")
    done = piped(reviews, "--as", "ow-4", typed="r\n")
    assert done.returncode == 0, done
    assert "the input has ended" in done.stdout
    assert "stopped; 0 decisions made" in done.stdout
    assert shown(reviews, request)["decisions"] == []


def test_a_blank_name_is_no_name(reviews: Reviews, tour: Open) -> None:
    assert "--as is blank" in reviews.quick("approvals", "next", "--as", " ").sentence(2)
