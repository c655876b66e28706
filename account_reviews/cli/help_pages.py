"""The list of verbs in a help text: by subject, each with its whole first sentence."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Row = tuple[str, str]
"""A verb and its sentence."""
SUBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Reviews": (
        "start", "list", "show", "watch", "brief", "history", "snapshot", "ask", "annotate",
        "propose", "pause", "resume", "touch", "close", "cancel", "undo", "resumable",
    ),
    "Approvals": ("approvals", "digest"),
    "Cycles and schedules": ("cycles", "schedules"),
    "Audit": ("audit", "purge", "forget"),
    "CRM and memory": ("crm", "memory", "policy"),
    "Running it": (
        "dev", "demo", "doctor", "health", "stuck", "retry", "stop-all", "metrics", "worker",
        "web", "users", "tokens", "db", "config", "fake",
    ),
}  # fmt: skip
"""What the verbs of `reviews` are about, in the order of its help."""
_OTHERS: Final = "Running it"
_SENTENCE: Final = r"(.+?[.!?])(?=\s|$)"


def sections(
    verbs: Mapping[str, Any], *, root: bool
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Headings, each with its verbs and what they do; one section below the root."""
    shown = {name: one for name, one in verbs.items() if not one.hidden}
    width = max(map(len, shown), default=0)
    if not root:
        yield "Commands", _rows(shown, shown, width)
        return
    known = {verb for group in SUBJECTS.values() for verb in group}
    for heading, names in SUBJECTS.items():
        others = [name for name in shown if name not in known] if heading == _OTHERS else []
        rows = _rows([*names, *others], shown, width)
        if rows:
            yield heading, rows


def first_sentence(text: str) -> str:
    """The first sentence of a help text, on one line."""
    found = re.match(_SENTENCE, text.strip(), re.DOTALL)
    return " ".join((found[1] if found else text).split())


def _rows(names: Iterable[str], shown: Mapping[str, Any], width: int) -> list[Row]:
    return [
        (name.ljust(width), first_sentence(shown[name].help or ""))
        for name in names
        if name in shown
    ]
