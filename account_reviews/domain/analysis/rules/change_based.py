"""Change-based: what happened calls for one more step."""

from account_reviews.domain.analysis.confidence import Pattern
from account_reviews.domain.analysis.evidence import cite, cite_change
from account_reviews.domain.analysis.facts import StalledDeal, stage_since, whole_days
from account_reviews.domain.analysis.model import Evidence, Severity
from account_reviews.domain.analysis.rules.base import (
    Context,
    Draft,
    Write,
    line,
    steps,
    task,
    update,
)
from account_reviews.domain.counting import counted
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import Contact, Deal, DealStage

HAND_OFF, REASSIGN, OWNERLESS, STALLED, CONTACT, FOLLOW_UP, NEWCOMER = range(1, 8)
"""Number of each recommendation in its id: fixed, so that ids are stable."""

STALL_CONFIDENCE = 0.75
"""Confidence of the deal stall pattern by itself."""


def propose(context: Context) -> list[Draft]:
    """One recommendation per kind of event or condition."""
    return [
        *_hand_off(context),
        *_reassign(context),
        *_ownerless(context),
        *_stalled(context),
        *_contact(context),
        *_follow_up(context),
        *_newcomer(context),
    ]


def _hand_off(context: Context) -> list[Draft]:
    account, changes = context.account, context.of_type("owner_change")
    if account.owner_id is None:
        return []
    evidence = tuple(
        cite_change(account, "owner_id", item.before, item.after, item.at) for item in changes
    ) or (cite(account, "owner_id", at=account.modified_at),)
    name = line(context.owner_name or account.owner_id)
    why = f"The account has a new owner, {name}, whom the customer may not know yet."
    title = "Hold a hand-off call with the customer"
    write = task(
        context,
        title,
        f"Introduce {name} as the new owner, go through open deals and promises.",
        Severity.CRITICAL,
        why=why,
        evidence=(cite(account, "owner_id", at=account.modified_at),),
        live=bool(changes),
    )
    return [
        Draft(
            number=HAND_OFF, type="executive_alignment", title=title, rationale=why,
            priority=Severity.CRITICAL, evidence=evidence, minutes=30, writes=(write,),
            memory=context.remembered(MemoryKind.COMMITMENT),
            steps=steps(
                context,
                ("Ask the previous owner for open points and promises", "today"),
                ("Call the main contacts and introduce yourself", "within 2 days"),
            ),
        )
    ]  # fmt: skip


def _reassign(context: Context) -> list[Draft]:
    account, owner = context.account, context.facts.snapshot.owner
    left = context.previous_owners - {account.owner_id}
    if context.assignee is None or not left or (owner is not None and not owner.active):
        return []
    limit = context.policy.recommendations.max_writes
    deals = [deal for deal in context.facts.open_deals if deal.owner_id in left]
    contacts = [
        contact
        for contact in sorted(context.facts.snapshot.contacts, key=lambda item: item.id)
        if contact.owner_id in left and contact.active is not False
    ]
    writes = [
        *(_new_owner(context, deal) for deal in _largest(deals)[:limit]),
        *(_new_owner(context, contact) for contact in contacts[:limit]),
    ]
    if not writes:
        return []
    name = line(context.owner_name or "")
    found = ((len(deals), "open deal"), (len(contacts), "contact"))
    what = " and ".join(counted(number, noun) for number, noun in found if number)
    why = f"{name} owns the account; still with the previous owner: {what}."
    return [
        Draft(
            number=REASSIGN, type="update_account", priority=Severity.HIGH, rationale=why,
            title="Hand deals and contacts to the new owner",
            evidence=tuple(item for write in writes for item in write.evidence),
            minutes=15, writes=tuple(writes),
            steps=steps(context, ("Check with the previous owner, then approve", "today")),
        )
    ]  # fmt: skip


def _new_owner(context: Context, record: Deal | Contact) -> Write:
    action = Action.CHANGE_OWNER if isinstance(record, Deal) else Action.UPDATE_CONTACT
    name = line(context.owner_name or "")
    return update(
        action,
        record,
        {"owner_id": context.account.owner_id},
        title=f"Make {name} the owner of {record.name}",
        why=f"It still belongs to the previous owner; {name} owns the account.",
        evidence=(
            cite(record, "owner_id", at=record.created_at),
            cite(context.account, "owner_id", at=context.account.modified_at),
        ),
    )


def _ownerless(context: Context) -> list[Draft]:
    account, owner, successor = context.account, context.facts.snapshot.owner, context.successor
    if owner is None or owner.id != account.owner_id or not successor:
        return []
    evidence = (
        cite(owner, "active", at=context.facts.snapshot.fetched_at),
        cite(account, "owner_id", at=account.modified_at),
    )
    why = f"{line(owner.name)} is no longer active, so nobody looks after this account."
    write = update(
        Action.CHANGE_OWNER,
        account,
        {"owner_id": successor},
        title=f"Make the manager of {owner.name} the owner of {account.name}",
        why=why,
        evidence=evidence,
    )
    return [
        Draft(
            number=OWNERLESS, type="escalation", title="Give the account an active owner",
            rationale=why, priority=Severity.HIGH, evidence=evidence, minutes=15, writes=(write,),
            steps=steps(context, ("Choose who takes the account over", "within 2 days")),
        )
    ]  # fmt: skip


