"""What the pages load is what its source published, and comes with its licence."""

import hashlib
import json
from pathlib import Path

import account_reviews.web

PLACE = Path(account_reviews.web.__file__).parent / "static/vendor/htmx"


def test_every_file_is_the_one_that_was_published() -> None:
    source = json.loads((PLACE / "SOURCE.json").read_text())
    found = {
        one.name: hashlib.sha256(one.read_bytes()).hexdigest()
        for one in PLACE.iterdir()
        if one.name != "SOURCE.json"
    }
    assert (source["package"], source["version"]) == ("htmx.org", "4.0.1")
    assert found == source["files"]
    assert "Zero-Clause BSD" in (PLACE / "LICENSE").read_text()
