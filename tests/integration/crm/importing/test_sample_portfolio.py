"""The sample portfolio: reproducible, importable, and each class shows what it is there for."""

import csv
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.importing.importer import import_directory
from account_reviews.crm.importing.mapping import load_mapping
from account_reviews.crm.protocol import AccountFilter
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.analysis.analysis import AnalysisInputs, analyse
from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.policy.model import load_policy
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

EXAMPLES = ROOT / "examples"
WEEKS = {
    "portfolio": datetime(2026, 10, 1, tzinfo=UTC),
    "portfolio-next-week": datetime(2026, 10, 8, tzinfo=UTC),
}
Found = dict[str, list[Analysis]]


def test_the_generator_writes_what_is_committed(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "generate.py"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=PATIENCE)
    for week in WEEKS:
        made = {path.name: path.read_bytes() for path in (tmp_path / week).iterdir()}
        kept = {path.name: path.read_bytes() for path in (EXAMPLES / week).glob("*.csv")}
        assert made == kept


@pytest.fixture(scope="module")
async def reviewed(engine: AsyncEngine) -> dict[str, Found]:
    """week -> class -> analyses; the second week knows the first."""
    mapping = load_mapping(EXAMPLES / "portfolio" / "mapping.yaml")
    crm, policy = SqlCrm(engine), load_policy(None)
    before: dict[str, AccountSnapshot] = {}
    weeks: dict[str, Found] = {}
    for week, as_of in WEEKS.items():
        report = await import_directory(engine, EXAMPLES / week, mapping, as_of=as_of)
        assert not report.problems
        found: Found = {}
        for account_id, kind in classes(week).items():
            snapshot = await crm.snapshot(account_id, as_of=as_of, limits=SnapshotLimits())
            inputs = AnalysisInputs(snapshot=snapshot, baseline=before.get(account_id), as_of=as_of)
            found.setdefault(kind, []).append(analyse(inputs, policy))
            before[account_id] = snapshot
        weeks[week] = found
    return weeks


def classes(week: str) -> dict[str, str]:
    with (EXAMPLES / week / "classes.csv").open(encoding="utf-8") as file:
        return {row["Account ID"]: row["Class"] for row in csv.DictReader(file)}


def kinds(analysis: Analysis) -> set[str]:
    return {finding.kind for finding in analysis.findings}


def test_every_class_has_eight_accounts(reviewed: dict[str, Found]) -> None:
    sizes = {kind: len(found) for kind, found in reviewed["portfolio"].items()}
    assert sizes.pop("healthy") == 16
    assert sizes == dict.fromkeys(
        ("changed", "stalled", "inactive", "renewing", "new", "incomplete"), 8
    )


@pytest.mark.parametrize("week", WEEKS)
def test_healthy_accounts_give_nothing_to_do(reviewed: dict[str, Found], week: str) -> None:
    for analysis in reviewed[week]["healthy"]:
        assert not analysis.proposed_changes
        assert not analysis.recommendations
        assert analysis.risk.score == 0
        assert kinds(analysis) <= {"new_account"}


def test_each_class_shows_its_trouble(reviewed: dict[str, Found]) -> None:
    week = reviewed["portfolio"]
    assert all("deal_stalled" in kinds(found) for found in week["stalled"])
    assert all("inactivity_threshold" in kinds(found) for found in week["inactive"])
    assert all(
        any(item.rule == "retention" for item in found.recommendations)
        for found in week["renewing"]
    )
    assert all("unknown_contract_end" in kinds(found) for found in week["new"])
    assert all(
        any(kind.startswith("unknown_") for kind in kinds(found)) for found in week["incomplete"]
    )
    assert sum("inactive_owner" in kinds(found) for found in week["incomplete"]) == 2


def test_a_week_later_some_have_changed(reviewed: dict[str, Found]) -> None:
    week = reviewed["portfolio-next-week"]
    changed = [change.type for found in week["changed"] for change in found.changes]
    assert sorted(changed) == sorted(
        ["owner_change", "status_change", "deal_stage_change", "contact_added"] * 2
    )
    assert sum("deal_stalled" in kinds(found) for found in week["stalled"]) == 6
    assert sum("high_value_activity" in kinds(found) for found in week["inactive"]) == 2


async def test_six_people_own_accounts_and_one_has_left(
    reviewed: dict[str, Found], engine: AsyncEngine
) -> None:
    page = await SqlCrm(engine).list_accounts(AccountFilter())
    owners = {account.owner_id for account in page.items}
    assert len(page.items) == 64
    assert owners == {None, "ow-8", *(f"ow-{n}" for n in range(1, 7))}