def _stalled(context: Context) -> list[Draft]:
    items = context.facts.stalled
    if not items:
        return []
    evidence = tuple(_cite_stage(context, item) for item in items)
    critical = any(item.critical for item in items)
    priority = Severity.CRITICAL if critical else Severity.HIGH
    names = ", ".join(line(item.deal.name) for item in items[:5])
    names += f" and {len(items) - 5} more" if len(items) > 5 else ""
    title = "Find out what blocks the stalled deals"
    of_all = f"{len(items)} of {counted(len(context.facts.open_deals), 'open deal')}"
    why = f"{of_all} {'does' if len(items) == 1 else 'do'} not move: {names}."
    share = len(items) / len(context.facts.open_deals)
    limit = context.policy.recommendations.max_writes
    late = {item.deal.id: item for item in items if _should_be_marked(item)}
    overdue = _largest([item.deal for item in late.values()])[:limit]
    return [
        Draft(
            number=STALLED, type="escalation", title=title, rationale=why, priority=priority,
            evidence=evidence, minutes=60,
            pattern=Pattern(len(items), share, STALL_CONFIDENCE),
            writes=(
                task(
                    context, title,
                    f"Ask the people who decide what holds these deals up: {names}.",
                    priority, why=why, evidence=evidence,
                ),
                *(_mark_stalled(context, late[deal.id]) for deal in overdue),
            ),
            steps=steps(
                context,
                ("Ask each deal's contact what is missing", "within 2 days"),
                ("Bring the people who decide to one table", "within 1 week"),
            ),
        )
    ]  # fmt: skip


def _mark_stalled(context: Context, item: StalledDeal) -> Write:
    deal, age = item.deal, item.age
    days = "a long time" if age is None else counted(whole_days(age), "day")
    return update(
        Action.UPDATE_DEAL_STAGE,
        deal,
        {"stage": DealStage.STALLED.value},
        title=f'Set the stage of {deal.name} to "{DealStage.STALLED}"',
        why=f"The deal is in stage {deal.stage} for {days}.",
        evidence=(_cite_stage(context, item),),
    )


def _should_be_marked(item: StalledDeal) -> bool:
    return item.critical and item.deal.stage is not DealStage.STALLED


def _cite_stage(context: Context, item: StalledDeal) -> Evidence:
    return cite(item.deal, "stage", at=stage_since(item.deal, context.as_of))


def _contact(context: Context) -> list[Draft]:
    """Silence that the engagement rule does not cover yet."""
    idle, last = context.facts.idle, context.facts.last_activity
    if idle is None or last is None or not crosses("idle_attention", idle, context.policy):
        return []
    if crosses("idle_signal", idle, context.policy):
        return []
    title = "Get in touch again"
    why = f"The last activity was {counted(whole_days(idle), 'day')} ago."
    write = task(
        context, title, "Write or call: ask what is new and agree on a next step.",
        Severity.MEDIUM, why=why, evidence=(last,),
    )  # fmt: skip
    return [
        Draft(
            number=CONTACT, type="re_engagement", title=title, rationale=why,
            priority=Severity.MEDIUM, evidence=(last,), minutes=15, writes=(write,),
            memory=context.remembered(MemoryKind.NOTE),
            steps=steps(context, ("Write to or call the main contact", "this week")),
        )
    ]  # fmt: skip


def _follow_up(context: Context) -> list[Draft]:
    fresh = {change.record.id for change in context.of_type("high_value_activity")}
    title = "Follow up on the meeting"
    writes = tuple(
        task(
            context, f"Follow up on the {item.type} of {item.at.date().isoformat()}",
            "Thank everybody, send what was promised and agree on the next step.",
            Severity.HIGH, why=f"A {item.type} took place and nothing should be forgotten.",
            evidence=(cite(item, "type", at=item.at),), live=item.id in fresh,
        )
        for item in context.facts.snapshot.activities
        if item.type.is_high_value and item.at <= context.as_of
    )  # fmt: skip
    if not writes:
        return []
    return [
        Draft(
            number=FOLLOW_UP, type="create_task", title=title,
            rationale="An important meeting took place since the last review.",
            priority=Severity.HIGH, evidence=(), minutes=30, writes=writes,
            steps=steps(context, ("Send notes and next steps to everybody", "within 2 days")),
        )
    ]  # fmt: skip


def _newcomer(context: Context) -> list[Draft]:
    fresh = {change.record.id for change in context.of_type("contact_added")}
    title = "Meet the new contact"
    writes = tuple(
        task(
            context, f"Meet the new contact {line(contact.name)}",
            "Introduce yourself, learn about the role and how to work together.",
            Severity.HIGH, why=f"{line(contact.name)} is new at this account.",
            evidence=(cite(contact, "name", at=contact.created_at),), live=contact.id in fresh,
        )
        for contact in sorted(context.facts.snapshot.contacts, key=lambda item: item.id)
        if contact.active is not False
    )  # fmt: skip
    if not writes:
        return []
    return [
        Draft(
            number=NEWCOMER, type="create_task", title=title,
            rationale="A new contact was added since the last review.",
            priority=Severity.HIGH, evidence=(), minutes=30, writes=writes,
            steps=steps(context, ("Arrange a first call", "within 1 week")),
        )
    ]  # fmt: skip


def _largest(deals: list[Deal]) -> list[Deal]:
    return sorted(deals, key=lambda deal: (-(deal.amount or 0), deal.id))
