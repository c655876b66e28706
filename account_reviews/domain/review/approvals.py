"""The approval book of one review: requests, items, decisions. Pure; the first valid decision wins.

A request holds items; each item is one exact write. `ApprovalRequest.decide` returns the request
after a decision and the answer, or a Refusal that changes nothing but is recorded by the caller.
"""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.canonical import content_hash, rfc3339
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.fields import check_fields, missing_field
from account_reviews.domain.proposals import ItemState, ProposedChange, proposal_hash
from account_reviews.domain.review.bounds import bytes_of, person, size_of
from account_reviews.domain.review.deliveries import KEPT_DELIVERIES, Delivery
from account_reviews.domain.review.messages import (
    ItemAnswer,
    Refusal,
    RefusalCode,
    SubmitDecision,
    Verdict,
)


class RequestState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    MIXED = "mixed"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class Terms(Model):
    """The rules under which a request is decided, fixed when it is opened."""

    timeout_seconds: float = 72 * 3600
    requirement: Literal["any", "all", "n_of_m"] = "any"
    n: int = 1
    four_eyes: Literal["authored", "always", "off"] = "authored"
    reason_required_on_reject: bool = True
    max_conflict_rounds: int = 3
    auto: tuple[str, ...] = ()
    """Actions that need nobody."""
    max_errors: int = 3
    """A review with this many errors is not resumable without a look."""
    reminder_seconds: float | None = None
    """From opening to the one reminder; None: never."""
    escalate_seconds: float | None = None
    """From opening to the first escalation by silence, and from level to level; None: never."""
    on_timeout: Literal["reject", "defer"] = "reject"
    checked: bool = False
    """Each decision is checked by an activity before it is applied: by its token, by roles."""
    channels: tuple[str, ...] = ()
    """By which channels people are notified; none: nobody is."""


class Required(Model):
    """What it takes to approve an item: `n` distinct approvers."""

    requirement: str
    n: int


class Item(Model):
    """One write and what people said of it. `change` is what will be written."""

    item_id: str
    change: ProposedChange
    original: ProposedChange | None = None
    """The proposal before an adjustment."""
    state: ItemState = ItemState.PROPOSED
    approvals: tuple[str, ...] = ()
    """Who approved the present content."""
    decided_by: str | None = None
    decided_at: Timestamp | None = None
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state is ItemState.PROPOSED

    @property
    def is_approved(self) -> bool:
        return self.state in (ItemState.APPROVED, ItemState.ADJUSTED)


class RecordedDecision(Model):
    by: str
    decision: str
    at: Timestamp
    reason: str | None = None
    verified: bool = False
    item_ids: tuple[str, ...] = ()
    decision_id: str | None = None
    on_behalf_of: str | None = None
    """Whose delegate `by` is."""
    shown_hash: str | None = None
    """Of the rendered request that the person saw, as far as the message said."""


class Decided(Model):
    request: "ApprovalRequest"
    answers: tuple[ItemAnswer, ...]


