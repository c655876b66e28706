"""The approval book of one review: requests, items, decisions. Pure; the first valid decision wins.

A request holds items; each item is one exact write. `ApprovalRequest.decide` returns the request
after a decision and the answer, or a Refusal that changes nothing but is recorded by the caller.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.canonical import content_hash, rfc3339
from account_reviews.domain.characters import is_blank
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.review import ballots
from account_reviews.domain.review.bounds import bytes_of, person, size_of
from account_reviews.domain.review.deliveries import KEPT_DELIVERIES, Delivery
from account_reviews.domain.review.items import (
    Item,
    RequestState,
    adjust,
    closed_state,
    decided_sentence,
    refuse,
)
from account_reviews.domain.review.messages import (
    ItemAnswer,
    Refusal,
    RefusalCode,
    SubmitDecision,
    Verdict,
)
from account_reviews.domain.review.quorum import Rules, can_still_pass
from account_reviews.domain.review.rendering import rendering, shown_hash
from account_reviews.domain.review.routing import Required, route, rules_of
from account_reviews.domain.review.terms import Terms

__all__ = [
    "ApprovalRequest", "Decided", "Delegation", "Item", "RecordedDecision", "RequestState",
    "Required", "Terms", "open_request", "said_bytes",
]  # fmt: skip


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
    hash: str | None = None
    """`ApprovalRequest.hash` as it was decided on, before an adjustment of this decision."""


class Delegation(Model):
    """Somebody hands his seat in one request to somebody else."""

    of: str
    to: str
    at: Timestamp
    reason: str | None = None


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
    owners: tuple[str, ...] = ()
    """Of the account."""
    needs: Required | None = None
    """Resolved as it was opened; None in requests from before logic 3."""
    delegations: tuple[Delegation, ...] = ()
    items: tuple[Item, ...]
    decisions: tuple[RecordedDecision, ...] = ()
    state: RequestState = RequestState.PENDING
    closed_at: Timestamp | None = None
    refusals: int = 0
    escalation_level: int = 0
    """How far up it has been escalated; 0 before there were levels."""
    first_level: int = 0
    """Where it began, by the risk."""
    is_critical: bool = False
    """The risk was as high as to escalate it at once."""
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
    def rendering(self) -> dict[str, Any]:
        """What a person is shown of it to decide on."""
        return rendering(
            request_id=self.request_id,
            review_id=self.review_id,
            account_id=self.account_id,
            deadline=self.deadline,
            items=self.items,
        )

    @property
    def shown_hash(self) -> str:
        """Of the rendering; a decision that carries another is stale."""
        return shown_hash(self.rendering)

    @property
    def required(self) -> Required:
        if self.needs is not None:
            return self.needs
        needed = {"any": 1, "all": max(1, len(self.approvers)), "n_of_m": self.terms.n}
        n = needed[self.terms.requirement]
        return Required(requirement=self.terms.requirement, n=n, of=self.approvers)

    @property
    def needed(self) -> str:
        """What it takes, as a sentence: "needs 2 of Ann, Ben; and one of compliance (Dora)"."""
        return ballots.needed(self.required, [item.groups for item in self.items if item.is_open])

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Open items that the people there are could not approve at all."""
        if self.needs is None:
            return ()
        return tuple(
            item.item_id
            for item in self.items
            if item.is_open and not can_still_pass(self.rules(item), item.votes)
        )

    def rules(self, item: Item) -> Rules:
        """What decides this item."""
        return rules_of(
            self.terms,
            self.required,
            item.change,
            item.groups,
            started_by=self.started_by,
            delegations=[(one.of, one.to) for one in self.delegations],
        )

    def decide(
        self, message: SubmitDecision, now: Timestamp, *, logic: int = 1, verified: bool = False
    ) -> Decided | Refusal:
        """Apply one decision, `verified` by its token. A Refusal leaves every item as it was.

        By `logic` 2 its timer expires the request, and until then what was decided in time counts,
        also when `now` is late because no worker was there; and two spellings are one person. By 3
        each approver has one vote on the same content, see `quorum`. `verified`: it was signed.
        """
        decided_at = (message.decided_at or self.requested_at) if logic >= 2 else now
        targets = self._targets(message, decided_at)
        if isinstance(targets, Refusal):
            return targets
        refusal = self._check(message, targets, logic)
        if refusal is not None:
            return refusal
        answers: list[ItemAnswer] = []
        changed: dict[str, Item] = {}
        for item in targets:
            result = self._decide_item(item, message, now, logic)
            if isinstance(result, Refusal):
                answers.append(_answer(item, applied=False, message=result.message))
                first_refusal = result
                continue
            changed[item.item_id] = result
            answers.append(_answer(result, applied=True, message=self._remark(result)))
        if not changed:
            return first_refusal
        record = RecordedDecision(
            by=message.approver,
            decision=message.decision,
            at=now,
            reason=message.reason,
            verified=verified,
            item_ids=tuple(changed),
            decision_id=message.decision_id,
            on_behalf_of=message.on_behalf_of if logic >= 3 else None,
            shown_hash=message.shown_hash if logic >= 3 else None,
            hash=self.hash if logic >= 3 else None,
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
            return refuse(RefusalCode.REQUEST_CLOSED, self._closed_sentence())
        if decided_at >= self.deadline:
            return refuse(RefusalCode.EXPIRED, f"the request expired at {rfc3339(self.deadline)}")
        if message.item_ids is None:
            return tuple(item for item in self.items if item.is_open)
        known = {item.item_id: item for item in self.items}
        for item_id in message.item_ids:
            if item_id not in known:
                return refuse(RefusalCode.UNKNOWN_ITEM, f"the request has no item {item_id!r}")
        if not message.item_ids:
            return refuse(RefusalCode.UNKNOWN_ITEM, "item_ids is empty")
        return tuple(known[item_id] for item_id in dict.fromkeys(message.item_ids))

    def _check(
        self, message: SubmitDecision, targets: tuple[Item, ...], logic: int
    ) -> Refusal | None:
        verdict = message.decision
        who: Callable[[str], str] = person if logic >= 2 else str
        reason = message.reason or ""
        reasonless = is_blank(reason) if logic >= 3 else not reason.strip()
        if verdict is Verdict.REJECT and self.terms.reason_required_on_reject and reasonless:
            return refuse(RefusalCode.REASON_REQUIRED, "a rejection needs a reason")
        if self.terms.four_eyes == "always" and who(message.approver) == who(self.started_by or ""):
            return refuse(
                RefusalCode.NOT_ALLOWED,
                f"{message.approver} started this review and may not decide on it",
            )
        if self._is_stale(message, targets, logic):
            return refuse(
                RefusalCode.STALE_HASH, "the proposal changed since it was shown; look again"
            )
        if verdict is Verdict.ADJUST and len(targets) != 1:
            return refuse(RefusalCode.BAD_ADJUSTMENT, "an adjustment is about exactly one item")
        if verdict is Verdict.ADJUST and not message.changes:
            return refuse(RefusalCode.BAD_ADJUSTMENT, "an adjustment needs at least one change")
        if verdict is not Verdict.ADJUST and message.changes:
            return refuse(RefusalCode.BAD_ADJUSTMENT, "changes are allowed with adjust only")
        return None

    def _is_stale(self, message: SubmitDecision, targets: tuple[Item, ...], logic: int) -> bool:
        shown = {self.hash} | ({targets[0].change.hash} if len(targets) == 1 else set())
        if message.proposal_hash is not None and message.proposal_hash not in shown:
            return True
        rendered = message.shown_hash if logic >= 3 else None
        return rendered is not None and rendered != self.shown_hash

    def _decide_item(
        self, item: Item, message: SubmitDecision, now: Timestamp, logic: int
    ) -> Item | Refusal:
        if self.needs is not None and logic >= 3:
            return ballots.vote(item, self.rules(item), message, now)
        who: Callable[[str], str] = person if logic >= 2 else str
        if not item.is_open:
            return refuse(RefusalCode.ALREADY_DECIDED, decided_sentence(item))
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
                adjusted = adjust(item, message.changes, complete=logic >= 2)
                if isinstance(adjusted, Refusal):
                    return adjusted
                return self._approve(adjusted, message.approver, decided)
            case Verdict.APPROVE:
                if who(message.approver) in map(who, item.approvals):
                    return refuse(
                        RefusalCode.DUPLICATE, f"{message.approver} approved this item already"
                    )
                return self._approve(item, message.approver, decided)

    def _remark(self, item: Item) -> str | None:
        if self.needs is None:
            return None
        return ballots.remark(item, self.rules(item), self.needs)

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
            update |= {"state": closed_state(items), "closed_at": now}
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
    risk_score: int | None = None,
    logic: int = 1,
) -> ApprovalRequest:
    """A pending request for exact writes. Actions in `terms.auto` are approved by the policy.

    `approvers` are the owners of the account; from logic 3 on the terms say who else is asked.
    """
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
    if logic >= 3:
        request = _routed(request, changes, risk_score)
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


