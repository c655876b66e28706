"""The command tree. Each verb lives in the module of its subject."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import typer

from account_reviews.cli.output import leave

app = typer.Typer(
    name="reviews",
    help="Durable CRM account reviews with human approval, on Temporal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MODULES = (
    "stack", "demo", "worker", "reviews", "looking", "approvals", "crm", "db", "memory", "policy",
    "config",
)  # fmt: skip
"""Each has `register(app)`, which adds its verbs."""

for _name in MODULES:
    import_module(f"account_reviews.cli.{_name}").register(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the console script, of worker.py and of starter.py."""
    words = _spell_wait(list(sys.argv[1:] if arguments is None else arguments))
    try:
        app(words, standalone_mode=False, prog_name="reviews")
    except typer.Exit as stop:
        leave(stop.exit_code)
    except typer.Abort:
        leave(130)
    except SystemExit as stop:
        leave(stop.code if isinstance(stop.code, int) else 1)
    except Exception as error:
        format_message = getattr(error, "format_message", None)
        if format_message is None:
            raise
        typer.echo(f"{format_message()} (try: {_help_for(words)})", err=True)
        leave(2)
    leave(0)


def _spell_wait(words: list[str]) -> list[str]:
    """`--wait` takes an optional word, which the option parser cannot: give it one."""
    spelled: list[str] = []
    for word in words:
        if spelled and spelled[-1] == "--wait=waiting" and word in ("closed", "waiting"):
            spelled[-1] = f"--wait={word}"
        else:
            spelled.append("--wait=waiting" if word == "--wait" else word)
    return spelled


def _help_for(words: Sequence[str]) -> str:
    verbs = [word for word in words[:1] if not word.startswith("-")]
    return " ".join(["reviews", *verbs, "--help"])