class ApprovalRequest(Model):
    request_id: str
    review_id: str
    account_id: str
    requested_at: Timestamp
    deadline: Timestamp
    terms: Terms
    approvers: tuple[str, ...] = ()
    started_by: str | None = None
    items: tuple[Item, ...]
    decisions: tuple[RecordedDecision, ...] = ()
    state: RequestState = RequestState.PENDING
    closed_at: Timestamp | None = None
    refusals: int = 0
    escalation_level: int = 0
    """How far up it has been escalated; 0 before there were levels."""
    reminded_at: Timestamp | None = None
    notifications: tuple[Delivery, ...] = ()
    """Who was notified of it, and who could not be; the newest."""

    @property
    def is_pending(self) -> bool:
        return self.state is RequestState.PENDING

    @property
    def hash(self) -> str:
        """Covers all that is shown: the hashes of the items as they are now."""
        return content_hash([item.change.hash for item in self.items])

    @property
    def required(self) -> Required:
        needed = {"any": 1, "all": max(1, len(self.approvers)), "n_of_m": self.terms.n}
        return Required(requirement=self.terms.requirement, n=needed[self.terms.requirement])

    def decide(
        self, message: SubmitDecision, now: Timestamp, *, logic: int = 1
    ) -> Decided | Refusal:
        """Apply one decision. A Refusal leaves every item as it was.

        By `logic` 2 its timer expires the request, and until then what was decided in time counts,
        also when `now` is late because no worker was there; and two spellings are one person.
        """
        new = logic >= 2
        decided_at = (message.decided_at or self.requested_at) if new else now
        targets = self._targets(message, decided_at)
        if isinstance(targets, Refusal):
            return targets
        refusal = self._check(message, targets, person if new else str)
        if refusal is not None:
            return refusal
        answers: list[ItemAnswer] = []
        changed: dict[str, Item] = {}
        for item in targets:
            result = self._decide_item(item, message, now, person if new else str)
            if isinstance(result, Refusal):
                answers.append(_answer(item, applied=False, message=result.message))
                first_refusal = result
                continue
            changed[item.item_id] = result
            answers.append(_answer(result, applied=True))
        if not changed:
            return first_refusal
        record = RecordedDecision(
            by=message.approver,
            decision=message.decision,
            at=now,
            reason=message.reason,
            item_ids=tuple(changed),
            decision_id=message.decision_id,
        )
        return Decided(request=self._with_items(changed, now, record), answers=tuple(answers))

    def expire(self, now: Timestamp) -> "ApprovalRequest":
        """Close what nobody decided before the deadline. Never approves."""
        if not self.is_pending or now < self.deadline:
            return self
        return self.expired(now)

    def expired(self, now: Timestamp) -> "ApprovalRequest":
        """Close what nobody decided; whoever calls it knows that the deadline has passed."""
        return self.close_open_items(ItemState.EXPIRED, now, "the deadline passed")

    def close_open_items(
        self, state: ItemState, now: Timestamp, reason: str, *, as_state: RequestState | None = None
    ) -> "ApprovalRequest":
        """Give every undecided item `state`, and close the request."""
        changed = {
            item.item_id: item.model_copy(
                update={"state": state, "decided_at": now, "reason": reason}
            )
            for item in self.items
            if item.is_open
        }
        closed = self._with_items(changed, now, None)
        if as_state is not None and self.is_pending:
            return closed.model_copy(update={"state": as_state, "closed_at": now})
        return closed

    def supersede(self, item_ids: frozenset[str], now: Timestamp, reason: str) -> "ApprovalRequest":
        """Close these items: what they would write is no longer what is proposed."""
        changed = {
            item.item_id: item.model_copy(
                update={"state": ItemState.SUPERSEDED, "decided_at": now, "reason": reason}
            )
            for item in self.items
            if item.item_id in item_ids
        }
        return self._with_items(changed, now, None)

    def mark(self, item_id: str, state: ItemState, reason: str | None = None) -> "ApprovalRequest":
        """Record what became of a decided item: executed, failed, skipped or superseded."""
        items = tuple(
            item.model_copy(update={"state": state, "reason": reason or item.reason})
            if item.item_id == item_id
            else item
            for item in self.items
        )
        request = self.model_copy(update={"items": items})
        if all(item.state is ItemState.SUPERSEDED for item in items):
            return request.model_copy(update={"state": RequestState.SUPERSEDED})
        return request

    def with_delivery(self, delivery: Delivery) -> "ApprovalRequest":
        """With one more delivery; the oldest make room."""
        kept = (*self.notifications, delivery)[-KEPT_DELIVERIES:]
        return self.model_copy(update={"notifications": kept})

    def _targets(
        self, message: SubmitDecision, decided_at: Timestamp
    ) -> tuple[Item, ...] | Refusal:
        if not self.is_pending:
            return _refuse(RefusalCode.REQUEST_CLOSED, self._closed_sentence())
        if decided_at >= self.deadline:
            return _refuse(RefusalCode.EXPIRED, f"the request expired at {rfc3339(self.deadline)}")
        if message.item_ids is None:
            return tuple(item for item in self.items if item.is_open)
        known = {item.item_id: item for item in self.items}
        for item_id in message.item_ids:
            if item_id not in known:
                return _refuse(RefusalCode.UNKNOWN_ITEM, f"the request has no item {item_id!r}")
        if not message.item_ids:
            return _refuse(RefusalCode.UNKNOWN_ITEM, "item_ids is empty")
        return tuple(known[item_id] for item_id in dict.fromkeys(message.item_ids))

    def _check(
        self, message: SubmitDecision, targets: tuple[Item, ...], who: Callable[[str], str]
    ) -> Refusal | None:
        verdict = message.decision
        reasonless = not (message.reason or "").strip()
        if verdict is Verdict.REJECT and self.terms.reason_required_on_reject and reasonless:
            return _refuse(RefusalCode.REASON_REQUIRED, "a rejection needs a reason")
        if self.terms.four_eyes == "always" and who(message.approver) == who(self.started_by or ""):
            return _refuse(
                RefusalCode.NOT_ALLOWED,
                f"{message.approver} started this review and may not decide on it",
            )
        if message.proposal_hash is not None:
            shown = {self.hash} | ({targets[0].change.hash} if len(targets) == 1 else set())
            if message.proposal_hash not in shown:
                return _refuse(
                    RefusalCode.STALE_HASH, "the proposal changed since it was shown; look again"
                )
        if verdict is Verdict.ADJUST and len(targets) != 1:
            return _refuse(RefusalCode.BAD_ADJUSTMENT, "an adjustment is about exactly one item")
        if verdict is Verdict.ADJUST and not message.changes:
            return _refuse(RefusalCode.BAD_ADJUSTMENT, "an adjustment needs at least one change")
        if verdict is not Verdict.ADJUST and message.changes:
            return _refuse(RefusalCode.BAD_ADJUSTMENT, "changes are allowed with adjust only")
        return None

    def _decide_item(
        self, item: Item, message: SubmitDecision, now: Timestamp, who: Callable[[str], str]
    ) -> Item | Refusal:
        if not item.is_open:
            return _refuse(RefusalCode.ALREADY_DECIDED, _decided_sentence(item))
        decided: dict[str, object] = {
            "decided_by": message.approver,
            "decided_at": now,
            "reason": message.reason,
        }
        match message.decision:
            case Verdict.REJECT:
                return item.model_copy(update={**decided, "state": ItemState.REJECTED})
            case Verdict.DEFER:
                return item.model_copy(update={**decided, "state": ItemState.DEFERRED})
            case Verdict.ADJUST:
                adjusted = _adjust(item, message.changes, complete=who is person)
                if isinstance(adjusted, Refusal):
                    return adjusted
                return self._approve(adjusted, message.approver, decided)
            case Verdict.APPROVE:
                if who(message.approver) in map(who, item.approvals):
                    return _refuse(
                        RefusalCode.DUPLICATE, f"{message.approver} approved this item already"
                    )
                return self._approve(item, message.approver, decided)

    def _approve(self, item: Item, approver: str, decided: dict[str, object]) -> Item:
        approvals = (*item.approvals, approver)
        update: dict[str, object] = {"approvals": approvals}
        if len(approvals) >= self.required.n:
            state = ItemState.APPROVED if item.original is None else ItemState.ADJUSTED
            update |= {**decided, "state": state}
        return item.model_copy(update=update)

    def _with_items(
        self, changed: dict[str, Item], now: Timestamp, record: RecordedDecision | None
    ) -> "ApprovalRequest":
        items = tuple(changed.get(item.item_id, item) for item in self.items)
        update: dict[str, object] = {"items": items}
        if record is not None:
            update["decisions"] = (*self.decisions, record)
        if self.is_pending and not any(item.is_open for item in items):
            update |= {"state": _closed_state(items), "closed_at": now}
        return self.model_copy(update=update)

    def _closed_sentence(self) -> str:
        last = self.decisions[-1] if self.decisions else None
        by = f" by {last.by}" if last is not None and self.state is not RequestState.EXPIRED else ""
        at = f" at {rfc3339(self.closed_at)}" if self.closed_at else ""
        return f"the request is already {self.state}{by}{at}"


