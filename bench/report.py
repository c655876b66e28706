"""Write RESULTS.md from the JSON files of the last runs: `python -m bench.report`."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ORDER = (
    "recovery", "throughput", "timeouts", "events", "visible", "real_data", "demo_time",
    "cli", "look", "schedules", "cycles", "cycle_history", "big_cycle", "hubspot_cycle",
    "zoho_cycle", "zoho_writes", "crm_budget",
    "audit_cost", "audit_lag", "audit_outage", "audit_verify", "audit_tamper", "audit_complete",
    "approvals", "decisions", "web_events", "web_pages",
)  # fmt: skip
VERDICT = {True: "yes", False: "**missed**", None: ""}

HEAD = """# Measured

`bench/run_all.sh` measures everything below anew and writes this page from `bench/results/`.
Each benchmark runs PostgreSQL and the Temporal dev server as `reviews dev` does (durable, with
the same server settings), in a directory of its own, and a real worker process. Absolute figures
are of the machine named; ratios are between rows of one run. A benchmark fails when a review is
lost or a change is written twice, not when a target is missed.
"""


def page(results: dict[str, dict[str, Any]]) -> str:
    """The whole page."""
    missing = [name for name in ORDER if name not in results]
    note = [f"Not measured yet: {', '.join(missing)}.", ""] if missing else []
    return "\n".join([HEAD, *_targets(results), "", *note, *_details(results)]) + "\n"


def _targets(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "| what | target | measured | met | how |"
    yield "| --- | --- | --- | --- | --- |"
    for result in results.values():
        for row in result["rows"]:
            if row["target"]:
                cells = (row["what"], row["target"], row["measured"], VERDICT[row["met"]])
                yield f"| {' | '.join(cells)} | `{result['how']['command']}` |"


def _details(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, result in results.items():
        how = result["how"]
        yield f"## {name}"
        yield ""
        yield f"`{how['command']}`, {how['at']}, {how['machine']}, {how['versions']}."
        yield ""
        for broken in result["broken"]:
            yield f"- **Broken: {broken}**"
        for row in result["rows"]:
            yield f"- {row['what']}: {row['measured']}"
        yield ""


def read(directory: Path) -> dict[str, dict[str, Any]]:
    """The results that are there, in the order of the page."""
    files = {name: directory / f"{name}.json" for name in ORDER}
    return {
        name: json.loads(file.read_text(encoding="utf-8"))
        for name, file in files.items()
        if file.exists()
    }


if __name__ == "__main__":
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--results", type=Path, default=HERE / "results")
    flags.add_argument("--page", type=Path, default=HERE / "RESULTS.md")
    arguments = flags.parse_args()
    text = page(read(arguments.results)).rstrip("\n") + "\n"
    arguments.page.write_text(text, encoding="utf-8")
    print(f"wrote {arguments.page}")