def _routed(
    request: ApprovalRequest, changes: tuple[ProposedChange, ...], risk_score: int | None
) -> ApprovalRequest:
    owners = request.approvers
    terms = _with_own_spellings(request, changes)
    routed = route(terms, changes, owners=owners, started_by=request.started_by)
    level = terms.escalation.level_at(risk_score)
    items = tuple(
        item.model_copy(update={"groups": groups})
        for item, groups in zip(request.items, routed.groups, strict=True)
    )
    return request.model_copy(
        update={
            "terms": terms,
            "owners": owners,
            "approvers": routed.approvers,
            "needs": routed.required,
            "items": items,
            "first_level": level,
            "escalation_level": level,
            "is_critical": terms.escalation.is_critical(risk_score),
        }
    )


def _with_own_spellings(request: ApprovalRequest, changes: tuple[ProposedChange, ...]) -> Terms:
    """A request needs no other spellings than of people it knows of."""
    terms = request.terms
    known = {request.started_by or "", *request.approvers}
    known |= {one.author or "" for one in changes}
    known |= {one for members in terms.groups.values() for one in members}
    known |= {one for name, hands in terms.delegates.items() for one in (name, *hands)}
    keys = {person(one) for one in known}
    own = {spelled: name for spelled, name in terms.spellings.items() if spelled in keys}
    return terms.model_copy(update={"spellings": own})


def said_bytes(request: ApprovalRequest) -> int:
    """How much of the state holds what people said of a request."""
    return bytes_of(request.decisions) + sum(
        size_of(item.reason, item.decided_by, item.approvals)
        + bytes_of(item.votes)
        + (size_of(item.change.after) if item.original is not None else 0)
        for item in request.items
    )


def _answer(item: Item, *, applied: bool, message: str | None = None) -> ItemAnswer:
    return ItemAnswer(item_id=item.item_id, state=item.state, applied=applied, message=message)