def open_request(
    request_id: str,
    review_id: str,
    changes: tuple[ProposedChange, ...],
    terms: Terms,
    now: Timestamp,
    *,
    approvers: tuple[str, ...],
    started_by: str | None,
    deadline: Timestamp | None = None,
) -> ApprovalRequest:
    """A pending request for exact writes. Actions in `terms.auto` are approved by the policy."""
    request = ApprovalRequest(
        request_id=request_id,
        review_id=review_id,
        account_id=changes[0].account_id,
        requested_at=now,
        deadline=deadline or now + timedelta(seconds=terms.timeout_seconds),
        terms=terms,
        approvers=approvers,
        started_by=started_by,
        items=tuple(Item(item_id=change.change_id, change=change) for change in changes),
    )
    auto = {
        item.item_id: item.model_copy(
            update={"state": ItemState.APPROVED, "decided_by": "policy", "decided_at": now}
        )
        for item in request.items
        if item.change.action in terms.auto
    }
    if not auto:
        return request
    record = RecordedDecision(
        by="policy", decision=Verdict.APPROVE, at=now, verified=True, item_ids=tuple(auto)
    )
    return request._with_items(auto, now, record)  # noqa: SLF001  its own module


def said_bytes(request: ApprovalRequest) -> int:
    """How much of the state holds what people said of a request."""
    return bytes_of(request.decisions) + sum(
        size_of(item.reason, item.decided_by, item.approvals)
        + (size_of(item.change.after) if item.original is not None else 0)
        for item in request.items
    )


