"""The sample portfolio as an org of Zoho holds it."""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from account_reviews.fakes.zoho.org import Org, User, told

_STAGES: Final = {"Proposal": "Proposal/Price Quote", "Negotiation": "Negotiation/Review"}
_PRIORITIES: Final = {"high": "High", "medium": "Normal", "low": "Low"}
_CALLS: Final = ("Call", "Email")
"""Activities that become calls; all others become events."""

Line = Mapping[str, str]


def fill_org(org: Org, sample: Path) -> int:
    """Put the sample into an org that has no accounts; gives the number of rows taken."""
    return _Filling(org, sample).run()


class _Filling:
    def __init__(self, org: Org, sample: Path) -> None:
        self._org = org
        self._sample = sample
        self._ids: dict[str, str] = {"": ""}
        """Ids of the sample -> ids of the org."""
        self._rows = 0

    def run(self) -> int:
        self._owners()
        for line in self._lines("accounts.csv"):
            self._account(line)
        for line in self._lines("contacts.csv"):
            self._contact(line)
        for line in self._lines("deals.csv"):
            self._deal(line)
        for line in self._lines("activities.csv"):
            self._activity(line)
        for line in self._lines("notes.csv"):
            self._note(line)
        for line in self._lines("tasks.csv"):
            self._task(line)
        return self._rows

    def _lines(self, name: str) -> Iterator[Line]:
        with (self._sample / name).open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                self._rows += 1
                yield line

    def _owners(self) -> None:
        ours = self._org.users[self._org.api_user]
        self._org.users.clear()
        lines = list(self._lines("owners.csv"))
        for line in lines:
            self._ids[line["Owner ID"]] = self._org.new_id()
        for line in lines:
            user = User(
                id=self._ids[line["Owner ID"]],
                name=line["Full Name"],
                email=line["Email"],
                active=line["Active"] == "yes",
                manager_id=self._ids[line["Manager ID"]] or None,
            )
            self._org.users[user.id] = user
        boss = next(user.id for user in self._org.users.values() if user.manager_id is None)
        self._org.users[ours.id] = User(ours.id, ours.name, ours.email, manager_id=boss)

    def _put(self, module: str, key: str, values: Mapping[str, Any], made: str, last: str) -> None:
        """A record with what is known of it; times are those of the sample."""
        kept = {name: value for name, value in values.items() if value not in ("", None)}
        created = _moment(made or last)
        row = self._org.insert(
            module, kept, created, by=kept.get("Owner") or None, lag_s=0, quiet=True
        )
        row.modified = _moment(last or made)
        self._ids[key] = row.id

    def _account(self, line: Line) -> None:
        values = {
            "Account_Name": line["Account Name"],
            "Owner": self._ids[line["Owner ID"]],
            "Account_Status": line["Status"],
            "Account_Type": line["Type"],
            "Industry": line["Industry"],
            "Segment": line["Segment"],
            "Website": line["Website"],
            "Phone": line["Phone"],
            "Billing_City": line["City"],
            "Billing_Country": line["Country"],
            "Annual_Revenue": _number(line["Annual Revenue"]),
            "Employees": _number(line["Employees"]),
            "Contract_End_Date": line["Contract End"],
            "Support_Tier": line["Support Tier"],
        }
        self._put("Accounts", line["Account ID"], values, line["Created"], line["Modified"])

    def _contact(self, line: Line) -> None:
        first, _, last = line["Full Name"].rpartition(" ")
        values = {
            "First_Name": first,
            "Last_Name": last,
            "Account_Name": self._ids[line["Account ID"]],
            "Email": line["Email"],
            "Phone": line["Phone"],
            "Title": line["Title"],
            "Contact_Level": line["Level"],
            "Accessible": _yes(line["Accessible"]),
            "Alignment": _number(line["Alignment"]),
            "Is_Sponsor": _yes(line["Sponsor"]),
            "Active": _yes(line["Active"]),
        }
        self._put("Contacts", line["Contact ID"], values, line["Created"], line["Created"])

    def _deal(self, line: Line) -> None:
        values = {
            "Deal_Name": line["Deal Name"],
            "Stage": _STAGES.get(line["Stage"], line["Stage"]),
            "Account_Name": self._ids[line["Account ID"]],
            "Amount": _number(line["Amount"]),
            "Probability": _number(line["Probability"]),
            "Closing_Date": line["Closing Date"],
            "Stage_Modified_Time": line["Stage Changed"] and told(_moment(line["Stage Changed"])),
            "Owner": self._ids[line["Owner ID"]],
        }
        self._put("Deals", line["Deal ID"], values, line["Created"], line["Modified"])

    def _activity(self, line: Line) -> None:
        at = _moment(line["When"])
        shared = {
            "What_Id": self._ids[line["Account ID"]],
            "Owner": self._ids[line["Owner ID"]],
        }
        if line["Type"] in _CALLS:
            values = {
                "Subject": line["Subject"],
                "Call_Type": "Outbound",
                "Call_Start_Time": told(at),
                "Call_Result": line["Outcome"],
                **shared,
            }
            self._put("Calls", line["Activity ID"], values, line["When"], "")
            return
        values = {
            "Event_Title": line["Subject"],
            "Start_DateTime": told(at),
            "End_DateTime": told(at + timedelta(hours=1)),
            "Meeting_Type": line["Type"],
            **shared,
        }
        self._put("Events", line["Activity ID"], values, line["When"], "")

    def _note(self, line: Line) -> None:
        values = {
            "Note_Title": line["Title"],
            "Note_Content": line["Content"],
            "Parent_Id": self._ids[line["Account ID"]],
            "Owner": self._ids[line["Created By"]],
        }
        self._put("Notes", line["Note ID"], values, line["Created"], "")

    def _task(self, line: Line) -> None:
        values = {
            "Subject": line["Subject"],
            "Due_Date": line["Due"][:10],
            "Status": "Completed" if line["Status"] == "done" else "Not Started",
            "Priority": _PRIORITIES.get(line["Priority"]),
            "What_Id": self._ids[line["Account ID"]],
            "Owner": self._ids[line["Owner ID"]],
        }
        self._put("Tasks", line["Task ID"], values, line["Created"], "")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _number(text: str) -> float | int | None:
    if not text:
        return None
    return float(text) if "." in text else int(text)


def _yes(text: str) -> bool | None:
    return None if text == "" else text == "yes"
