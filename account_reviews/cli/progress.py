"""Progress of a cycle or a sync on stderr: a bar for people, lines where stderr is no terminal."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from account_reviews.domain.characters import shown_on_one_line
from account_reviews.presentation.terminal import note

if TYPE_CHECKING:
    from account_reviews.domain.cycle.state import CycleView
    from account_reviews.domain.memory_sync import SyncView

Show = Callable[["CycleView"], None]
ShowSync = Callable[["SyncView"], None]
_Seen = TypeVar("_Seen")


def described(seen: "CycleView", people: Mapping[str, str] | None = None) -> str:
    """`12 done, 3 running, 4 waiting, 0 failed, 1 joined, about 20 seconds left`.

    `people`: id -> name.
    """
    counts = ("done", "running", "waiting", "failed", "joined")
    text = ", ".join(f"{getattr(seen, name)} {name}" for name in counts)
    if not seen.loaded:
        text += ", accounts are being read"
    elif seen.eta_seconds is not None and seen.closed_at is None:
        from account_reviews.presentation.quick_words import QuickWords

        text += f", about {QuickWords(now=datetime.now(UTC)).span(seen.eta_seconds)} left"
    by = seen.paused_by
    return text + (f", paused by {(people or {}).get(by, by)}" if by else "")


def cycle_meter(people: Mapping[str, str] | None = None) -> AbstractContextManager[Show]:
    """A function that shows how far a cycle is. `people`: id -> name."""
    return _meter(
        "cycle",
        lambda seen: (shown_on_one_line(described(seen, people)), seen.finished, seen.accounts),
        lambda: _lines(people),
    )


def sync_meter() -> AbstractContextManager[ShowSync]:
    """A function that shows how far a sync of the memory is."""
    return _meter(
        "memory",
        lambda seen: (_sync_described(seen), seen.done + seen.skipped + seen.failed, seen.total),
        _sync_lines,
    )


@contextmanager
def _meter(
    label: str,
    read: Callable[[_Seen], tuple[str, int, int]],
    lines: Callable[[], Callable[[_Seen], None]],
) -> Iterator[Callable[[_Seen], None]]:
    """A bar on a terminal, else what `lines` gives. `read`: a description, how many of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True, emoji=False)
    if not console.is_interactive:
        yield lines()
        return
    columns = (
        TextColumn(label),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(seen: _Seen) -> None:
            text, done, total = read(seen)
            bar.update(task, description=text, total=total or None, completed=done)

        yield show


def _sync_described(seen: "SyncView") -> str:
    counts = ", ".join(f"{getattr(seen, name)} {name}" for name in ("done", "skipped", "failed"))
    return f"{seen.status}: {counts}"


def _sync_lines() -> ShowSync:
    """One line per quarter."""
    last = -1

    def show(seen: "SyncView") -> None:
        nonlocal last
        quarter = int(seen.percent // 25)
        if last < quarter < 4:
            last = quarter
            note(f"{seen.percent:g} % of {seen.total}: {_sync_described(seen)}")

    return show


def _lines(people: Mapping[str, str] | None) -> Show:
    """One line per quarter."""
    last = -1

    def show(seen: "CycleView") -> None:
        nonlocal last
        quarter = 4 * seen.finished // max(1, seen.accounts)
        if seen.closed_at is not None or last < quarter < 4:
            last = quarter
            note(f"{seen.finished} of {seen.accounts}: {described(seen, people)}")

    return show
