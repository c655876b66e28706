"""What a notice says. Pure. Without `personal_data` in the policy it names no person but the one it
is for, and no value of what is proposed."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from account_reviews.domain.audit.masks import mask_personal_data
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.characters import written_on_one_line
from account_reviews.domain.counting import counted
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.reports.digest import Digest
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.items import Item
from account_reviews.domain.review.notices import Notice, NoticeKind
from account_reviews.notifications.protocol import Message

_NOUNS: Final = {
    Action.CREATE_TASK: ("new task", "new tasks"),
    Action.ADD_NOTE: ("new note", "new notes"),
    Action.UPDATE_ACCOUNT: ("update of the account", "updates of the account"),
    Action.UPDATE_DEAL_STAGE: ("change of a deal's stage", "changes of deals' stages"),
    Action.CHANGE_OWNER: ("change of owner", "changes of owner"),
    Action.UPDATE_CONTACT: ("update of a contact", "updates of contacts"),
}
_SHOWN_WAITING: Final = 20
"""Requests that a digest lists; of more it says how many."""


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """Whom a message is for."""

    recipient: str
    """As the request has it: an owner id or a name."""
    name: str | None = None
    address: str | None = None
    zone: ZoneInfo


class Words(Protocol):
    """What turns a proposed change into words, for one reader."""

    def change(self, change: ProposedChange, /) -> str:
        """What it does: "Status: Active → At Risk"."""
        ...

    def differences(
        self, change: ProposedChange, /
    ) -> Sequence[tuple[str, str | None, str | None]]:
        """Label, before and after of each field."""
        ...

    def prose(self, text: str, /) -> str:
        """A sentence of the rules, with its times and sums as this reader writes them."""
        ...


WordsOf = Callable[[Addressee, Mapping[str, str]], Words]
"""The words for whoever it is for, and the names of people by their ids."""


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What a message may say, in whose words, and where its links lead."""

    words: WordsOf
    personal_data: bool = False
    web_url: str | None = None
    links: Callable[[ApprovalRequest, str], str | None] | None = None
    """The path at which somebody decides on a request without signing in."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The account a request is about."""

    account_id: str
    name: str | None = None
    short_id: str | None = None
    """Of the request: `ac-1-3`; commands name it by its whole id where it is not known."""
    people: Mapping[str, str] = field(default_factory=dict)
    """Id -> name."""
    standing: str | None = None
    """How it is: "Risk: high, 70 of 100. Health: critical, 30 of 100."."""


def notice_message(
    key: str,
    notice: Notice,
    request: ApprovalRequest,
    subject: Subject,
    to: Addressee,
    wording: Wording,
) -> Message:
    """The message of one notice for one person."""
    items = [item for item in request.items if item.is_open] or list(request.items)
    account = _account(subject, wording)
    what = f"{counted(len(items), 'proposed change')} for {account}"
    due = local_time(request.deadline, to.zone)
    return Message(
        key=key,
        kind=notice.kind.value,
        recipient=to.recipient,
        name=to.name,
        address=to.address,
        subject=_subject(notice, what, due),
        text="\n".join(_lines(notice, request, items, what, due, subject, to, wording)) + "\n",
        at=notice.at,
        data=_data(notice, request, items, subject, account, to, wording),
    )


def digest_message(
    key: str,
    digest: Digest,
    to: Addressee,
    wording: Wording,
    whole: str,
    at: datetime,
    page: str | None = None,
    links: Mapping[str, str] | None = None,
) -> Message:
    """The message of one owner's morning. `whole` is all of it, for whoever may read that, and
    `page` the same as HTML. `links`: request id -> where to decide without signing in."""
    owner = written_on_one_line(to.name or digest.owner_name or digest.owner_id)
    text = (
        whole
        if wording.personal_data
        else "\n".join(_digest_lines(digest, owner, to, wording, links or {}))
    )
    news = "nothing new" if digest.nothing_new else digest.summary.rstrip(".")
    return Message(
        key=key,
        kind="digest",
        recipient=to.recipient,
        name=to.name,
        address=to.address,
        subject=f"Account reviews, {day_of(digest.day)}: {news}",
        text=text.rstrip("\n") + "\n",
        html=page if wording.personal_data else None,
        at=at,
        data={
            "owner_id": digest.owner_id,
            "day": digest.day.isoformat(),
            "nothing_new": digest.nothing_new,
            "waiting": [one.request_id for one in digest.waiting],
            "command": _digest_command(digest),
        },
    )


