"""The sample portfolio, once or many times over, as a CRM export."""

import csv
from pathlib import Path
from typing import Final

from bench.common import ROOT, Bench, fill_crm

SAMPLE: Final = ROOT / "examples" / "portfolio"
MAPPING: Final = SAMPLE / "mapping.yaml"
AS_OF: Final = "2026-10-01"

_SHARED: Final = ("owners.csv", "classes.csv")
_OWN_IDS: Final = (
    "Account ID",
    "Contact ID",
    "Deal ID",
    "Activity ID",
    "Note ID",
    "Task ID",
)


async def fill_with_copies(bench: Bench, copies: int) -> None:
    """Import the portfolio `copies` times; the accounts of copy 2 are `2-ac-001` and so on."""
    directory = bench.stack.data_dir / "portfolio"
    directory.mkdir()
    for source in SAMPLE.glob("*.csv"):
        _copy(source, directory / source.name, 1 if source.name in _SHARED else copies)
    await fill_crm(bench, directory, MAPPING, AS_OF)


def account_ids(*classes: str) -> list[str]:
    """The accounts of the sample that stand for these classes, in order; of all without any."""
    with (SAMPLE / "classes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["Account ID"] for row in rows if not classes or row["Class"] in classes]


def copy_of(number: int, record_id: str) -> str:
    """The id of a record in copy `number`, which counts from 1."""
    return record_id if number == 1 else f"{number}-{record_id}"


def _copy(source: Path, target: Path, copies: int) -> None:
    with (
        source.open(encoding="utf-8", newline="") as read,
        target.open("w", encoding="utf-8", newline="") as written,
    ):
        rows = csv.DictReader(read)
        out = csv.DictWriter(written, rows.fieldnames or [])
        out.writeheader()
        for row in rows:
            for number in range(1, copies + 1):
                out.writerow(
                    {
                        name: copy_of(number, value) if name in _OWN_IDS else value
                        for name, value in row.items()
                    }
                )
