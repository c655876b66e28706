"""Risk and health of one account over time, as the numbers of a drawing and as words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from account_reviews.presentation.surroundings import Past
from account_reviews.presentation.words import Words

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 385, 14, 122
"""Of a drawing of 400 by 150."""
MOST: Final = 12
"""Reviews that are drawn; the newest."""


@dataclass(frozen=True, slots=True)
class Dot:
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Line:
    """One score. `paths` are runs of points without a gap: where a score is unknown there is no
    line."""

    name: str
    dots: tuple[Dot, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """One review in words."""

    when: str
    risk: str
    health: str


@dataclass(frozen=True, slots=True)
class ScoreChart:
    lines: tuple[Line, ...]
    moments: tuple[Moment, ...]
    """Newest first."""
    description: str
    first: str
    last: str


def score_chart(past: Sequence[Past], words: Words) -> ScoreChart | None:
    """The chart of at least two reviews, oldest first; None for fewer."""
    shown = tuple(past)[-MOST:]
    if len(shown) < 2:
        return None
    places = _places(shown)
    return ScoreChart(
        lines=(
            _line("risk", places, (one.risk for one in shown)),
            _line("health", places, (one.health for one in shown)),
        ),
        moments=tuple(_moment(one, words) for one in reversed(shown)),
        description=_description(shown, words),
        first=words.day(shown[0].at),
        last=words.day(shown[-1].at),
    )


def _places(past: Sequence[Past]) -> list[int]:
    """Where each review stands, by its time; side by side when all are of one moment."""
    begin, length = past[0].at, (past[-1].at - past[0].at).total_seconds()
    if length <= 0:
        step = (_RIGHT - _LEFT) / (len(past) - 1)
        return [round(_LEFT + step * place) for place in range(len(past))]
    shares = ((one.at - begin).total_seconds() / length for one in past)
    return [round(_LEFT + share * (_RIGHT - _LEFT)) for share in shares]


def _line(name: str, places: Sequence[int], scores: Iterable[int | None]) -> Line:
    dots: list[Dot] = []
    runs: list[list[Dot]] = [[]]
    for x, score in zip(places, scores, strict=True):
        if score is None:
            runs.append([])
            continue
        dot = Dot(x, round(_BOTTOM - max(0, min(100, score)) / 100 * (_BOTTOM - _TOP)))
        dots.append(dot)
        runs[-1].append(dot)
    paths = tuple(
        "M" + " L".join(f"{dot.x} {dot.y}" for dot in run) for run in runs if len(run) > 1
    )
    return Line(name, tuple(dots), paths)


def _moment(one: Past, words: Words) -> Moment:
    return Moment(
        when=words.day(one.at),
        risk=score_words(one.risk, one.risk_level, words),
        health=score_words(one.health, one.health_band, words),
    )


def score_words(score: int | None, level: str, words: Words) -> str:
    """ "high, 72 of 100"; "unknown"."""
    return words.term(level) if score is None else f"{words.term(level)}, {score} of 100"


def _description(past: Sequence[Past], words: Words) -> str:
    first, last = past[0], past[-1]
    told = (
        _told("Risk", first.risk, last.risk),
        _told("Health", first.health, last.health),
    )
    since = words.day(first.at)
    return f"{words.count(len(past), 'review')} since {since}. {' '.join(told)}"


def _told(what: str, first: int | None, last: int | None) -> str:
    if first is None or last is None:
        return f"{what} is not known of all of them."
    if first == last:
        return f"{what} is {last} of 100, as it was then."
    return f"{what} {'rose' if last > first else 'fell'} from {first} to {last}."
