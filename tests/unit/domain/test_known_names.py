"""What somebody means who types an id, the beginning of one, or a name."""

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.known_names import Known, listed, matching, near

ACCOUNTS = {
    "ac-038": "Fjord Optics",
    "ac-039": "Fjord Optics",
    "ac-04": "Birch Foods",
    "ac-041": None,
    "bc-1": "ac-04",
}


def _ids(text: str) -> list[str]:
    return [one.id for one in matching(text, ACCOUNTS)]


def test_an_id_comes_before_all_else() -> None:
    assert _ids("ac-04") == ["ac-04"]
    assert _ids("AC-041") == ["ac-041"]
    assert _ids(" Ac-04 ") == ["ac-04"]


def test_a_name_in_any_spelling_and_the_beginning_of_an_id() -> None:
    assert _ids("birch   FOODS") == ["ac-04"]
    assert _ids("\uff22irch Foods") == ["ac-04"]
    assert _ids("Fjord Optics") == ["ac-038", "ac-039"]
    assert _ids("bc") == ["bc-1"]
    assert _ids("ac-03") == ["ac-038", "ac-039"]
    assert _ids("Fjord") == []


def test_nothing_stands_for_nobody() -> None:
    assert _ids("") == []
    assert _ids("  ") == []
    assert _ids("\u200b") == []


def test_what_is_spelled_much_like_it() -> None:
    assert near("Birch Fods", ACCOUNTS)[0] == Known("ac-04", "Birch Foods")
    assert near("Fjordd", ACCOUNTS) == [
        Known("ac-038", "Fjord Optics"),
        Known("ac-039", "Fjord Optics"),
    ]
    assert near("zzzzzz", ACCOUNTS) == []


def test_hits_are_listed_with_their_names() -> None:
    assert listed(matching("Fjord Optics", ACCOUNTS)) == (
        "Fjord Optics (ac-038) or Fjord Optics (ac-039)"
    )
    many = [Known(f"a-{n}") for n in range(8)]
    assert listed(many) == "a-0, a-1, a-2, a-3, a-4 and 3 more"
    assert listed(many[:3]) == "a-0, a-1 or a-2"


@given(st.dictionaries(st.text(), st.none() | st.text()), st.text())
def test_every_id_finds_itself_and_every_text_something_or_nothing(
    names: dict[str, str | None], text: str
) -> None:
    for ident in names:
        assert [one.id for one in matching(ident, names)] == [ident]
    assert {one.id for one in matching(text, names)} <= set(names)
    assert len(near(text, names)) <= 3
