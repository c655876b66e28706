"""How often a process looks for garbage. Most of ours is freed at once, without any look."""

import gc
from typing import Final

COLLECT_AFTER: Final = 100_000
"""New objects between two looks. The default of 700 looks a hundred times while we are imported."""


def collect_seldom() -> None:
    """For every process, before its imports."""
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def pass_over_what_is_there() -> None:
    """For a process that goes on for long, once it is ready: what it was built from stays."""
    gc.collect()
    gc.freeze()
