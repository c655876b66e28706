"""Cycles with the commands of the command line."""

from collections.abc import AsyncIterator
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest

from account_reviews.config import ports
from account_reviews.local.stack import LocalStack
from tests.support.commands import Reviews
from tests.support.forks import Forks
from tests.support.portfolio_cluster import PortfolioCluster

COUNTS = {"accounts", "done", "running", "waiting", "failed", "joined"}
SHOWN = {"cycle_id", "kind", "status", "reason", "started_at", "closed_at", "briefs", "portfolio"}


def ended(seen: dict[str, Any]) -> int:
    return int(seen["done"] + seen["waiting"] + seen["failed"])


@pytest.fixture(scope="module")
async def reviews(
    short_dir: Path, portfolio_cluster: PortfolioCluster, forks: Forks
) -> AsyncIterator[Reviews]:
    """A stack of its own: cycles leave reviews open that other tests want to start."""
    data_dir = portfolio_cluster.copied_to(short_dir / "cyc")
    async with LocalStack(data_dir, ui=False, temporal_port=ports.any_free()):
        yield Reviews(data_dir, forks)


@pytest.fixture(scope="module")
def cycle(reviews: Reviews) -> dict[str, Any]:
    """A cycle of one owner that has ended."""
    words = ("cycles", "start", "--owner", "ow-1", "--watch", "--by", "lead")
    seen: dict[str, Any] = reviews.json(*words)
    return seen


def test_a_cycle_of_an_owner(reviews: Reviews, cycle: dict[str, Any]) -> None:
    assert cycle["status"] == "completed"
    assert ended(cycle) == cycle["accounts"] > 1
    assert cycle["failed"] == 0
    shown = reviews.json("cycles", "show", cycle["cycle_id"])
    assert set(shown) >= SHOWN | COUNTS
    assert {brief["owner_id"] for brief in shown["briefs"]} == {"ow-1"}
    assert shown["portfolio"]["total_accounts"] == cycle["accounts"]
    listed = reviews.json("cycles", "list", "--status", "completed")["items"]
    assert cycle["cycle_id"] in {one["cycle_id"] for one in listed}
    report = reviews.quick("cycles", "show", cycle["cycle_id"])
    assert report.code == 0
    assert report.out.startswith("# Portfolio report")
    mine = reviews.quick("cycles", "show", cycle["cycle_id"], "--owner", "Ilse Varnholt")
    assert (mine.code, "Ilse Varnholt" in mine.out) == (0, True)
    mail = message_from_string(
        reviews.quick("cycles", "show", cycle["cycle_id"], "-f", "mail").out, policy=policy.default
    )
    assert mail["Subject"].startswith("Portfolio report")
    assert [one.get_content_type() for one in mail.iter_parts()] == ["text/plain", "text/html"]


def test_a_cycle_tells_how_far_it_is(reviews: Reviews) -> None:
    answer = reviews.quick("cycles", "start", "--accounts", "ac-060,ac-061", "--watch")
    assert answer.code == 0
    assert "2 accounts" in answer.out
    assert "of 2:" in answer.err


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (2, ("start",)),
        (2, ("start", "--all", "--owner", "ow-1")),
        (2, ("start", "--all", "--kind", "hourly")),
        (2, ("start", "--all", "--window", "51")),
        (2, ("start", "--all", "--as-of", "yesterday")),
        (3, ("start", "--owner", "nobody")),
        (3, ("start", "--accounts", "ac-001,nobody")),
        (3, ("start", "--all", "--segment", "nowhere")),
        (3, ("show", "cycle/nobody")),
        (3, ("pause", "cycle/nobody")),
        (2, ("list", "--status", "asleep")),
        (2, ("list", "--cursor", "nowhere")),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else str(part),
)
def test_bad_input_is_one_sentence(reviews: Reviews, code: int, words: tuple[str, ...]) -> None:
    reviews.quick("cycles", *words).sentence(code)


def test_an_owner_without_a_brief(reviews: Reviews, cycle: dict[str, Any]) -> None:
    reviews.quick("cycles", "show", cycle["cycle_id"], "--owner", "ow-6").sentence(3)


def test_a_closed_cycle_is_not_steered(reviews: Reviews, cycle: dict[str, Any]) -> None:
    again = reviews.json("cycles", "cancel", cycle["cycle_id"], "--as", "ann")
    assert again["status"] == "completed"
    reviews.quick("cycles", "pause", cycle["cycle_id"]).sentence(4)
