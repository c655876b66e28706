"""The command tree: each verb is found in the module that is loaded for it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from account_reviews.cli.app import VERBS, build
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

CLI = (sys.executable, "-m", "account_reviews.cli")
SHELLS = {
    "bash": {"COMP_WORDS": "reviews {}", "COMP_CWORD": "{}"},
    "zsh": {"_TYPER_COMPLETE_ARGS": "reviews {}"},
    "fish": {"_TYPER_COMPLETE_ARGS": "reviews {}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}
"""What each shell tells a program that completes its own words."""


def verbs_of(app: typer.Typer) -> list[str]:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return list(group.commands)


def test_each_verb_is_in_its_module() -> None:
    assert set(verbs_of(build())) == set(VERBS)
    for module in set(VERBS.values()):
        assert set(verbs_of(build([module]))) == {
            verb for verb, place in VERBS.items() if place == module
        }


CHANGES_A_REVIEW = (
    *("pause", "resume", "cancel", "close", "touch", "ask", "annotate", "propose", "undo", "retry"),
    *("approvals approve", "approvals adjust", "approvals reject", "approvals defer"),
    "approvals delegate",
)


@pytest.mark.parametrize("verb", CHANGES_A_REVIEW)
def test_whatever_changes_a_review_takes_who_and_why(verb: str) -> None:
    found: Any = typer.main.get_command(build())
    for word in verb.split():
        found = found.commands[word]
    options = {option for one in found.params for option in one.opts}
    assert {"--as", "--reason"} <= options


def run(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*CLI, *words],
        env={**os.environ, **more},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_no_words_give_the_help_text() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: reviews" in done.stderr
    assert "Traceback" not in done.stderr


_INTERRUPTED = """
import sys

class CtrlC:
    def find_spec(self, name, *_):
        if name == "{module}":
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
from account_reviews.cli import main
main(["list"])
"""


@pytest.mark.parametrize("module", ["typer", "account_reviews.cli.commands.list", "asyncio"])
def test_ctrl_c_while_modules_are_loaded_ends_it_quietly(module: str) -> None:
    program = [sys.executable, "-c", _INTERRUPTED.format(module=module)]
    done = subprocess.run(
        program, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("appr", "approvals"), ("approvals app", "approve"), ("list --ph", "--phase")],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_words_are_completed(shell: str, typed: str, offered: str) -> None:
    place = str(len(typed.split()))
    environment = {name: text.format(place if name == "COMP_CWORD" else typed)
            for name, text in SHELLS[shell].items()}  # fmt: skip
    done = run(_REVIEWS_COMPLETE=f"complete_{shell}", **environment)
    assert done.stderr == ""
    assert offered in done.stdout
    assert "defer" not in done.stdout


def test_bash_completes_after_the_script_is_sourced(tmp_path: Path) -> None:
    script = run("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert script.returncode == 0, script.stderr
    program = tmp_path / "reviews"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(CLI)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    session = f"""
{script.stdout}
complete -p reviews
COMP_WORDS=(reviews approvals def) COMP_CWORD=2
_reviews_completion {shlex.quote(str(program))}
echo "offered: ${{COMPREPLY[*]}}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", session],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert "-F _reviews_completion reviews" in done.stdout
    assert "offered: defer" in done.stdout, done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_names_the_command(shell: str) -> None:
    done = run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0
    assert f"_REVIEWS_COMPLETE=complete_{shell}" in done.stdout


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        ("bash", ".bash_completions/reviews.sh"),
        ("zsh", ".zfunc/_reviews"),
        ("fish", ".config/fish/completions/reviews.fish"),
    ],
)
def test_completion_is_installed_where_the_page_says(
    shell: str, script: str, tmp_path: Path
) -> None:
    done = run(
        *("--install-completion", shell),
        _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1",
        HOME=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "_REVIEWS_COMPLETE" in (tmp_path / script).read_text(encoding="utf-8")
    assert f"~/{script}" in (ROOT / "docs" / "completion.md").read_text(encoding="utf-8")
