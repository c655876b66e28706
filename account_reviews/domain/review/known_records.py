"""What the CRM shows of an account: deals, contacts, owner, activity, tasks, contract, notes."""

from collections.abc import Iterator
from decimal import Decimal

from account_reviews.domain.analysis.evidence import cite
from account_reviews.domain.analysis.facts import Facts, stage_since, whole_days
from account_reviews.domain.canonical import money
from account_reviews.domain.counting import counted
from account_reviews.domain.records import (
    OPEN_TASKS,
    Activity,
    Contact,
    Deal,
    RecordType,
    Task,
    task_word,
)
from account_reviews.domain.review.known_facts import (
    NOT_READ,
    OUR_WORDS,
    Gap,
    Known,
    Line,
    Sentence,
    cite_note,
    cut_short,
    day,
    listed,
    of_record,
    read_on,
    remembered,
    shortened,
    spoken,
    words,
)


def tell_deals(known: Known) -> Iterator[Line]:
    facts = known.facts
    if facts is None:
        yield NOT_READ
        return
    if not facts.has(RecordType.DEAL):
        yield Gap(text="This CRM holds no deals.")
        return
    stalled = {item.deal.id for item in facts.stalled}
    by_amount = sorted(facts.open_deals, key=lambda one: (-(one.amount or Decimal()), one.id))
    for deal in by_amount:
        yield _deal(deal, facts, stalled=deal.id in stalled)
    closed = [deal for deal in facts.snapshot.deals if deal.stage.is_closed]
    if closed:
        newest = max(closed, key=lambda one: (one.modified_at is not None, one.modified_at, one.id))
        yield Sentence(
            text=f"{len(closed)} known deal{'s are' if len(closed) > 1 else ' is'} closed, "
            f"last of all {newest.name}.",
            evidence=(of_record(newest, "stage", facts),),
        )
    if not facts.snapshot.deals:
        yield Gap(text=f"The CRM shows no deal of this account, {read_on(facts)}.")
    yield from cut_short(facts, RecordType.DEAL, len(facts.snapshot.deals))


def _deal(deal: Deal, facts: Facts, *, stalled: bool) -> Sentence:
    since = stage_since(deal, facts.as_of)
    parts = [f"{deal.name} is in stage {deal.stage}"]
    if since is not None:
        parts.append(f"since {day(since)}")
    if stalled:
        parts.append("and does not move")
    text = " ".join(parts)
    evidence = [cite(deal, "stage", at=since or facts.snapshot.fetched_at)]
    if deal.amount is not None:
        text += f", worth {money(deal.amount)}"
        evidence.append(of_record(deal, "amount", facts))
    if deal.closing_date is not None:
        text += f", to close on {deal.closing_date}"
        evidence.append(of_record(deal, "closing_date", facts))
    return Sentence(text=f"{text}.", evidence=tuple(evidence))


def tell_activity(known: Known) -> Iterator[Line]:
    facts = known.facts
    if facts is None:
        yield NOT_READ
        return
    last = facts.last_activity
    if last is None or last.at is None or facts.idle is None:
        held = "shows no activity" if facts.has(RecordType.ACTIVITY) else "holds no activities"
        yield Gap(text=f"Nobody knows when the last contact was: the CRM {held}.")
        return
    ago = whole_days(facts.idle)
    yield Sentence(
        text=f"The last contact was on {day(last.at)}, {counted(ago, 'day')} before "
        f"{day(facts.as_of)}.",
        evidence=(last,),
    )
    past = (one for one in facts.snapshot.activities if one.at <= facts.as_of)
    for one in sorted(past, key=lambda item: (item.at, item.id), reverse=True)[:5]:
        yield contact_made(one)


def contact_made(one: Activity) -> Sentence:
    """One activity, with what was written of it."""
    said, cited = [f"{one.type} on {day(one.at)}"], [cite(one, "at", at=one.at)]
    for field in ("subject", "description", "outcome"):
        value = getattr(one, field)
        if value:
            said.append(shortened(value))
            cited.append(cite(one, field, at=one.at))
    return Sentence(text=f"{'; '.join(said)}.", evidence=tuple(cited))


def tell_contacts(known: Known) -> Iterator[Line]:
    facts = known.facts
    if facts is None:
        yield NOT_READ
        return
    if not facts.has(RecordType.CONTACT):
        yield Gap(text="This CRM holds no contacts.")
        return
    people = facts.snapshot.contacts
    for one in sorted(people, key=lambda item: (not item.is_sponsor, item.name, item.id)):
        yield _contact(one, facts)
    if not people:
        yield Gap(text=f"The CRM shows no contact of this account, {read_on(facts)}.")
    yield from cut_short(facts, RecordType.CONTACT, len(people))


