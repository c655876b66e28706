"""README and docs say what is there, and their commands do what they say."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from account_reviews.cli.app import build
from account_reviews.config import ports
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import RequestState
from account_reviews.domain.review.messages import RefusalCode
from account_reviews.domain.review.phases import ALLOWED, Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewKind
from account_reviews.local.stack import LocalStack
from tests.support.console import blocks, commands, first_missing, in_background, shell
from tests.support.forks import Forks
from tests.support.paths import ROOT
from tests.support.portfolio_cluster import PortfolioCluster

PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
RUN_HERE = [
    ROOT / "docs" / name
    for name in (
        *("approving.md", "cycles.md", "cycle-results.md", "schedules.md", "stopping.md"),
        "documents.md",
        *("telemetry.md", "audit.md", "completion.md", "retention.md", "stuck.md"),
        "api.md",
        "control.md",
        "looking.md",
        "terminal.md",
        "memory.md",
        "resuming.md",
        "web.md",
        "webhooks.md",
    )
]
"""Pages whose commands run here beside the README; those of temporal-cli.md run in tests/tools."""

ON_THE_WEB = ("api", "web")
"""Those that use the web app of `reviews dev`."""
IN_THE_BACKGROUND = ("webhooks",)
"""Those that start a `reviews` which they end by a signal."""

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MENTION = re.compile(r"\breviews((?: [a-z][a-z-]*)+)")
START = "reviews dev"


def verbs(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of the tree, groups included."""
    for name, command in getattr(group, "commands", {}).items():
        yield (*path, name)
        yield from verbs(command, (*path, name))


def all_verbs() -> list[tuple[str, ...]]:
    found = list(verbs(typer.main.get_command(build())))
    assert ("approvals", "approve") in found
    return found


def code_of(page: Path) -> list[str]:
    """What a page shows as code: the lines of its fenced blocks, and its inline code."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [
        *(line for block in fenced for line in block.splitlines()),
        *re.findall(r"`([^`\n]+)`", rest),
    ]


def mentioned() -> dict[str, set[str]]:
    """Command lines that begin with `reviews`, and the pages they stand on."""
    found: dict[str, set[str]] = {}
    for page in PAGES:
        for line in code_of(page):
            for words in MENTION.findall(line):
                found.setdefault(words.strip(), set()).add(page.name)
    return found


def test_every_verb_is_documented() -> None:
    said = [f"{words} " for words in mentioned()]
    for verb in all_verbs():
        spelled = " ".join(verb)
        assert any(words.startswith(f"{spelled} ") for words in said), (
            f"`reviews {spelled}` stands in neither README nor docs"
        )


def test_no_page_mentions_a_verb_that_is_not_there() -> None:
    known = set(all_verbs())
    for words, pages in mentioned().items():
        first, *more = words.split()
        assert (first,) in known, f"{pages} mention `reviews {first}`"
        if more and any(verb[0] == first and len(verb) > 1 for verb in known):
            assert (first, more[0]) in known, f"{pages} mention `reviews {first} {more[0]}`"


def test_the_design_page_names_every_state() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    for states in (Phase, Status, Outcome, ItemState, RequestState, RefusalCode, ReviewKind):
        for state in states:
            assert re.search(rf"\b{state}\b", page), f"design.md does not name {state!r}"
    rows = dict(re.findall(r"^\| (\w+) \| ([\w, ]+) \|$", page, re.MULTILINE))
    for phase, targets in ALLOWED.items():
        if targets:
            assert set(rows[phase].split(", ")) == targets


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            there = (page.parent / file).resolve() if file else page
            assert there.exists(), f"{page.name} links to {target}"
            if anchor:
                assert anchor in anchors(there), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "overview.md"
    linked = {target.partition("#")[0] for target in LINK.findall(index.read_text("utf-8"))}
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {index.name}
    assert pages <= linked


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        for line in code_of(page):
            for target in re.findall(r"^(?:\$ )?make ([a-z-]+)", line):
                assert target in targets, f"{page.name} mentions make {target}"


def test_every_console_block_holds_commands() -> None:
    for page in PAGES:
        for number, lines in blocks(page.read_text(encoding="utf-8")):
            assert lines[0].startswith("$ "), f"{page.name} line {number}"


@pytest.fixture
def env(short_dir: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """A reader's environment: a data directory of his own, our commands on PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "REVIEWS_DATA_DIR": str(short_dir / request.node.name[-12:].strip("[]").replace("/", "-")),
    }


@pytest.mark.timeout(400)
@pytest.mark.temporal
def test_the_commands_of_the_readme_work(env: dict[str, str]) -> None:
    steps = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    start = next(number for number, step in enumerate(steps) if step.text == START)
    with shell(env) as terminal:
        for step in steps[:start]:
            terminal.run(step)
        with in_background(START, env, Path(env["REVIEWS_DATA_DIR"]) / "stack.json"):
            for step in steps[start + 1 :]:
                terminal.run(step)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.stem)
@pytest.mark.temporal
async def test_the_commands_of_a_page_work(
    env: dict[str, str], page: Path, portfolio_cluster: PortfolioCluster, forks: Forks
) -> None:
    """On a stack of its own. Its `reviews` is forked; the README's is started like a reader's."""
    if page.stem not in IN_THE_BACKGROUND:
        env["PATH"] = f"{forks.on_path()}:{env['PATH']}"
    data_dir = portfolio_cluster.copied_to(Path(env["REVIEWS_DATA_DIR"]))
    async with LocalStack(
        data_dir,
        ui=False,
        temporal_port=ports.any_free(),
        web=page.stem in ON_THE_WEB,
        web_port=ports.any_free(),
    ):
        await asyncio.to_thread(work_through, page, env)


def work_through(page: Path, env: dict[str, str]) -> None:
    with shell(env) as terminal:
        for step in commands(page.read_text(encoding="utf-8")):
            terminal.run(step)


def test_the_runner_sees_what_is_missing() -> None:
    printed = "one   two\nthree 4 five\n"
    assert first_missing(("one two", "three ... five"), printed) is None
    assert first_missing(("three", "one"), printed) == "one"
    assert first_missing(("...", "four"), printed) == "four"


def test_the_runner_fills_in_and_fails(env: dict[str, str]) -> None:
    request = "01a1fd1a-0a61-74dd-8d70-9cfcf2fa2255"
    lines = ["```console", f"$ echo request {request}", "$ echo REQUEST \\", "  end"]
    first, second, third = commands("\n".join([*lines, f"{request} end", "$ false", "```"]))
    with shell(env) as terminal:
        terminal.run(first)
        terminal.run(second)
        with pytest.raises(pytest.fail.Exception, match="line 6: false\nended with 1"):
            terminal.run(third)


def test_requirements_name_no_place() -> None:
    files = sorted((ROOT / "requirements").glob("*.txt"))
    assert [file.name for file in files] == ["bench.txt", "dev.txt", "runtime.txt", "uv.txt"]
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            assert re.match(r"[a-z0-9][a-z0-9.-]*==\S+( ; .+)? \\$|    --hash=sha256:", line), line


def test_requirements_agree() -> None:
    pins = {
        name: dict(
            line.split(" ")[0].split("==")
            for line in (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
            if "==" in line.split(" ")[0]
        )
        for name in ("runtime", "dev")
    }
    assert pins["runtime"].items() <= pins["dev"].items()
