"""Writes the sample portfolio: 64 invented accounts, and the same accounts a week later.

    python examples/generate.py [DIRECTORY]

The same numbers come out every time: each account has its own seeded random source, so that
changing one does not move the others. Moments are counted back from the as-of date.
"""

import csv
import random
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

AS_OF = datetime(2026, 10, 1, tzinfo=UTC)
NEXT_WEEK = AS_OF + timedelta(days=7)

Row = dict[str, str]

CLASSES = (
    *["healthy"] * 16,
    *["changed"] * 8,
    *["stalled"] * 8,
    *["inactive"] * 8,
    *["renewing"] * 8,
    *["new"] * 8,
    *["incomplete"] * 8,
)
OWNERS = (
    ("ow-1", "Ilse Varnholt", True),
    ("ow-2", "Tomas Brekke", True),
    ("ow-3", "Nadia Quellmer", True),
    ("ow-4", "Oren Salvat", True),
    ("ow-5", "Priya Handecourt", True),
    ("ow-6", "Wendel Ashgrove", True),
    ("ow-7", "Marguerite Solberg", True),
    ("ow-8", "Casimir Dunleavy", False),
)
"""ow-7 manages the others; ow-8 has left and still holds two accounts."""
MANAGER, LEFT = "ow-7", "ow-8"

FIRST = (
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo",
    "Juniper", "Kestrel", "Larch", "Meadow", "Nimbus", "Orchard", "Pewter",
)  # fmt: skip
SECOND = ("Freight", "Ledger Works", "Optics", "Mills")
INDUSTRIES = ("Logistics", "Finance", "Manufacturing", "Retail", "Healthcare", "Software")
CITIES = (("Rotterdam", "Netherlands"), ("Graz", "Austria"), ("Cork", "Ireland"),
          ("Aarhus", "Denmark"), ("Porto", "Portugal"), ("Leeds", "United Kingdom"))  # fmt: skip
GIVEN = (
    "Alva", "Bela", "Corin", "Dagny", "Eero", "Fenna", "Gideon", "Henrike", "Iwan", "Jolanda",
    "Kasper", "Liv", "Matteo", "Noor", "Otis", "Petra", "Quirin", "Runa", "Silvan", "Tessa",
)  # fmt: skip
FAMILY = (
    "Abelmann", "Borgwarth", "Castellane", "Drossel", "Eikeland", "Fanshawe", "Gruber",
    "Holloway", "Ingram", "Jankers", "Kowalke", "Lindqvist", "Marchetti", "Norrland", "Okafor",
    "Pellegrin",
)  # fmt: skip
TITLES = (("Chief Operating Officer", "C-Level"), ("VP Procurement", "VP"),
          ("Director of IT", "Director"), ("Purchasing Manager", ""))  # fmt: skip
PRODUCTS = ("Route Planner", "Stock Ledger", "Field Service", "Analytics Pack")
OPEN_STAGES = ("Qualification", "Needs Analysis", "Value Proposition", "Proposal", "Negotiation")
EVERYDAY = ("Call", "Email", "Email", "Meeting", "Call")
HIGH_VALUE = ("Demo", "Contract Review", "Executive Meeting")