def local_time(moment: datetime, zone: ZoneInfo) -> str:
    """`Thu 1 Oct 2026, 09:00 (Europe/Berlin)`."""
    at = moment.astimezone(zone)
    return f"{at:%a} {at.day} {at:%b %Y, %H:%M} ({zone.key})"


def day_of(day: datetime | object) -> str:
    """`Thu 1 Oct 2026`."""
    return f"{day:%a} {day:%d} {day:%b %Y}".replace(" 0", " ")


def _subject(notice: Notice, what: str, due: str) -> str:
    match notice.kind:
        case NoticeKind.REQUEST:
            return f"Decide by {due}: {what}"
        case NoticeKind.REMINDER:
            return f"Reminder, decide by {due}: {what}"
        case NoticeKind.ESCALATION:
            why = "high risk" if notice.critical else f"level {notice.level}"
            return f"Escalation ({why}), to be decided by {due}: {what}"
        case NoticeKind.EXPIRED:
            return f"Expired without a decision: {what}"


def _lines(
    notice: Notice,
    request: ApprovalRequest,
    items: Sequence[Item],
    what: str,
    due: str,
    subject: Subject,
    to: Addressee,
    wording: Wording,
) -> Iterator[str]:
    name = subject.short_id or request.request_id
    yield from _opening(notice, request, what, "waits" if len(items) == 1 else "wait", due)
    if subject.standing is not None:
        yield subject.standing
    yield ""
    yield from _changes(items, subject, to, wording)
    yield ""
    link, decide = (
        _link(request, subject, wording),
        _decide_link(notice, request, to, wording),
    )
    if link is None:
        yield from _commands(notice, name, to)
    elif decide is not None:
        yield f"Decide: {decide}"
        yield "This link decides without signing in, once, and is yours alone."
        yield f"To look at all of it, sign in: {link}"
    else:
        yield f"{'Look at it' if notice.kind is NoticeKind.EXPIRED else 'Decide'}: {link}"


def _commands(notice: Notice, name: str, to: Addressee) -> Iterator[str]:
    """How one goes on in a shell, where there are no pages."""
    yield "Look at them:"
    yield f"  reviews approvals show {name}"
    if notice.kind is not NoticeKind.EXPIRED:
        who = shlex.quote(to.recipient)
        yield "Decide, on all or with --item on one:"
        yield f"  reviews approvals approve {name} --as {who}"
        yield f'  reviews approvals reject {name} --as {who} --reason "..."'


def _opening(
    notice: Notice, request: ApprovalRequest, what: str, wait: str, due: str
) -> Iterator[str]:
    match notice.kind:
        case NoticeKind.REQUEST:
            yield f"{what} {wait} for your decision."
        case NoticeKind.REMINDER:
            yield f"{what} still {wait} for your decision."
        case NoticeKind.ESCALATION if notice.critical:
            yield f"The risk of this account is high, and {what} {wait} for a decision."
        case NoticeKind.ESCALATION:
            yield f"{what} {wait} for a decision, which nobody has made yet."
        case NoticeKind.EXPIRED:
            yield f"The deadline of {what} has passed: {due}."
            yield "What was not decided is not written."
            return
    later = "is put off to the next review" if request.terms.on_timeout == "defer" else "is dropped"
    yield f"The deadline is {due}. What nobody approved until then is not written and {later}."


def _changes(
    items: Sequence[Item], subject: Subject, to: Addressee, wording: Wording
) -> Iterator[str]:
    if not wording.personal_data:
        for action, count in _counts(items).items():
            yield f"  {count} {_NOUNS[action][count != 1]}"
        return
    words = wording.words(to, subject.people)
    for item in items:
        change = item.change
        told = written_on_one_line(words.change(change))
        yield f"  {told}"
        yield f"    Why: {written_on_one_line(words.prose(change.rationale))}"
        for label, _, after in words.differences(change) if change.action.creates else ():
            value = written_on_one_line(after or "")
            if value not in told:
                yield f"    {label}: {value}"


