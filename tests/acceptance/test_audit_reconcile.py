"""`reviews audit reconcile`. What it repairs is shown in test_kill.py."""

import json
from pathlib import Path

from tests.support.commands import Reviews


def test_reconcile_tells_what_it_found(reviews: Reviews) -> None:
    reviews.json("start", "ac-050", "--wait")
    found = reviews.json("audit", "reconcile", "--since", "2026-01-01")
    assert set(found) == {"runs", "rows_added", "closed_as_lost", "gaps", "warnings"}
    assert found["runs"] > 0
    assert "Histories compared" in reviews.quick("audit", "reconcile").out


def test_reconcile_refuses_what_it_cannot_use(reviews: Reviews, tmp_path: Path) -> None:
    error = reviews.quick("audit", "reconcile", "--since", "yesterday", "-o", "json").error(2)
    assert "'yesterday' is not a time" in error["message"]
    away = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
    answer = reviews.quick("audit", "reconcile", "-o", "json", **away)
    assert json.loads(answer.err)["error"]["code"] == "unreachable"
    assert answer.code == 5
    empty = {"REVIEWS_DATA_DIR": str(tmp_path)}
    assert "no" in reviews.quick("audit", "reconcile", **empty).sentence(5)
