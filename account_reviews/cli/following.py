"""The last line of an answer: what comes next, and what to type for it."""

from typing import TYPE_CHECKING

from account_reviews.presentation.terminal import note, say
from account_reviews.presentation.text_width import width_of

if TYPE_CHECKING:
    from account_reviews.presentation.steps_after import NextStep

_ROOM = 79


def say_next(step: "NextStep | None", *, err: bool = False) -> None:
    """One line, or two where it is too long for a terminal: a command is never broken. Nothing
    where nothing comes next."""
    if step is None:
        return
    put = note if err else say
    line = f"Next: {step.line}"
    if step.command is None or width_of(line) <= _ROOM:
        put(line)
        return
    put(f"Next: {step.text}:")
    put(f"  {step.command}")
