"""docs/hubspot.md as a reader works through it, and what its tables say."""

import os
import re
import sys
from pathlib import Path

import yaml

from account_reviews.crm.field_mapping import parse_field_mapping
from account_reviews.crm.hubspot.backend import _LIMITS, _allowed
from account_reviews.crm.hubspot.refusals import _WAITS
from account_reviews.fakes.hubspot_access import ALL_SCOPES
from tests.support.console import blocks, commands, shell
from tests.support.hubspot import full_mapping
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "hubspot.md").read_text(encoding="utf-8")


def test_a_fake_portal_is_connected_as_the_page_says(database_url: str, tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {
        "PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", "COLUMNS": "400",
        "REVIEWS_DATABASE_URL": database_url, "REVIEWS_DATA_DIR": str(tmp_path / "data"),
    }  # fmt: skip
    with shell(env) as opened:
        try:
            for command in commands(PAGE):
                opened.run(command)
        finally:
            opened.do("kill %1 2>/dev/null; rm -f .hubspot.json")


def test_options_and_waits_are_those_of_the_code() -> None:
    shown = dict(re.findall(r"\| ([\d,]+)(?: calls at a time|, evenly)? \| `(\w+)` \|", PAGE))
    assert {name: int(number.replace(",", "")) for number, name in shown.items()} == _LIMITS
    for policy in _WAITS:
        assert f"`{policy}`" in PAGE
    options = next(yaml.safe_load("\n".join(lines)) for _, lines in blocks(PAGE, "yaml"))
    assert _allowed(options["options"])["calls_per_10_seconds"] == 180


def test_every_scope_is_on_the_page() -> None:
    assert all(f"`{scope}`" in PAGE for scope in ALL_SCOPES - {"oauth"})


def test_the_module_of_emails_fits() -> None:
    found = re.search(r"```yaml\n(    - module: emails\n.*?)  ```", PAGE, re.DOTALL)
    assert found is not None
    document = full_mapping().model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    document["modules"] += yaml.safe_load(found[1])
    assert parse_field_mapping(document, "page").modules[-1].module == "emails"