FILES = {
    "owners": ("Owner ID", "Full Name", "Email", "Active", "Manager ID"),
    "accounts": (
        "Account ID", "Account Name", "Owner ID", "Status", "Type", "Industry", "Segment",
        "Website", "Phone", "City", "Country", "Annual Revenue", "Employees", "Contract End",
        "Created", "Modified", "Support Tier",
    ),
    "owner_history": ("Account ID", "Changed", "Previous Owner ID", "Owner ID"),
    "contacts": (
        "Contact ID", "Account ID", "Full Name", "Email", "Phone", "Title", "Level", "Accessible",
        "Alignment", "Sponsor", "Active", "Created",
    ),
    "deals": (
        "Deal ID", "Account ID", "Deal Name", "Stage", "Amount", "Probability", "Closing Date",
        "Created", "Modified", "Stage Changed", "Owner ID",
    ),
    "stage_history": ("Deal ID", "Stage", "Changed"),
    "activities": (
        "Activity ID", "Account ID", "Type", "Subject", "When", "Owner ID", "Participants",
        "Outcome",
    ),
    "notes": ("Note ID", "Account ID", "Title", "Content", "Created", "Created By"),
    "tasks": (
        "Task ID", "Account ID", "Subject", "Due", "Status", "Priority", "Owner ID", "Created",
    ),
    "classes": ("Account ID", "Class"),
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What makes an account of its class. Days are counted back from the as-of date."""

    status: str = "Active"
    last_activity: int | None = 5
    activities: tuple[int, int, int] = (5, 4, 3)
    """How many in the last 30 days, the 30 before, and the 30 before that."""
    stage_age: int | None = 12
    amount: int | None = 24_000
    contract_days: int | None = 240
    age_days: int = 700
    revenue: int | None = 36_000
    contacts: int = 3
    early_stage: bool = False


@dataclass(frozen=True)
class Account:
    """An account in the making: what its other rows need to know of it."""

    account_id: str
    slug: str
    owner: str | None
    shape: Shape
    rng: random.Random
    people: list[str] = field(default_factory=list)


@dataclass
class Portfolio:
    """The rows of every file."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in FILES})

    def add(self, name: str, *values: object) -> Row:
        """One more row; values in the order of the columns."""
        row = dict(zip(FILES[name], map(text, values), strict=True))
        self.rows[name].append(row)
        return row

    def next_id(self, name: str, prefix: str) -> str:
        """An id that follows the last one of a file."""
        return f"{prefix}-{len(self.rows[name]) + 1:04d}"

    def of(self, name: str, account_id: str) -> list[Row]:
        """The rows of one account."""
        return [row for row in self.rows[name] if row["Account ID"] == account_id]


def text(value: object) -> str:
    """A value as it stands in a CSV file."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def shape_of(kind: str, n: int, rng: random.Random) -> Shape:
    """The shape of the n-th account of its class."""
    match kind:
        case "changed":
            shape = Shape(
                status="At Risk" if n >= 4 else "Active",
                stage_age=2 + n % 4,
                amount=30_000 + 5_000 * n,
                revenue=90_000 + 20_000 * n,
            )
        case "stalled":
            shape = Shape(
                stage_age=rng.randint(52, 80) if n >= 4 else rng.randint(33, 41),
                amount=40_000 + 9_000 * n,
                revenue=60_000 + 40_000 * n,
            )
        case "inactive":
            shape = _inactive(n, rng)
        case "renewing":
            shape = Shape(
                contract_days=8 + 11 * n, activities=(4, 3, 2), revenue=30_000 + 9_000 * n
            )
        case "new":
            shape = _new(n)
        case "incomplete":
            shape = _incomplete(n)
        case _:
            shape = Shape(
                last_activity=rng.randint(1, 9),
                stage_age=rng.randint(5, 20),
                amount=rng.randrange(12_000, 48_000, 500),
                contract_days=rng.randint(150, 400),
                revenue=rng.randrange(22_000, 48_000, 1000),
            )
    return shape


def _inactive(n: int, rng: random.Random) -> Shape:
    """Nobody has spoken with them for one month, or for two."""
    late = n >= 4
    return Shape(
        status="Inactive" if n % 4 == 0 else "Active",
        last_activity=rng.randint(66, 88) if late else rng.randint(34, 55),
        activities=(0, 0, 2) if late else (0, 2, 2),
        stage_age=None if n % 2 else 20,
        amount=8_000 + 4_000 * n,
        revenue=70_000,
    )


def _new(n: int) -> Shape:
    """In the CRM for days only."""
    return Shape(
        status="Onboarding" if n % 2 else "Pending",
        last_activity=1 + n % 3,
        activities=(2, 0, 0),
        stage_age=2 + n % 4,
        amount=15_000 + 2_500 * n,
        contract_days=None,
        age_days=4 + n,
        revenue=None if n % 4 == 0 else 45_000,
        contacts=1,
        early_stage=True,
    )


def _incomplete(n: int) -> Shape:
    """Something that a review needs is not there; never the same twice in a row."""
    silent = n % 2 == 0
    return Shape(
        status="" if n % 3 == 0 else "Active",
        last_activity=None if silent else 8,
        activities=(0, 0, 0) if silent else (2, 2, 1),
        stage_age=None if n in (2, 3) else 15,
        amount=None if n in (1, 4, 5) else 18_000,
        contract_days=None,
        revenue=None,
        contacts=n % 2,
    )


def add_account(portfolio: Portfolio, number: int, kind: str, n: int) -> None:
    """One account with all that hangs on it."""
    account_id = f"ac-{number:03d}"
    rng = random.Random(f"portfolio {account_id}")
    shape = shape_of(kind, n, rng)
    owner: str | None = f"ow-{(number - 1) % 6 + 1}"
    if kind == "incomplete" and n >= 4:
        owner = LEFT if n < 6 else None
    name = f"{FIRST[(number - 1) % 16]} {SECOND[(number - 1) // 16]}"
    slug = name.lower().replace(" ", "-")
    city, country = rng.choice(CITIES)
    bare = kind == "incomplete"
    contract = None if shape.contract_days is None else day(shape.contract_days)
    portfolio.add(
        "accounts", account_id, name, owner, shape.status,
        "Prospect" if kind == "new" else "Customer",
        None if bare and n % 2 else rng.choice(INDUSTRIES),
        None if bare else rng.choice(("Enterprise", "Mid-Market", "SMB")),
        None if bare else f"https://{slug}.example", None if bare else phone(rng), city, country,
        shape.revenue, None if bare else rng.randrange(40, 4000, 10), contract,
        ago(shape.age_days, rng), ago(min(shape.age_days, 3 + n), rng),
        rng.choice(("Standard", "Premium")),
    )  # fmt: skip
    portfolio.add("classes", account_id, kind)
    if kind == "changed":
        previous = f"ow-{number % 6 + 1}"
        portfolio.add("owner_history", account_id, ago(2 + n % 5, rng), previous, owner)
    one = Account(account_id, slug, owner, shape, rng)
    add_contacts(portfolio, one)
    add_deals(portfolio, one)
    add_activities(portfolio, one)
    add_papers(portfolio, one)


def add_contacts(portfolio: Portfolio, one: Account) -> None:
    """The people of an account."""
    for place in range(one.shape.contacts):
        name = f"{one.rng.choice(GIVEN)} {one.rng.choice(FAMILY)}"
        title, level = TITLES[(place + one.rng.randrange(4)) % 4]
        portfolio.add(
            "contacts", portfolio.next_id("contacts", "co"), one.account_id, name,
            f"{name.lower().replace(' ', '.')}@{one.slug}.example", phone(one.rng), title, level,
            one.rng.random() < 0.8, round(one.rng.uniform(0.4, 0.95), 2), place == 0, True,
            ago(max(2, one.shape.age_days - 3 * place), one.rng),
        )  # fmt: skip
        one.people.append(name)


def add_deals(portfolio: Portfolio, one: Account) -> None:
    """A deal won long ago for every customer, and the one that is open now."""
    if one.shape.age_days > 400:
        won = one.rng.randint(200, 380)
        steps = [("Qualification", won + 60), ("Proposal", won + 25), ("Closed Won", won)]
        add_deal(portfolio, one, steps, one.rng.randrange(9_000, 60_000, 500))
    if one.shape.stage_age is None:
        return
    stages = ("Prospecting", "Qualification") if one.shape.early_stage else OPEN_STAGES
    last = one.rng.randrange(1, len(stages))
    pause = 1 if one.shape.early_stage else 14
    path = stages[: last + 1]
    steps = [
        (stage, one.shape.stage_age + pause * (last - place)) for place, stage in enumerate(path)
    ]
    add_deal(portfolio, one, steps, one.shape.amount)


def add_deal(
    portfolio: Portfolio, one: Account, steps: list[tuple[str, int]], amount: int | None
) -> None:
    """One deal that went through `steps`: (stage, days ago)."""
    deal_id = portfolio.next_id("deals", "de")
    moments = [(stage, ago(days, one.rng)) for stage, days in steps]
    stage, changed = moments[-1]
    closed = stage.startswith("Closed")
    closing = changed.date() if closed else day(one.rng.randint(25, 90))
    probability = 100 if closed else 15 * (OPEN_STAGES.index(stage) + 1)
    portfolio.add(
        "deals", deal_id, one.account_id, one.rng.choice(PRODUCTS), stage, amount, probability,
        closing, moments[0][1], changed, changed, one.owner,
    )  # fmt: skip
    for name, at in moments:
        portfolio.add("stage_history", deal_id, name, at)


def add_activities(portfolio: Portfolio, one: Account) -> None:
    """Contacts with the account, spread over three months; the last one on its day."""
    if one.shape.last_activity is None:
        return
    days = [one.shape.last_activity]
    for months_ago, count in enumerate(one.shape.activities):
        first = max(30 * months_ago + 1, one.shape.last_activity + 1)
        last = min(30 * months_ago + 29, one.shape.age_days)
        days += [one.rng.randint(first, last) for _ in range(count) if first <= last]
    for place, age in enumerate(sorted(days, reverse=True)):
        kind = one.rng.choice(HIGH_VALUE) if place % 5 == 4 else one.rng.choice(EVERYDAY)
        add_activity(portfolio, one, kind, ago(age, one.rng))


def add_activity(portfolio: Portfolio, one: Account, kind: str, at: datetime) -> None:
    """One contact."""
    outcome = one.rng.choice(("Next step agreed", "Waiting for an answer", "Questions settled", ""))
    with_whom = one.rng.choice(one.people) if one.people else ""
    portfolio.add(
        "activities", portfolio.next_id("activities", "at"), one.account_id, kind,
        f"{kind} about {one.rng.choice(PRODUCTS)}", at, one.owner, with_whom, outcome,
    )  # fmt: skip


def add_papers(portfolio: Portfolio, one: Account) -> None:
    """A note for most accounts, a task for some."""
    if one.rng.random() < 0.8:
        topic = one.rng.choice(PRODUCTS)
        portfolio.add(
            "notes", portfolio.next_id("notes", "no"), one.account_id, f"{topic} in use",
            f'The team works with {topic} every day and asked for a training, "the short one".',
            ago(min(one.shape.age_days, one.rng.randint(10, 120)), one.rng), one.owner or MANAGER,
        )  # fmt: skip
    if one.rng.random() < 0.4:
        portfolio.add(
            "tasks", portfolio.next_id("tasks", "ta"), one.account_id,
            f"Send the offer for {one.rng.choice(PRODUCTS)}", ago(-one.rng.randint(2, 20), one.rng),
            one.rng.choice(("open", "done")), one.rng.choice(("high", "medium", "low")), one.owner,
            ago(min(one.shape.age_days, one.rng.randint(3, 20)), one.rng),
        )  # fmt: skip


def ago(days: int, rng: random.Random, as_of: datetime = AS_OF) -> datetime:
    """A moment in working hours of the day that many days before the as-of date."""
    return as_of - timedelta(days=days) + timedelta(minutes=rng.randrange(8 * 60, 17 * 60, 5))


def day(ahead: int) -> date:
    """The date that many days after the as-of date."""
    return (AS_OF + timedelta(days=ahead)).date()


def phone(rng: random.Random) -> str:
    """A number nobody has."""
    return f"+99 555 01{rng.randrange(10_000, 99_999)}"


def this_week() -> Portfolio:
    """The portfolio at the as-of date."""
    portfolio = Portfolio()
    for owner_id, name, active in OWNERS:
        email = f"{name.lower().replace(' ', '.')}@vendor.example"
        manager = None if owner_id == MANAGER else MANAGER
        portfolio.add("owners", owner_id, name, email, active, manager)
    for number, kind in enumerate(CLASSES, start=1):
        add_account(portfolio, number, kind, number - 1 - CLASSES.index(kind))
    return portfolio


def next_week() -> Portfolio:
    """The same portfolio a week later: some of it has moved on."""
    portfolio = this_week()
    for row, kind in zip(portfolio.rows["accounts"], CLASSES, strict=True):
        n = int(row["Account ID"].removeprefix("ac-")) - 1 - CLASSES.index(kind)
        rng = random.Random(f"next week {row['Account ID']}")
        people = [item["Full Name"] for item in portfolio.of("contacts", row["Account ID"])]
        one = Account(row["Account ID"], "", row["Owner ID"], Shape(), rng, people)
        if kind in ("healthy", "renewing", "stalled") or (kind == "new" and n < 6):
            at = ago(rng.randint(1, 5), rng, NEXT_WEEK)
            add_activity(portfolio, one, rng.choice(EVERYDAY), at)
        if kind == "changed":
            change_account(portfolio, row, n, rng)
        if kind == "stalled" and n < 2:
            move_deal(portfolio, row, "Negotiation", rng)
        if kind == "inactive" and n < 2:
            add_activity(portfolio, one, "Demo", ago(2, rng, NEXT_WEEK))
    return portfolio


def change_account(portfolio: Portfolio, row: Row, n: int, rng: random.Random) -> None:
    """Two accounts each: another owner, another status, a lost deal, a new contact."""
    account_id = row["Account ID"]
    row["Modified"] = text(ago(3, rng, NEXT_WEEK))
    match n % 4:
        case 0:
            row["Owner ID"] = f"ow-{int(row['Owner ID'].removeprefix('ow-')) % 6 + 1}"
        case 1:
            row["Status"] = "At Risk" if row["Status"] == "Active" else "Active"
        case 2:
            move_deal(portfolio, row, "Closed Lost", rng)
        case _:
            name = f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}"
            host = row["Website"].removeprefix("https://")
            portfolio.add(
                "contacts", portfolio.next_id("contacts", "co"), account_id, name,
                f"{name.lower().replace(' ', '.')}@{host}", phone(rng), "Chief Executive Officer",
                "C-Level", True, 0.6, False, True, ago(4, rng, NEXT_WEEK),
            )  # fmt: skip


def move_deal(portfolio: Portfolio, row: Row, stage: str, rng: random.Random) -> None:
    """Put the open deal of an account into another stage."""
    deal = portfolio.of("deals", row["Account ID"])[-1]
    at = text(ago(3, rng, NEXT_WEEK))
    deal |= {"Stage": stage, "Modified": at, "Stage Changed": at}
    portfolio.add("stage_history", deal["Deal ID"], stage, at)


def write(portfolio: Portfolio, directory: Path) -> None:
    """One CSV file for each kind of row."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, columns in FILES.items():
        with (directory / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(portfolio.rows[name])


def main(directory: Path) -> None:
    """Write both weeks."""
    write(this_week(), directory / "portfolio")
    write(next_week(), directory / "portfolio-next-week")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
