"""Invented accounts and what belongs to them. The same seed gives the same records."""

import random
from datetime import datetime, timedelta
from typing import Any, Final

from account_reviews.fakes.zoho.org import Org, Row, User, told
from account_reviews.fakes.zoho.schema import STAGES

CONTACTS, DEALS, ACTIVITIES, NOTES = 5, 3, 12, 4
"""Of each account."""
_FIRST: Final = (
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbour", "Indigo",
    "Juniper", "Krona", "Lumen", "Meridian", "Nordic", "Onyx", "Pine", "Quartz", "Raven",
)  # fmt: skip
_SECOND: Final = ("Freight", "Foods", "Optics", "Paper", "Robotics", "Textiles", "Water", "Works")
_ODD: Final = ("شركة النور", "🌊 Welle & Söhne", "חברת ים", "Łódź Żagle")
_PEOPLE: Final = (
    "Ilse Varnholt", "Tomas Brekke", "Noor Lindqvist", "Kasper Kowalke", "Eero Marchetti",
    "Mila Ferreira", "Jonas Aldana", "Sanne Okafor", "Petra Novak", "Ravi Sandhu",
)  # fmt: skip
_INDUSTRIES: Final = ("Logistics", "Retail", "Manufacturing", "Energy", "Health")
_CITIES: Final = (("Aarhus", "Denmark"), ("Cork", "Ireland"), ("Porto", "Portugal"))
_TITLES: Final = (("Chief Operating Officer", "C-Level"), ("VP Sales", "VP"), ("Buyer", None))


