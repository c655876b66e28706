"""What can stand in the trail stands in its documentation."""

import re

from account_reviews.domain.audit.events import EventType, Severity, Source
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


def test_every_type_of_row_is_documented_once() -> None:
    rows = re.findall(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \|", PAGE, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    for kind in EventType:
        assert named.count(kind.value) == 1, kind
    for word in (*Severity, *Source):
        assert f"`{word}`" in PAGE
