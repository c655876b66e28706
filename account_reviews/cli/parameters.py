"""What spares a command the work of the option parser that nothing came of.

Typer makes a validator of pydantic for every parameter of the verb that runs, also for those that
nobody has given, and loading pydantic costs more than reading a list. A value that is what its
parameter asks for needs no validator: a default, a text, one of a few words. All others, and every
refusal, go Typer's way.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

_NEEDS_MORE: Final = object()


def spare(parameters: Iterable[Any]) -> None:
    """Let these parameters of a command pass what needs no validator."""
    for parameter in parameters:
        kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
        if kind is not None:
            parameter.process_value = _passing(parameter.process_value, parameter, kind)


def _passing(process: Any, parameter: Any, kind: Any) -> Any:
    many = parameter.multiple or parameter.nargs != 1
    choices = {one.value: one for one in kind} if _is_choice(kind) else {}

    def process_value(context: Any, value: Any) -> Any:
        found = _passed(value, kind, choices, many=many, required=parameter.required)
        if found is _NEEDS_MORE:
            return process(context, value)
        callback = parameter.callback
        return found if callback is None else callback(context, parameter, found)

    return process_value


def _passed(value: Any, kind: Any, choices: dict[str, Any], *, many: bool, required: bool) -> Any:
    if value is None and not required:
        return () if many else None
    if many:
        return _NEEDS_MORE
    if isinstance(value, str) and value.lower() in choices:  # in any case
        return choices[value.lower()]
    # An exact type: `True` is no number, and a number that was typed is a text yet.
    return value if type(value) is kind else _NEEDS_MORE


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)