def _contact(one: Contact, facts: Facts) -> Sentence:
    """Addresses and numbers stay in the CRM: an answer is kept with the review."""
    said = [("title", one.title), ("level", one.level)]
    parts = [str(value) for _, value in said if value]
    fields = ["name", *(field for field, value in said if value)]
    for field, when, text in (
        ("is_sponsor", True, "a sponsor"),
        ("accessible", True, "can be reached"),
        ("accessible", False, "cannot be reached"),
        ("active", False, "has left"),
    ):
        if getattr(one, field) is when:
            parts.append(text)
            fields.append(field)
    more = f": {', '.join(parts)}" if parts else ""
    evidence = tuple(of_record(one, field, facts) for field in fields)
    return Sentence(text=f"{one.name}{more}.", evidence=evidence)


def tell_owner(known: Known) -> Iterator[Line]:
    facts = known.facts
    if facts is None:
        yield NOT_READ
        return
    snapshot, account = facts.snapshot, facts.account
    owner = snapshot.owner
    if account.owner_id is None:
        yield Sentence(
            text="The account has no owner.", evidence=(of_record(account, "owner_id", facts),)
        )
    elif owner is None:
        yield Sentence(
            text=f"The owner is {account.owner_id}; the CRM does not say who that is.",
            evidence=(of_record(account, "owner_id", facts),),
        )
    else:
        gone = "" if owner.active else ", who is no longer active"
        yield Sentence(
            text=f"The owner is {owner.name}{gone}.",
            evidence=(of_record(account, "owner_id", facts), of_record(owner, "name", facts)),
        )
    for who, text in ((snapshot.previous_owner, "Before"), (snapshot.manager, "The manager")):
        if who is not None:
            yield Sentence(
                text=f"{text} {'it was ' if who is snapshot.previous_owner else 'is '}{who.name}.",
                evidence=(of_record(who, "name", facts),),
            )


def tell_tasks(known: Known) -> Iterator[Line]:
    facts = known.facts
    if facts is None:
        yield NOT_READ
        return
    if not facts.has(RecordType.TASK):
        yield Gap(text="This CRM holds no tasks.")
        return
    tasks = [one for one in facts.snapshot.tasks if task_word(one.status) in OPEN_TASKS]
    for one in sorted(tasks, key=lambda task: (task.due_at is None, task.due_at, task.id)):
        yield _task(one, facts)
    if not tasks:
        yield Gap(text=f"The CRM shows no open task of this account, {read_on(facts)}.")
    yield from cut_short(facts, RecordType.TASK, len(facts.snapshot.tasks))


def _task(one: Task, facts: Facts) -> Sentence:
    evidence = [of_record(one, "status", facts)]
    due = ""
    if one.due_at is not None:
        late = ", overdue" if one.due_at < facts.as_of else ""
        due = f", due on {day(one.due_at)}{late}"
        evidence.append(cite(one, "due_at", at=one.due_at))
    return Sentence(
        text=f"{shortened(one.subject)} is {one.status}{due}.", evidence=tuple(evidence)
    )


def tell_contract(known: Known) -> Iterator[Line]:
    facts = known.facts
    if facts is None:
        yield NOT_READ
        return
    for field, text in (("contract_end", "The contract ends"), ("renewal_date", "Renewal is due")):
        at = getattr(facts.account, field)
        if at is not None:
            left = (at - facts.as_of.date()).days
            when = f"in {left} days" if left >= 0 else f"{-left} days ago"
            yield Sentence(
                text=f"{text} on {at}, {when} from {day(facts.as_of)}.",
                evidence=(of_record(facts.account, field, facts),),
            )
    if facts.contract_end is None:
        yield Gap(text="The CRM does not say when the contract ends or is to be renewed.")


def tell_notes(known: Known) -> Iterator[Line]:
    notes = [one for one in known.snapshot.notes if not one.private] if known.snapshot else []
    for note in notes[:5]:
        at = f" of {day(note.created_at)}" if note.created_at else ""
        title = f"{note.title}: " if note.title else ""
        yield Sentence(
            text=f'Note{at}: "{shortened(title + note.content)}"', evidence=(cite_note(note),)
        )
    hits = {hit.id: hit for hit in (*known.found, *(known.memory or ()))}.values()
    for hit in [one for one in hits if one.kind not in OUR_WORDS][:5]:
        yield remembered(hit)
    if not notes and not hits:
        yield Gap(text="No note on this account is known, in the CRM or in the memory.")


def tell_account(known: Known) -> Iterator[Line]:
    facts = known.facts
    if facts is None:
        yield NOT_READ
        return
    unknown = []
    for field in ("status", "segment", "industry", "annual_revenue", "employees", "billing_city"):
        value = getattr(facts.account, field)
        if value is None:
            unknown.append(words(field))
            continue
        evidence = of_record(facts.account, field, facts)
        said = f"{words(field).capitalize()} of {facts.account.name}: {spoken(evidence.value)}."
        yield Sentence(text=said, evidence=(evidence,))
    if unknown:
        yield Gap(text=f"The CRM does not say: {listed(unknown)}.")
