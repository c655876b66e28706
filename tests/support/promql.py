"""Which metrics and labels an expression asks for. As much of the language as ours use."""

import re
from typing import NamedTuple

KEYWORDS = frozenset({"by", "or", "unless", "and", "offset", "without", "on", "ignoring"})
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*(?!\w)(?!\s*\()")


class Asked(NamedTuple):
    """Names of metrics, and of the labels that are looked at."""

    metrics: frozenset[str]
    labels: frozenset[str]


def asked(expression: str) -> Asked:
    """`le` is left out: every histogram has it."""
    plain = _TEXT.sub('""', expression)
    labels = {label.strip() for group in _GROUPING.findall(plain) for label in group.split(",")}
    for _, inside in _SELECTOR.findall(plain):
        labels |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
    rest = _GROUPING.sub("", _RANGE.sub("", plain))
    rest = re.sub(r"\{[^}]*\}", "", rest)
    names = {name for name in _NAME.findall(rest) if name not in KEYWORDS}
    return Asked(frozenset(names), frozenset(labels - {"le", ""}))
