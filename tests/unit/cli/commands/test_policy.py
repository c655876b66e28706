"""`reviews policy show` and `reviews policy check`, as a person runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from account_reviews.domain.policy.model import load_policy
from tests.support.paths import ROOT


def reviews(*words: str, policy: Path | None = None) -> subprocess.CompletedProcess[str]:
    extra = {} if policy is None else {"REVIEWS_POLICY_FILE": str(policy)}
    return subprocess.run(
        [sys.executable, "-m", "account_reviews.cli", "policy", *words],
        capture_output=True, text=True, check=False, env={**os.environ, **extra},
        cwd=ROOT,
    )  # fmt: skip


def test_show() -> None:
    shown = reviews("show", "-o", "json")
    document = json.loads(shown.stdout)
    assert shown.returncode == 0
    assert document["hash"] == load_policy().hash
    assert document["risk"]["inactivity_days"] == 30
    assert document["file"].endswith("policy.toml")


def test_show_for_people_and_another_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[risk]\nstalled_days = 21\n")
    table = reviews("show", policy=path)
    row = next(line for line in table.stdout.splitlines() if line.startswith("risk.stalled_days"))
    assert row.split() == ["risk.stalled_days", "21"]


def test_check(tmp_path: Path) -> None:
    good = reviews("check")
    assert (good.returncode, good.stderr) == (0, "")
    assert "is valid: version 1" in good.stdout
    path = tmp_path / "bad.toml"
    path.write_text('[approvals]\non_timeout = "approve"\n')
    bad = reviews("check", str(path))
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == ("approvals.on_timeout is 'approve', but must be one of reject, defer\n")
    as_json = reviews("check", str(path), "-o", "json")
    assert json.loads(as_json.stderr)["error"]["code"] == "invalid_policy"
    assert json.loads(reviews("check", "-o", "json").stdout)["ok"] is True
