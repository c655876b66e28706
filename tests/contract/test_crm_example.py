"""The CRM of docs/backends.md: what the page shows is what runs."""

import re
import sys
from pathlib import Path

import pytest

from account_reviews.crm.registry import find_factory, scheme_of
from account_reviews.domain.errors import BadInputError
from examples.backends import tiny_crm

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with the entry point of the page, as pip would leave it."""
    section = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert section is not None
    line = section[1].splitlines()[1].replace('"', "").replace("tiny_crm:", f"{tiny_crm.__name__}:")
    info = tmp_path / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[account_reviews.crm]\n{line}\nbroken = no.such.module:factory\nvalue = math:pi\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])


def test_what_the_page_shows_stands_in_the_file() -> None:
    code = Path(tiny_crm.__file__).read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(shown) == 3
    assert all(block in code for block in shown)


@pytest.mark.usefixtures("installed")
def test_a_url_finds_the_crm_that_a_package_registers() -> None:
    assert find_factory("tiny://crm.example:8080") is tiny_crm.open_tiny
    assert find_factory("tiny") is tiny_crm.open_tiny


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nobody://x", r"names the CRM 'nobody'.*none of that name"),
        ("broken://", r"the CRM 'broken' cannot be loaded"),
        ("value://", r"the entry point of the CRM 'value' is no factory"),
    ],
)
def test_a_crm_that_is_none_is_told_in_a_sentence(url: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        find_factory(url)


@pytest.mark.parametrize("url", ["postgresql://h/d", "postgres://h/d", "postgresql+asyncpg://h/d"])
def test_every_spelling_of_postgresql_is_the_sql_crm(url: str) -> None:
    assert scheme_of(url) == "postgresql"
    assert find_factory(url).__module__ == "account_reviews.crm.sql.factory"


@pytest.mark.parametrize("name", ["zoho", "hubspot"])
def test_a_place_that_would_be_passed_over_is_refused(name: str) -> None:
    assert find_factory(name.upper()) is find_factory(f"{name}://")
    for url in (f"{name}://h/p", f"{name}://u:secret@h", f"{name}:///p", f"{name}+x://"):
        with pytest.raises(BadInputError, match=f"more than {name}://") as caught:
            find_factory(url)
        assert "secret" not in f"{caught.value.message} {caught.value.hint}"


def test_entry_points_of_ours_are_installed() -> None:
    for name in ("zoho", "hubspot"):
        assert callable(find_factory(f"{name}://"))