class _Sower:
    def __init__(self, org: Org, now: datetime, seed: int) -> None:
        self.org = org
        self.now = now.replace(microsecond=0)
        self.chance = random.Random(seed)  # noqa: S311  nobody is to be kept out by it

    def ago(self, most: float, least: float = 1.0) -> datetime:
        return self.now - timedelta(days=self.chance.uniform(least, most))

    def put(self, module: str, values: dict[str, Any], at: datetime, by: str) -> Row:
        return self.org.insert(module, values, at, by=by, lag_s=0, quiet=True)

    def users(self) -> None:
        boss = self._user("Greta Halvorsen", active=True, manager=None)
        for number, name in enumerate(_PEOPLE[:6]):
            self._user(name, active=number != 5, manager=boss.id)
        self.org.api_user = self._user("Account Reviews", active=True, manager=boss.id).id

    def _user(self, name: str, *, active: bool, manager: str | None) -> User:
        mail = f"{name.lower().replace(' ', '.')}@vendor.example"
        user = User(self.org.new_id(), name, mail, active, manager)
        self.org.users[user.id] = user
        return user

    def account(self, number: int) -> None:
        owners = [user.id for user in list(self.org.users.values())[1:-1]]
        owner = owners[number % len(owners)]
        name = f"{_FIRST[number % len(_FIRST)]} {_SECOND[number // len(_FIRST) % len(_SECOND)]}"
        if number % 23 == 7:
            name = _ODD[number // 23 % len(_ODD)]
        if number >= len(_FIRST) * len(_SECOND):
            name = f"{name} {number}"
        quiet = number % 3 == 1
        city, country = self.chance.choice(_CITIES)
        made = self.ago(700, 400)
        account = self.put(
            "Accounts",
            {
                "Account_Name": name,
                "Owner": owner,
                "Account_Status": "At Risk" if number % 7 == 3 else "Active",
                "Account_Type": "Customer",
                "Industry": self.chance.choice(_INDUSTRIES),
                "Segment": self.chance.choice(("Enterprise", "Mid-Market", "SMB")),
                "Website": f"https://account-{number}.example",
                "Phone": f"+99 555 01{number:05}",
                "Billing_City": city,
                "Billing_Country": country,
                "Annual_Revenue": self.chance.randrange(10, 900) * 1000,
                "Employees": self.chance.randrange(10, 2000),
                "Contract_End_Date": (self.now + timedelta(days=self.chance.randrange(20, 600)))
                .date()
                .isoformat(),
                "Support_Tier": self.chance.choice(("Standard", "Gold")),
            },
            made,
            owner,
        )
        account.modified = self.ago(30, 2)
        contacts = [self.contact(account, owner, number, one) for one in range(CONTACTS)]
        for one in range(DEALS):
            self.deal(account, owner, contacts[0], one, quiet=quiet)
        for one in range(ACTIVITIES):
            self.activity(account, owner, contacts, one, quiet=quiet)
        for one in range(NOTES):
            self.note(account, owner, one)
        if number % 2:
            self.task(account, owner)

    def contact(self, account: Row, owner: str, number: int, one: int) -> Row:
        first, _, last = self.chance.choice(_PEOPLE).partition(" ")
        title, level = _TITLES[one % len(_TITLES)]
        values = {
            "First_Name": first, "Last_Name": last, "Title": title, "Contact_Level": level,
            "Email": f"{first.lower()}.{one}@account-{number}.example", "Owner": owner,
            "Phone": f"+99 555 02{number:04}{one}", "Account_Name": account.id,
            "Accessible": one % 2 == 0, "Alignment": round(self.chance.random(), 2),
            "Is_Sponsor": one == 0, "Active": True,
        }  # fmt: skip
        return self.put("Contacts", values, self.ago(390, 60), owner)

    def deal(self, account: Row, owner: str, contact: Row, one: int, *, quiet: bool) -> None:
        stage = "Closed Won" if one == 0 else self.chance.choice(STAGES[1:7])
        made = self.ago(200, 100)
        closing = self.now + timedelta(days=self.chance.randrange(-20, 90))
        values = {
            "Deal_Name": f"{self.chance.choice(('Analytics Pack', 'Stock Ledger'))} {one + 1}",
            "Stage": stage, "Amount": self.chance.randrange(5, 120) * 500,
            "Probability": 100 if one == 0 else self.chance.randrange(10, 90),
            "Closing_Date": closing.date().isoformat(), "Account_Name": account.id,
            "Contact_Name": contact.id, "Owner": owner,
            "Stage_Modified_Time": told(made + timedelta(days=20)),
        }  # fmt: skip
        deal = self.put("Deals", values, made, owner)
        deal.modified = made + timedelta(days=20 if quiet else 80)

    def activity(
        self, account: Row, owner: str, contacts: list[Row], one: int, *, quiet: bool
    ) -> None:
        at = self.ago(85, 50) if quiet else self.ago(85, 2)
        ends = at + timedelta(minutes=30)
        with_whom = self.chance.choice(contacts)
        shared = {"What_Id": account.id, "Who_Id": with_whom.id, "Owner": owner}
        if one % 3 == 0:
            values: dict[str, Any] = {
                "Event_Title": "Quarterly meeting", "Start_DateTime": told(at),
                "End_DateTime": told(ends), "Description": "Went through the open points.",
                "Participants": [{"name": with_whom.values["Full_Name"], "type": "contact"}],
                **shared,
            }  # fmt: skip
            self.put("Events", values, at - timedelta(days=1), owner)
            return
        values = {
            "Subject": f"Call about {self.chance.choice(('renewal', 'training', 'prices'))}",
            "Call_Type": "Outbound", "Call_Start_Time": told(at), "Call_Duration": "15:00",
            "Call_Result": "Next step agreed" if one % 2 else None,
            "Outgoing_Call_Status": "Completed", **shared,
        }  # fmt: skip
        self.put("Calls", values, at, owner)

    def note(self, account: Row, owner: str, one: int) -> None:
        values = {
            "Note_Title": f"Visit {one + 1}", "Parent_Id": account.id, "Owner": owner,
            "Note_Content": "They work with it every day, and asked for a training.\nNo complaint.",
        }  # fmt: skip
        self.put("Notes", values, self.ago(120, 3), owner)

    def task(self, account: Row, owner: str) -> None:
        due = self.now + timedelta(days=self.chance.randrange(-5, 20))
        values = {
            "Subject": "Send the offer", "Due_Date": due.date().isoformat(),
            "Status": "Not Started", "Priority": "High", "What_Id": account.id, "Owner": owner,
        }  # fmt: skip
        self.put("Tasks", values, self.ago(30, 3), owner)


def sow(org: Org, *, accounts: int, seed: int, now: datetime) -> None:
    """Fill an empty org."""
    sower = _Sower(org, now, seed)
    sower.users()
    for number in range(accounts):
        sower.account(number)
