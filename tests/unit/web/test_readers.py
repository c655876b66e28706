"""What a browser says: where it is, which language, which zone, where to go on."""

import ipaddress

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.web.languages import chosen_locale, chosen_zone
from account_reviews.web.pages.sign_in import own_path
from account_reviews.web.sessions import address_of

PROXIES = [ipaddress.ip_network(one) for one in ("127.0.0.0/8", "10.0.0.0/8")]


def came(peer: str, said: str | None = None) -> Request:
    """A request from that address."""
    headers = [] if said is None else [(b"x-forwarded-for", said.encode())]
    return Request({"type": "http", "headers": headers, "client": (peer, 1)})


@pytest.mark.parametrize(
    ("peer", "said", "found"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "192.0.2.1, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::"),
        ("a socket", None, "unknown"),
    ],
)
def test_only_a_proxy_of_ours_speaks_for_another(peer: str, said: str | None, found: str) -> None:
    assert address_of(came(peer, said), PROXIES) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("en-US,en;q=0.9", "en_US"),
        ("de-DE,de;q=0.9,en-AU;q=0.8", "en_AU"),
        ("en", None),
        ("de", None),
        ("*", None),
        ("../../etc/passwd", None),
        (None, None),
    ],
)
def test_dates_are_written_as_an_english_reader_is_used_to(
    said: str | None, found: str | None
) -> None:
    assert (None if (locale := chosen_locale(said)) is None else str(locale)) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [("Europe/Berlin", "Europe/Berlin"), ("Mars/Base", None), ("../etc/passwd", None), ("", None)],
)
def test_a_zone_is_one_that_there_is(said: str, found: str | None) -> None:
    zone = chosen_zone(said)
    assert (None if zone is None else zone.key) == found


@given(st.text(), st.text())
def test_nothing_that_a_browser_says_breaks_a_page(one: str, other: str) -> None:
    chosen_locale(one, other)
    chosen_zone(one, other)


@given(st.one_of(st.text(), st.text(alphabet="/\\.:?ex\t\n").map("/".__add__)))
def test_a_path_to_go_on_with_is_one_of_ours(text: str) -> None:
    found = own_path(text)
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\", "/login"))
    assert found in (text, "/")
    assert found.isascii()
    assert found.isprintable()