def _data(
    notice: Notice,
    request: ApprovalRequest,
    items: Sequence[Item],
    subject: Subject,
    account: str,
    to: Addressee,
    wording: Wording,
) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {
        "request_id": request.request_id,
        "review_id": request.review_id,
        "account_id": subject.account_id,
        "account_name": account,
        "level": notice.level,
        "deadline": rfc3339(request.deadline),
        "deadline_local": local_time(request.deadline, to.zone),
        "items": len(items),
        "actions": {action.value: count for action, count in _counts(items).items()},
        "command": _show(request),
        "url": _link(request, subject, wording),
    }
    decide = _decide_link(notice, request, to, wording)
    if decide is not None:
        found["decide_url"] = decide
    if wording.personal_data:
        found["changes"] = [
            {
                "item_id": item.item_id,
                "action": item.change.action.value,
                "title": item.change.title,
                "record": item.change.record.model_dump(mode="json"),
                "before": dict(item.change.before),
                "after": dict(item.change.after),
            }
            for item in items
        ]
    return found


def _digest_lines(
    digest: Digest, owner: str, to: Addressee, wording: Wording, links: Mapping[str, str]
) -> Iterator[str]:
    yield f"{owner}, {day_of(digest.day)}"
    yield ""
    yield digest.summary
    if digest.waiting:
        yield ""
        yield "What waits for you:"
    for one in digest.waiting[:_SHOWN_WAITING]:
        when = local_time(one.deadline, to.zone)
        late = "OVERDUE since" if one.overdue else "until"
        name = mask_personal_data(written_on_one_line(one.account_name))
        yield f"  {late} {when}: {name} ({counted(len(one.items), 'change')})"
        page = _page_of(one.request_id, wording)
        if one.request_id in links:
            yield f"    decide, once: {links[one.request_id]}"
        elif page is not None:
            yield f"    {page}"
        else:
            yield f"    reviews approvals show {one.request_id}"
    more = len(digest.waiting) - _SHOWN_WAITING
    if more > 0 and wording.web_url:
        yield f"  and {more} more"
    elif more > 0:
        yield f"  and {more} more: reviews approvals list --owner {shlex.quote(digest.owner_id)}"
    yield ""
    yield "All of it:"
    yield f"  {wording.web_url or _digest_command(digest)}"


def _digest_command(digest: Digest) -> str:
    return f"reviews digest --owner {shlex.quote(digest.owner_id)} --day {digest.day.isoformat()}"


def _account(subject: Subject, wording: Wording) -> str:
    """An account may be called like a person, or by an address: that much is said of it."""
    name = written_on_one_line(subject.name or subject.account_id)
    return name if wording.personal_data else mask_personal_data(name)


def _counts(items: Sequence[Item]) -> dict[Action, int]:
    found = Counter(item.change.action for item in items)
    return {action: found[action] for action in Action if found[action]}


def _show(request: ApprovalRequest) -> str:
    return f"reviews approvals show {request.request_id}"


def _decide_link(
    notice: Notice, request: ApprovalRequest, to: Addressee, wording: Wording
) -> str | None:
    """Where `to` decides as himself. Opening it decides nothing."""
    return None if notice.kind is NoticeKind.EXPIRED else decide_url(request, to, wording)


def decide_url(request: ApprovalRequest, to: Addressee, wording: Wording) -> str | None:
    """Where `to` decides on a request as himself; None where no link decides."""
    if not wording.web_url or wording.links is None:
        return None
    path = wording.links(request, to.recipient)
    return None if path is None else f"{wording.web_url.rstrip('/')}{path}"


def _link(request: ApprovalRequest, subject: Subject, wording: Wording) -> str | None:
    """The page that shows the request. Opening it decides nothing."""
    return _page_of(subject.short_id or request.request_id, wording)


def _page_of(request: str, wording: Wording) -> str | None:
    if not wording.web_url:
        return None
    return f"{wording.web_url.rstrip('/')}/requests/{quote(request, safe='')}"
