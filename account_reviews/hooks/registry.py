"""Finds hooks: what `REVIEWS_HOOKS` names, what installed distributions offer, what code gives.

A hook is a callable of one `HookEvent`, or an object (or a class without parameters) with methods
named like the hooks. All may be plain or async. Whatever cannot be used is refused here, before
the worker starts.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from account_reviews.domain.errors import BadInputError
from account_reviews.hooks.events import HookName

GROUP: Final = "account_reviews.hooks"
"""The entry point group."""

_ENV: Final = "REVIEWS_HOOKS"
_HINT: Final = "it must be installed, or its folder must be in PYTHONPATH"

Call = Callable[..., Any]


@dataclass(frozen=True)
class Hook:
    """One registered hook. `name` stands in metrics and logs."""

    name: str
    calls: Mapping[HookName, Call]


def load(setting: str | None) -> list[Hook]:
    """The hooks of `REVIEWS_HOOKS` (`module:callable[,...]`), then those of entry points.

    BadInputError names the first that cannot be used, and why.
    """
    names = [name.strip() for name in (setting or "").split(",")]
    found = [hook_of(_imported(name), name, f"{_ENV} names {name!r}") for name in names if name]
    for entry in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        where = f"the entry point {entry.name!r} of {GROUP} is {entry.value!r}"
        try:
            thing = entry.load()
        except Exception as error:
            raise BadInputError(f"{where}, which cannot be imported: {_why(error)}") from error
        found.append(hook_of(thing, entry.name, where))
    return found


def hook_of(thing: object, name: str, where: str | None = None) -> Hook:
    """Register what code gives: a callable, or an object or class with methods named like hooks.

    BadInputError when it is neither.
    """
    where = where or f"the hook {name!r} is {thing!r}"
    if inspect.isclass(thing):
        try:
            thing = thing()
        except Exception as error:
            raise BadInputError(f"{where}, which cannot be made: {_why(error)}") from error
    methods = {
        hook: method for hook in HookName if callable(method := getattr(thing, hook.value, None))
    }
    if not methods and callable(thing):
        methods = dict.fromkeys(HookName, thing)
    if not methods:
        raise BadInputError(
            f"{where}, which is not callable and has no method named like a hook",
            hint="the hooks are " + ", ".join(HookName),
        )
    for method in methods.values():
        _check(method, where)
    return Hook(name, methods)


def _imported(name: str) -> object:
    module, colon, path = name.partition(":")
    if not module or not path or not colon:
        raise BadInputError(
            f"{_ENV} names {name!r}, but must be module:callable[,module:callable...]"
        )
    try:
        return reduce(getattr, path.split("."), import_module(module))
    except AttributeError as error:
        if isinstance(error.obj, type(inspect)) or error.name in path.split("."):
            raise BadInputError(f"{_ENV} names {name!r}, but {_why(error)}") from error
        raise _not_imported(name, error) from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _not_imported(name, error) from error


def _not_imported(name: str, error: BaseException) -> BadInputError:
    absent = isinstance(error, ModuleNotFoundError)
    return BadInputError(
        f"{_ENV} names {name!r}, which cannot be imported: {_why(error)}",
        hint=_HINT if absent else None,
    )


def _check(method: Call, where: str) -> None:
    """A hook that cannot be called with one event is refused now, not at the first event."""
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):  # written in C: nothing is known of it
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise BadInputError(f"{where}, which does not take one event: {error}") from error


def _why(error: BaseException) -> str:
    """The error in one line."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    if isinstance(error, ModuleNotFoundError | AttributeError) and text:
        return text
    return f"{kind}: {text}" if text else kind
