"""How the demo speaks: a heading and one plain paragraph for each step, progress on stderr."""

import shutil
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from account_reviews.presentation.terminal import note, print_table, print_text, say

_WIDTH: Final = 96

Show = Callable[[int], None]
"""Takes how many are done."""


class Narrator:
    """Numbers the steps and remembers how long each took, in seconds."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []
        self._began = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step. What is narrated inside stands under its heading."""
        say()
        say(f"{len(self.times) + 1}. {title}")
        say()
        began = time.perf_counter()
        yield
        self.times.append((title, time.perf_counter() - began))

    def summary(self) -> None:
        """The steps and their times."""
        print_text("\nSummary\n")
        rows = [(title, f"{seconds:.1f} s") for title, seconds in self.times]
        print_table(("step", "time"), [*rows, ("in all", f"{self.elapsed:.1f} s")])


def narrate(text: str) -> None:
    """One paragraph on stdout, as wide as the terminal and not wider than is read with ease."""
    width = min(_WIDTH, shutil.get_terminal_size().columns)
    print_text(textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False))


@contextmanager
def meter(what: str, total: int) -> Iterator[Show]:
    """A progress bar on stderr; a line for each quarter where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_interactive:
        yield _quarters(what, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _quarters(what: str, total: int) -> Show:
    shown = -1

    def show(done: int) -> None:
        nonlocal shown
        quarter = 4 * done // max(1, total)
        if quarter > shown:
            shown = quarter
            note(f"{what}: {done} of {total}")

    return show
