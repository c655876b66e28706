"""The command tree. Each verb lives in the module of its subject."""

import logging
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated, Final, NoReturn

import typer

from account_reviews.cli import access_log, usage
from account_reviews.cli.output import chosen, fail, leave
from account_reviews.config.terminal import completes
from account_reviews.presentation.terminal import print_text, say, spare_characters
from account_reviews.runtime.garbage_collection import collect_seldom

VERBS: Final = {
    "dev": "stack", "doctor": "stack", "health": "health", "demo": "demo", "fake": "fake",
    "worker": "worker",
    "web": "web", "users": "users", "tokens": "tokens",
    "start": "start",
    "list": "list", "show": "show", "watch": "show", "brief": "show", "history": "show",
    "stuck": "stuck", "retry": "stuck",
    "snapshot": "snapshot", "resumable": "resumable",
    "pause": "control", "resume": "control", "cancel": "cancel",
    "close": "control", "touch": "control", "ask": "control", "annotate": "control",
    "propose": "control", "undo": "undo", "approvals": "approvals", "cycles": "cycles",
    "digest": "digest",
    "schedules": "schedules", "stop-all": "stop_all", "audit": "audit", "metrics": "metrics",
    "purge": "purge", "forget": "forget",
    "crm": "crm", "db": "db", "memory": "memory", "policy": "policy", "config": "config",
}  # fmt: skip
"""Each verb and group with its module of `cli.commands`.

A module has `register(app)`, which adds its verbs. That of the verb that is typed is loaded.
"""


def build(modules: Iterable[str] = VERBS.values()) -> typer.Typer:
    """The commands of these modules, of all when none are named."""
    app = typer.Typer(
        name="reviews",
        cls=access_log.Group,
        help="Durable CRM account reviews with human approval, on Temporal.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_no_verb)  # so that one verb alone is a verb too
    for name in dict.fromkeys(modules):
        import_module(f"account_reviews.cli.commands.{name}").register(app)
    access_log.watch(app)
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the verb these words name, those of the process without any; ends the process."""
    collect_seldom()
    spare_characters()
    # Warnings of our modules are for the worker's log; a person gets one sentence.
    logging.getLogger("account_reviews").addHandler(logging.NullHandler())
    words = _spell_wait(list(sys.argv[1:] if arguments is None else arguments))
    output = chosen(usage.asked_format(words))
    try:
        usage.check_words(words)
        code = build(_modules_of(words))(words, standalone_mode=False, prog_name="reviews")
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
            print_text(help_text, err=True)
            leave(2)
        fail(usage.as_bad_input(error, words) or error, output)
    leave(code if isinstance(code, int) else 0)  # verbs give None, the parser 130 after Ctrl-C


def _say_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    say(f"reviews {version(__name__.partition('.')[0])}")
    raise typer.Exit


def _no_verb(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_say_version, help="Say which it is."),
    ] = False,
) -> None:
    pass


def _modules_of(words: Sequence[str]) -> Iterable[str]:
    """The module of the verb that comes first; all for help, completion and unknown verbs."""
    if not words or completes():
        return VERBS.values()
    if words[0] == "--version":
        return ()
    return [VERBS[words[0]]] if words[0] in VERBS else VERBS.values()


def _spell_wait(words: list[str]) -> list[str]:
    """`--wait` takes an optional word, which the option parser cannot: give it one."""
    spelled: list[str] = []
    for word in words:
        if spelled and spelled[-1] == "--wait=waiting" and word in ("closed", "waiting"):
            spelled[-1] = f"--wait={word}"
        else:
            spelled.append("--wait=waiting" if word == "--wait" else word)
    return spelled
