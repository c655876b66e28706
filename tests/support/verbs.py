"""The verbs of `reviews`, as their parser knows them."""

from functools import cache
from typing import Any

import typer.main

from account_reviews.cli.app import build


@cache
def tree() -> Any:
    """Every command."""
    return typer.main.get_command(build())


def can_be_typed(words: list[str]) -> None:
    """A verb that is there, with all that it needs; raises the parser's error else."""
    left = [one.replace("--wait", "--wait=waiting") for one in words]
    command, context = tree(), None
    while commands := getattr(command, "commands", None):
        if not left or left[0] == "--help":
            return
        context = typer.Context(command, info_name="reviews", parent=context)
        command = commands[left.pop(0)]
    command.make_context("verb", left, parent=context)