def _adjust(item: Item, changes: dict[str, Scalar], *, complete: bool) -> Item | Refusal:
    change = item.change
    unknown = sorted(set(changes) - set(change.after))
    if unknown and not change.action.creates:
        fields = ", ".join(change.after)
        return _refuse(
            RefusalCode.BAD_ADJUSTMENT, f"{unknown[0]} is not part of this change ({fields})"
        )
    try:
        after = {**change.after, **check_fields(change.action, changes)}
    except BadInputError as error:
        return _refuse(RefusalCode.BAD_ADJUSTMENT, error.message)
    missing = missing_field(change.action, after) if complete else None
    if missing is not None:
        return _refuse(RefusalCode.BAD_ADJUSTMENT, f"{change.action} needs a value for {missing}")
    if after == change.after:
        return _refuse(RefusalCode.BAD_ADJUSTMENT, "the adjustment changes nothing")
    chosen = {"due_in_seconds": None} if "due_at" in changes else {}
    adjusted = change.model_copy(
        update={
            **chosen,
            "after": after,
            "hash": proposal_hash(change.action, change.record, change.before, after),
        }
    )
    return item.model_copy(
        update={"change": adjusted, "original": item.original or change, "approvals": ()}
    )


def _closed_state(items: tuple[Item, ...]) -> RequestState:
    states = {_decided_state(item) for item in items}
    if states == {ItemState.APPROVED}:
        return RequestState.APPROVED
    if len(states) == 1:
        only = states.pop()
        return {
            ItemState.REJECTED: RequestState.REJECTED,
            ItemState.DEFERRED: RequestState.DEFERRED,
            ItemState.EXPIRED: RequestState.EXPIRED,
            ItemState.SUPERSEDED: RequestState.SUPERSEDED,
            ItemState.SKIPPED: RequestState.CANCELLED,
        }.get(only, RequestState.MIXED)
    return RequestState.MIXED


_AFTER_APPROVAL = (ItemState.APPROVED, ItemState.ADJUSTED, ItemState.EXECUTED, ItemState.FAILED)


def _decided_state(item: Item) -> ItemState:
    """An executed or failed item was approved."""
    return ItemState.APPROVED if item.state in _AFTER_APPROVAL else item.state


def _decided_sentence(item: Item) -> str:
    by = f" by {item.decided_by}" if item.decided_by else ""
    at = f" at {rfc3339(item.decided_at)}" if item.decided_at else ""
    return f"item {item.item_id} is already {item.state}{by}{at}"


def _answer(item: Item, *, applied: bool, message: str | None = None) -> ItemAnswer:
    return ItemAnswer(item_id=item.item_id, state=item.state, applied=applied, message=message)


def _refuse(code: RefusalCode, message: str) -> Refusal:
    return Refusal(code=code, message=message)
