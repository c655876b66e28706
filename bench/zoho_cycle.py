"""A cycle of 1,000 accounts on a fake Zoho, cold, beside the same on the tables in PostgreSQL.

Each account has 5 contacts, 3 deals, 12 activities and 4 notes. A call takes 200 ms and ten run at
a time, so what the CRM alone allows is calls x 0.2 s / 10. Nobody approves anything: a cycle ends
when all its reviews are done or wait.
"""

import argparse
import asyncio
import csv
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from account_reviews.domain.cycle.state import CycleResult, CycleScope
from account_reviews.fakes.framework import FakeApp, FakeOptions
from account_reviews.fakes.server import serving
from account_reviews.fakes.zoho.org import Org
from account_reviews.fakes.zoho.org import Row as Record
from account_reviews.fakes.zoho.service import create_zoho
from account_reviews.services.cycles import cycle_input, start_cycle
from bench import common, portfolio
from bench.common import Bench, Result, Row

LATENCY_MS: Final = 200
AT_ONCE: Final = 10
MOST_CALLS: Final = 0.3
MOST_TIMES: Final = 1.25


class Run(NamedTuple):
    seconds: float
    calls: int
    result: CycleResult


async def measure(arguments: argparse.Namespace) -> Result:
    """The same accounts twice, each time on a fresh stack."""
    options = FakeOptions(
        accounts=arguments.accounts,
        latency_ms=LATENCY_MS,
        request_log=arguments.request_log,
        extra={"credits": 10_000_000, "concurrency": AT_ONCE},
    )
    app = create_zoho(options)
    as_of = datetime.now(UTC)
    async with common.fresh_stack() as bench:
        await _fill(bench, app.state.org)
        sql = await _cycle(bench, arguments.workers, as_of)
    print(f"on SQL: {sql.seconds:.1f} s", flush=True)
    async with serving(app) as url:
        os.environ.update(app.env(url))
        async with common.fresh_stack() as bench:
            zoho = await _cycle(bench, arguments.workers, as_of, app)
    print(f"on Zoho: {zoho.seconds:.1f} s, {zoho.calls} calls", flush=True)
    return _result(sql, zoho, app)


async def _cycle(bench: Bench, workers: int, as_of: datetime, app: FakeApp | None = None) -> Run:
    await asyncio.gather(*(bench.stack.start_worker() for _ in range(workers)))
    start = await cycle_input(
        bench.parts, kind="on_demand", scope=CycleScope(), started_by="bench", as_of=as_of
    )
    before = 0 if app is None else len(app.log.lines)
    began = time.monotonic()
    handle = await start_cycle(bench.client, start)
    result = await handle.result()
    seconds = time.monotonic() - began
    lines = [] if app is None else app.log.lines[before:]
    return Run(seconds, sum(line.path.startswith("/crm/") for line in lines), result)


def _result(sql: Run, zoho: Run, app: FakeApp) -> Result:
    result = Result("zoho_cycle")
    accounts = zoho.result.accounts
    per_review = zoho.calls / max(1, accounts)
    bound = zoho.calls * LATENCY_MS / 1000 / AT_ONCE
    larger = max(bound, sql.seconds)
    times = zoho.seconds / larger
    result.rows = [
        Row(
            f"{accounts} accounts on Zoho, cold: read calls per review",
            f"{per_review:.3f} ({zoho.calls} calls)",
            f"<= {MOST_CALLS}",
            per_review <= MOST_CALLS,
        ),
        Row(
            "wall time, against the larger of the CRM's bound and the same cycle on SQL",
            f"{times:.2f} times ({zoho.seconds:.1f} s, bound {bound:.1f} s, SQL"
            f" {sql.seconds:.1f} s)",
            f"<= {MOST_TIMES} times",
            times <= MOST_TIMES,
        ),
        Row("most calls at a time", str(app.most_in_flight), f"<= {AT_ONCE}"),
        Row("credits", str(sum(line.credits for line in app.log.lines))),
    ]
    for name, run in (("SQL", sql), ("Zoho", zoho)):
        cycle = run.result
        if cycle.failed or cycle.done + cycle.waiting != cycle.accounts:
            result.broken.append(f"{name}: {cycle.model_dump(mode='json')}")
    if sql.result.accounts != accounts:
        result.broken.append(f"{sql.result.accounts} accounts on SQL, {accounts} on Zoho")
    if app.state.limits.refused_concurrency:
        result.broken.append(f"{app.state.limits.refused_concurrency} calls too many at a time")
    result.samples = {
        "zoho_seconds": zoho.seconds, "sql_seconds": sql.seconds, "calls": zoho.calls,
        "bound": bound,
    }  # fmt: skip
    return result


# The same records as CSV files.


