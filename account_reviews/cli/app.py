"""The command tree. Each verb lives in the module of its subject."""

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import typer

from account_reviews.cli import access_log, usage
from account_reviews.cli.output import Format, fail, leave
from account_reviews.presentation.terminal import note
from account_reviews.runtime.garbage_collection import collect_seldom

app = typer.Typer(
    name="reviews",
    help="Durable CRM account reviews with human approval, on Temporal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MODULES = (
    "stack", "demo", "worker", "start", "show", "approvals", "cycles", "digest", "schedules",
    "stop_all", "audit", "metrics", "crm", "db", "memory", "policy", "config",
)  # fmt: skip
"""Each has `register(app)`, which adds its verbs."""

for _name in MODULES:
    import_module(f"account_reviews.cli.commands.{_name}").register(app)
access_log.watch(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the console script, of worker.py and of starter.py."""
    collect_seldom()
    # Warnings of our modules are for the worker's log; a person gets one sentence.
    logging.getLogger("account_reviews").addHandler(logging.NullHandler())
    words = _spell_wait(list(sys.argv[1:] if arguments is None else arguments))
    output = Format.JSON if usage.wants_json(words) else Format.TABLE
    try:
        usage.check_words(words)
        app(words, standalone_mode=False, prog_name="reviews")
    except typer.Exit as stop:
        leave(stop.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        leave(130)
    except SystemExit as stop:
        if isinstance(stop.__context__, OSError):  # how the parser passes on a closed pipe
            leave(0)
        leave(stop.code if isinstance(stop.code, int) else 1)
    except Exception as error:  # noqa: BLE001  nobody is to see a traceback
        help_text = usage.help_of(error)
        if help_text is not None:
            note(help_text)
            leave(2)
        fail(usage.as_bad_input(error, words) or error, output)
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
