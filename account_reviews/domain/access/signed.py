"""What a signed decision binds: one decision of one person on exactly what he saw. Pure.

A token carries these claims. A decision may differ from them in nothing but its id, its time and,
where the token was made without one, its reason.
"""

from collections.abc import Mapping
from typing import Self

from account_reviews.domain.base import Model
from account_reviews.domain.canonical import content_hash
from account_reviews.domain.person_names import person
from account_reviews.domain.review.messages import RefusalCode, SubmitDecision


class Binding(Model):
    """One decision on one request, as both the signer and the review see it."""

    about: str
    """Hash of tenant, review, run and request."""
    decision: str
    by: str
    on_behalf_of: str | None = None
    only: str | None = None
    """Hash of the named items; None: the decision is about every undecided one."""
    items: str
    """Hash of what would be written: the content hashes of these items, or of all."""
    changes: str
    """Hash of an adjustment."""
    reason: str | None = None
    """Hash of the reason; a token without one leaves it open."""

    @classmethod
    def of(
        cls,
        decision: SubmitDecision,
        item_hashes: Mapping[str, str],
        *,
        tenant: str,
        review_id: str,
        run_id: str,
    ) -> Self:
        """`item_hashes` are those of every item of the request."""
        named = None if decision.item_ids is None else sorted(set(decision.item_ids))
        meant = item_hashes if named is None else {one: item_hashes.get(one) for one in named}
        return cls(
            about=content_hash([tenant, review_id, run_id, decision.request_id]),
            decision=decision.decision.value,
            by=person(decision.approver),
            on_behalf_of=person(decision.on_behalf_of) if decision.on_behalf_of else None,
            only=None if named is None else content_hash(named),
            items=content_hash(meant),
            changes=content_hash(decision.changes),
            reason=content_hash(decision.reason) if decision.reason else None,
        )


class Claims(Model):
    """What a token says."""

    binding: Binding
    expires: int
    """Second since 1970 from which on it is worth nothing."""
    unique: str
    """Makes it one of its kind, so that it counts once."""


class Mismatch(Model):
    """In what a decision differs from what was signed."""

    code: RefusalCode
    why: str


def mismatch(signed: Binding, said: Binding) -> Mismatch | None:
    """The first difference in words; None when the decision is what was signed."""
    if signed.about != said.about:
        return _bad("it was made for another request")
    if signed.by != said.by:
        return _bad(f"it was made for {signed.by}, not for {said.by}")
    if signed.decision != said.decision:
        return _bad(f"it was made to {signed.decision}, not to {said.decision}")
    if signed.on_behalf_of != said.on_behalf_of:
        return _bad("it was made for a decision on behalf of somebody else")
    if signed.only != said.only:
        return _bad("it was made for other items")
    if signed.changes != said.changes:
        return _bad("it was made for another adjustment")
    if signed.reason is not None and signed.reason != said.reason:
        return _bad("it was made with another reason")
    if signed.items != said.items:
        why = "the proposal changed since the token was made; look again and make a new one"
        return Mismatch(code=RefusalCode.STALE_HASH, why=why)
    return None


def _bad(what: str) -> Mismatch:
    return Mismatch(code=RefusalCode.BAD_TOKEN, why=f"the token does not fit: {what}")
