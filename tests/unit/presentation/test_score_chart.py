"""Risk and health over time: what is drawn, and the words beside it."""

from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.presentation.brief import render_brief
from account_reviews.presentation.score_chart import MOST, score_chart
from account_reviews.presentation.surroundings import Past
from account_reviews.presentation.words import Words
from tests.support.build import AS_OF
from tests.support.documents import beside, busy_brief, past

WORDS = Words(now=AS_OF)
scores = st.none() | st.integers(0, 100)
pasts = st.lists(
    st.builds(
        Past,
        at=st.integers(0, 10**7).map(lambda seconds: AS_OF - timedelta(seconds=seconds)),
        risk=scores,
        risk_level=st.just("low"),
        health=scores,
        health_band=st.just("moderate"),
    ),
    max_size=20,
).map(lambda found: sorted(found, key=lambda one: one.at))


@given(pasts)
def test_every_known_score_is_one_dot_within_the_drawing(found: list[Past]) -> None:
    chart = score_chart(found, WORDS)
    if chart is None:
        assert len(found) < 2
        return
    shown = found[-MOST:]
    for line, name in zip(chart.lines, ("risk", "health"), strict=True):
        known = [getattr(one, name) for one in shown if getattr(one, name) is not None]
        assert len(line.dots) == len(known)
        assert all(0 <= dot.x <= 400 and 0 <= dot.y <= 150 for dot in line.dots)
        assert [dot.x for dot in line.dots] == sorted(dot.x for dot in line.dots)
        joined = sum(path.count("L") for path in line.paths)
        assert joined <= max(0, len(known) - 1)
    assert len(chart.moments) == len(shown)


def test_a_score_that_is_unknown_leaves_a_gap() -> None:
    chart = score_chart([past(30, 10, 50), past(20, 20, None), past(10, 30, 40)], WORDS)
    assert chart is not None
    risk, health = chart.lines
    assert len(risk.paths) == 1
    assert health.paths == ()
    assert len(health.dots) == 2


def test_higher_scores_stand_higher() -> None:
    chart = score_chart([past(30, 0, 100), past(0, 100, 0)], WORDS)
    assert chart is not None
    risk, health = chart.lines
    assert risk.dots[0].y > risk.dots[1].y
    assert health.dots[0].y < health.dots[1].y


def test_words_say_what_the_drawing_shows() -> None:
    chart = score_chart([past(28, 0, 70), past(7, 20, 70)], WORDS)
    assert chart is not None
    assert chart.description == (
        "2 reviews since Mon 2 Jun. Risk rose from 0 to 20. Health is 70 of 100, as it was then."
    )
    assert [one.risk for one in chart.moments] == ["low, 20 of 100", "low, 0 of 100"]


def test_one_review_is_not_drawn() -> None:
    assert score_chart([past(1, 10, 10)], WORDS) is None
    page = render_brief(busy_brief(), "html", WORDS, beside(past=()))
    assert "<svg" not in page
    assert "there is nothing to draw yet" in page


def test_an_earlier_review_of_the_same_clock_is_drawn_before_this_one() -> None:
    brief = busy_brief()
    same = replace(past(0, 20, 70), at=brief.generated_at)
    page = render_brief(brief, "html", WORDS, beside(past=(same,)))
    assert f"Risk rose from 20 to {brief.risk.score}." in page


def test_the_drawing_of_a_brief_ends_with_its_own_scores() -> None:
    page = render_brief(busy_brief(), "html", WORDS, beside())
    svg = page[page.index("<svg") : page.index("</svg>") + len("</svg>")]
    drawn = ET.fromstring(svg)
    assert drawn.get("role") == "img"
    assert len(list(drawn.iter("circle"))) == 5
    assert "Risk rose from 0 to 60." in (drawn.findtext("desc") or "")
    assert page.count("Risk rose from 0 to 60.") == 2
    assert "Mon 30 Jun: risk high, 60 of 100" in page
