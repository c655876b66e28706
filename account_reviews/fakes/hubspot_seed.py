"""What a fake HubSpot portal holds at first. The same seed gives the same portal."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from account_reviews.fakes.hubspot_properties import STAGES
from account_reviews.fakes.hubspot_records import Records, Stored, iso

_FIRST: Final = (
    "Ada",
    "Bruno",
    "Chloé",
    "Dmitri",
    "ليلى",
    "Emre",
    "Fatou",
    "Grace",
    "Hiro",
    "Inés",
)
_LAST: Final = ("Nakamura", "Okafor", "Peña", "Quist", "חיים", "Rossi", "Suzuki", "Tran", "Ueda")
_COMPANY: Final = ("Acme", "Bolt 👋", "Čapek", "Delta", "شركة النور", "Epsilon", "Fjord", "Gizmo")
_INDUSTRIES: Final = ("COMPUTER_SOFTWARE", "RETAIL", "BANKING", "HEALTH_CARE")
_STATUSES: Final = ("Active", "Active", "Active", "At Risk", "Onboarding", "")
_OWNERS: Final = 5
_FIRST_OWNER: Final = 70_000_001


@dataclass(frozen=True)
class Portal:
    """How much there is of each account."""

    accounts: int = 20
    contacts: int = 5
    deals: int = 3
    activities: int = 12
    notes: int = 4
    tasks: int = 2
    same_time: int = 0
    """So many companies have one modified time."""

    @classmethod
    def of(cls, accounts: int, extra: Mapping[str, Any]) -> "Portal":
        given = {name: int(extra[name]) for name in cls.__dataclass_fields__ if name in extra}
        return cls(**{"accounts": accounts, **given})


def fill(records: Records, portal: Portal, seed: int, now: datetime) -> None:
    """Owners, the last of whom has left, then companies with what belongs to them."""
    chance = random.Random(seed)  # noqa: S311  nobody is to be kept out by it
    for n in range(_OWNERS):
        first, last = _FIRST[n], _LAST[n]
        owner_id = str(_FIRST_OWNER + n)
        records.owners[owner_id] = {
            "id": owner_id, "userId": 9_000 + n, "type": "PERSON", "email": f"owner{n}@example.com",
            "firstName": first, "lastName": last, "archived": n == _OWNERS - 1,
            "createdAt": iso(now - timedelta(days=900)), "updatedAt": iso(now - timedelta(days=9)),
        }  # fmt: skip
    one_time = now - timedelta(days=3)
    for n in range(portal.accounts):
        company = _company(records, chance, n, now)
        if n < portal.same_time:
            company.updated = one_time
            company.properties["hs_lastmodifieddate"] = iso(one_time)
        _children(records, chance, portal, company, now)


def _company(records: Records, chance: random.Random, n: int, now: datetime) -> Stored:
    owner = str(_FIRST_OWNER + n % _OWNERS)
    values = {
        "name": f"{chance.choice(_COMPANY)} {n:05d}",
        "domain": f"company{n}.example",
        "website": f"https://company{n}.example",
        "phone": f"+1 555 {n:07d}",
        "city": "Łódź",
        "country": "Poland",
        "industry": chance.choice(_INDUSTRIES),
        "type": "PROSPECT" if n % 7 == 0 else "OTHER",
        "annualrevenue": str(chance.randrange(1, 900) * 10_000),
        "numberofemployees": str(chance.randrange(2, 9_000)),
        "account_status": chance.choice(_STATUSES),
        "account_segment": chance.choice(("Enterprise", "Mid-Market", "SMB")),
        "renewal_date": (now + timedelta(days=chance.randrange(5, 400))).date().isoformat(),
    }
    made = _ago(records, "companies", values, (), now, chance.randrange(40, 800))
    if records.owners[owner]["archived"]:
        made.properties["hubspot_owner_id"] = owner
    else:
        _touch(records, made, {"hubspot_owner_id": owner}, now, chance.randrange(5, 40))
    return made


def _children(
    records: Records, chance: random.Random, portal: Portal, company: Stored, now: datetime
) -> None:
    parent = (("companies", company.id),)
    owner = company.properties["hubspot_owner_id"]
    holder = {} if records.owners[owner]["archived"] else {"hubspot_owner_id": owner}
    for n in range(portal.contacts):
        first, last = chance.choice(_FIRST), chance.choice(_LAST)
        values = {
            "firstname": first, "lastname": last, "email": f"p{n}@{company.properties['domain']}",
            "jobtitle": chance.choice(("CEO", "VP Sales", "Director of IT", "Engineer")),
            "hs_seniority": chance.choice(("executive", "vp", "director", "entry")), **holder,
        }  # fmt: skip
        _ago(records, "contacts", values, parent, now, chance.randrange(5, 400))
    for n in range(portal.deals):
        values = {
            "dealname": f"Deal {n} of {company.properties['name']}", "pipeline": "default",
            "dealstage": "appointmentscheduled", "amount": str(chance.randrange(1, 500) * 1_000),
            "closedate": iso(now + timedelta(days=chance.randrange(-30, 120))), **holder,
        }  # fmt: skip
        deal = _ago(records, "deals", values, parent, now, chance.randrange(60, 200))
        stage = chance.choice(list(STAGES))
        _touch(records, deal, {"dealstage": stage}, now, chance.randrange(1, 60))
    for n in range(portal.activities):
        days = chance.randrange(1, 120)
        at = iso(now - timedelta(days=days))
        kind = ("calls", "meetings")[n % 2]
        word = kind[:-1]
        values = {
            "hs_timestamp": at, f"hs_{word}_title": f"{word.title()} {n}",
            f"hs_{word}_body": "<p>We talked &amp; agreed</p>", **holder,
        }  # fmt: skip
        _ago(records, kind, values, parent, now, days)
    for n in range(portal.notes):
        days = chance.randrange(1, 200)
        values = {
            "hs_timestamp": iso(now - timedelta(days=days)),
            "hs_note_body": f"<p>Note {n}: they asked for <b>a price</b></p>", **holder,
        }  # fmt: skip
        _ago(records, "notes", values, parent, now, days)
    for n in range(portal.tasks):
        values = {
            "hs_timestamp": iso(now + timedelta(days=chance.randrange(-20, 30))),
            "hs_task_subject": f"Follow up {n}", "hs_task_body": "Call them",
            "hs_task_status": chance.choice(("NOT_STARTED", "COMPLETED")),
            "hs_task_priority": chance.choice(("HIGH", "MEDIUM", "LOW")), **holder,
        }  # fmt: skip
        _ago(records, "tasks", values, parent, now, chance.randrange(1, 60))


def _ago(
    records: Records, kind: str, values: Mapping[str, str], links: tuple[tuple[str, str], ...],
    now: datetime, days: int,
) -> Stored:  # fmt: skip
    at = now - timedelta(days=days)
    return records.create(kind, values, links, at, lag=timedelta(0))


def _touch(
    records: Records, record: Stored, values: Mapping[str, str], now: datetime, days: int
) -> None:
    """Changed so many days ago, but after it was made."""
    records.update(record, values, max(now - timedelta(days=days), record.created))
