"""`reviews digest` as a person runs it."""

from datetime import UTC, date, datetime
from email import message_from_string, policy
from pathlib import Path

from tests.support.commands import Reviews

KEYS = {
    *("owner_id", "owner_name", "day", "since", "nothing_new", "summary", "first_accounts"),
    *("changed", "waiting", "decided", "unreadable"),
}


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def test_a_digest_tells_what_waits_and_stays_as_it_was(reviews: Reviews) -> None:
    request, before = reviews.request("ac-026"), today()
    digest = reviews.json("digest", "--owner", "ow-2", "--fresh")
    assert set(digest) >= KEYS
    assert digest["owner_name"] == "Tomas Brekke"
    day = digest["day"]
    assert before <= day <= today()
    assert request["request_id"] in {one["request_id"] for one in digest["waiting"]}
    page = reviews.quick("digest", "--owner", "ow-2", REVIEWS_WEB_URL="https://reviews.example").out
    assert f"https://reviews.example/requests/{request['short_id']}" in page
    for owner in ("ow-2", "Tomas Brekke"):
        assert reviews.json("digest", "--owner", owner, "--day", day) == digest


def test_it_comes_as_a_page_or_as_text(reviews: Reviews, tmp_path: Path) -> None:
    day = today()
    short, long = (
        reviews.quick("digest", "--owner", "ow-1", "--day", day, "-f", form)
        for form in ("md", "markdown")
    )
    assert short == long
    assert str(date.fromisoformat(day).day) in short.out
    assert "ow-1" not in short.out.splitlines()[0]
    page = tmp_path / "digest.html"
    answer = reviews.quick("digest", "--owner", "ow-1", "-f", "html", "--file", str(page))
    assert (answer.code, answer.out) == (0, "")
    assert page.read_text("utf-8").startswith("<!doctype html>")
    mail = message_from_string(
        reviews.quick("digest", "--owner", "ow-1", "-f", "mail").out, policy=policy.default
    )
    assert [one.get_content_type() for one in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail["Subject"].startswith("Account reviews, ")


def test_a_day_before_everything_has_no_news(reviews: Reviews) -> None:
    answer = reviews.quick("digest", "--owner", "ow-1", "--day", "2020-01-01")
    assert answer.out.startswith("Nothing new for ")
    assert answer.out.endswith(" on Wed 1 Jan 2020.\n")
    assert answer.out.count("\n") == 1


def test_what_is_wrong_is_said_in_one_sentence(reviews: Reviews, tmp_path: Path) -> None:
    assert "no owner 'nobody'" in reviews.quick("digest", "--owner", "nobody").sentence(3)
    for day in ("2999-01-01", "yesterday", "1200-01-01", "2100-01-01"):
        assert day in reviews.quick("digest", "--owner", "ow-1", "--day", day).sentence(2)
    missing = str(tmp_path / "no" / "file")
    said = reviews.quick("digest", "--owner", "ow-1", "--file", missing).sentence(2)
    assert "cannot be written" in said
    error = reviews.quick("digest", "--owner", "nobody", "-o", "json").error(3)
    assert error["code"] == "not_found"