async def _fill(bench: Bench, org: Org) -> None:
    directory = bench.stack.data_dir / "zoho"
    directory.mkdir()
    for name, rows in _files(org).items():
        with (directory / name).open("w", encoding="utf-8", newline="") as file:
            sample = (portfolio.SAMPLE / name).read_text(encoding="utf-8").splitlines()[0]
            out = csv.DictWriter(file, sample.split(","), restval="")
            out.writeheader()
            out.writerows(rows)
    await common.fill_crm(bench, directory, portfolio.MAPPING, datetime.now(UTC).isoformat())


def _files(org: Org) -> dict[str, list[dict[str, Any]]]:
    return {
        "owners.csv": [
            {
                "Owner ID": user.id, "Full Name": user.name, "Email": user.email,
                "Active": "yes" if user.active else "no", "Manager ID": user.manager_id or "",
            }
            for user in org.users.values()
        ],
        "accounts.csv": [_account(row) for row in org.rows["Accounts"].values()],
        "contacts.csv": [_contact(row) for row in org.rows["Contacts"].values()],
        "deals.csv": [_deal(row) for row in org.rows["Deals"].values()],
        "activities.csv": list(_activities(org)),
        "notes.csv": [_note(row) for row in org.rows["Notes"].values()],
        "tasks.csv": [_task(row) for row in org.rows["Tasks"].values()],
        "owner_history.csv": [],
        "stage_history.csv": [],
    }  # fmt: skip


def _named(row: Record, key: str, names: Mapping[str, str]) -> dict[str, Any]:
    found = {ours: row.values.get(theirs, "") for ours, theirs in names.items()}
    words = {True: "yes", False: "no", None: ""}
    shown = {ours: words.get(value, value) if isinstance(value, bool | None) else value
             for ours, value in found.items()}  # fmt: skip
    return {key: row.id, **shown, "Created": row.created.isoformat()}


def _account(row: Record) -> dict[str, Any]:
    names = {
        "Account Name": "Account_Name", "Owner ID": "Owner", "Status": "Account_Status",
        "Type": "Account_Type", "Industry": "Industry", "Segment": "Segment", "Website": "Website",
        "Phone": "Phone", "City": "Billing_City", "Country": "Billing_Country",
        "Annual Revenue": "Annual_Revenue", "Employees": "Employees",
        "Contract End": "Contract_End_Date", "Support Tier": "Support_Tier",
    }  # fmt: skip
    return {**_named(row, "Account ID", names), "Modified": row.modified.isoformat()}


def _contact(row: Record) -> dict[str, Any]:
    names = {
        "Account ID": "Account_Name", "Full Name": "Full_Name", "Email": "Email", "Phone": "Phone",
        "Title": "Title", "Level": "Contact_Level", "Accessible": "Accessible",
        "Sponsor": "Is_Sponsor",
    }  # fmt: skip
    return _named(row, "Contact ID", names)


def _deal(row: Record) -> dict[str, Any]:
    names = {
        "Account ID": "Account_Name", "Deal Name": "Deal_Name", "Stage": "Stage",
        "Amount": "Amount", "Probability": "Probability", "Closing Date": "Closing_Date",
        "Owner ID": "Owner",
    }  # fmt: skip
    found = {**_named(row, "Deal ID", names), "Modified": row.modified.isoformat()}
    words = {
        "Proposal/Price Quote": "Proposal", "Negotiation/Review": "Negotiation",
        "Identify Decision Makers": "Value Proposition",
    }  # fmt: skip
    return {**found, "Stage": words.get(found["Stage"], found["Stage"])}


def _activities(org: Org) -> Iterator[dict[str, Any]]:
    for kind, module, subject, at in (
        ("Call", "Calls", "Subject", "Call_Start_Time"),
        ("Meeting", "Events", "Event_Title", "Start_DateTime"),
    ):
        names = {
            "Account ID": "What_Id", "Subject": subject, "When": at, "Owner ID": "Owner",
            "Outcome": "Call_Result",
        }  # fmt: skip
        for row in org.rows[module].values():
            found = _named(row, "Activity ID", names)
            del found["Created"]
            yield {**found, "Type": kind}


def _note(row: Record) -> dict[str, Any]:
    names = {
        "Account ID": "Parent_Id", "Title": "Note_Title", "Content": "Note_Content",
        "Created By": "Owner",
    }  # fmt: skip
    return _named(row, "Note ID", names)


def _task(row: Record) -> dict[str, Any]:
    names = {"Account ID": "What_Id", "Subject": "Subject", "Owner ID": "Owner"}
    due = f"{row.values['Due_Date']}T00:00:00Z"
    return {**_named(row, "Task ID", names), "Due": due, "Status": "open", "Priority": "high"}


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=1500)
    flags.add_argument("--accounts", type=int, default=1000)
    flags.add_argument("--workers", type=int, default=1, help="worker processes")
    flags.add_argument("--request-log", type=Path, help="a file for the requests")
    common.main(measure, flags.parse_args())
