"""The help texts: by subject, and whole on 80 columns."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer
import typer.main

from account_reviews.cli.app import VERBS, build
from account_reviews.cli.help_pages import SUBJECTS, first_sentence
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE


def pages(command: Any, path: str, parent: Any = None) -> Iterator[tuple[str, Any, str]]:
    """Each verb and group with its help text."""
    context = typer.Context(
        command, info_name=path.rsplit(maxsplit=1)[-1], parent=parent, terminal_width=80
    )
    yield path, command, command.get_help(context)
    for name, one in getattr(command, "commands", {}).items():
        yield from pages(one, f"{path} {name}", context)


PAGES = {path: (command, text) for path, command, text in pages(
    typer.main.get_command(build()), "reviews")}  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_no_line_is_longer_than_80_columns_and_none_is_cut(path: str) -> None:
    command, text = PAGES[path]
    lines = text.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    cut = [line for line in lines if line.rstrip().endswith(("...", "\N{HORIZONTAL ELLIPSIS}"))]
    assert [line for line in cut if not line.startswith(("Usage: ", "    "))] == []
    whole = " ".join(text.split())
    for name, one in getattr(command, "commands", {}).items():
        assert f" {name} " in whole
        assert first_sentence(one.help) in whole


@pytest.mark.parametrize("path", PAGES)
def test_each_option_says_what_it_is(path: str) -> None:
    command, _ = PAGES[path]
    options = [one for one in command.params if one.param_type_name == "option"]
    assert [one.opts for one in options if not one.help] == []


def test_each_verb_has_a_subject() -> None:
    named = [verb for group in SUBJECTS.values() for verb in group]
    assert len(named) == len(set(named))
    assert set(VERBS) <= set(named)
    _, text = PAGES["reviews"]
    places = [text.index(f"\n{heading}:\n") for heading in SUBJECTS]
    assert places == sorted(places)


def test_the_version_is_said() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "account_reviews.cli", "--version"],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"reviews {version('account-reviews')}\n"
