"""Whether somebody may say what he says: asked by reviews, and before them by our own commands."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from account_reviews.access.keys import NAME, ApprovalKeys
from account_reviews.access.policy_file import PolicyFile
from account_reviews.domain.access.links import LinkClaims
from account_reviews.domain.access.lists import removed
from account_reviews.domain.access.people import Known, with_people
from account_reviews.domain.access.roles import (
    Permission,
    Subject,
    Verb,
    permission,
    permission_for_other,
)
from account_reviews.domain.access.signed import Binding, Claims, mismatch
from account_reviews.domain.errors import BadInputError, ReviewsError
from account_reviews.domain.policy.access import Access
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.asked_groups import is_empty_group
from account_reviews.domain.review.checks import Checked, CheckSaid
from account_reviews.domain.review.messages import Refusal, RefusalCode, SubmitDecision
from account_reviews.domain.review.nonces import is_full, nonce_of
from account_reviews.domain.review.policy_terms import spellings_of, terms_of
from account_reviews.domain.review.terms import Terms

_log: Final = logging.getLogger("account_reviews.access")
_MAKE: Final = "make one with `reviews approvals token`"


class Guard:
    """Knows the policy as it is now, and the keys."""

    def __init__(self, policy: PolicyFile, keys: ApprovalKeys | None) -> None:
        self._policy = policy
        self._keys = keys

    def ensure_keys(self) -> None:
        """BadInputError when decisions must be signed and no key is there to check them."""
        if self._keys is None and self.requires_signed:
            raise BadInputError(
                "approvals.require_signed is true, but there are no keys to check decisions with",
                hint=f"set {NAME} or {NAME}_FILE, or turn it off in the policy",
            )

    @property
    def requires_signed(self) -> bool:
        """Whether decisions need a token now. PolicyError when the policy cannot be read."""
        return self._policy.current().approvals.require_signed

    @property
    def lets_batch(self) -> bool:
        """Whether one form may decide on several requests now. PolicyError likewise."""
        return self._policy.current().approvals.batch

    @property
    def groups(self) -> Mapping[str, Sequence[str]]:
        """Who is in which group now. PolicyError likewise."""
        return self._policy.current().approvals.groups

    @property
    def delegates(self) -> Mapping[str, Sequence[str]]:
        """Who may decide for whom now. PolicyError likewise."""
        return self._policy.current().approvals.delegates

    def spellings(self) -> dict[str, str]:
        """`Terms.spellings` now. PolicyError when the policy cannot be read."""
        return spellings_of(self._policy.current())

    def access(self) -> Access:
        """The policy's users and groups now. PolicyError when the policy cannot be read."""
        return self._policy.current().access

    def unknown(self, *names: str | None) -> list[str]:
        """Those of these whom the policy, which has users, does not name: the table of people may.
        Empty where the policy has no users."""
        access = self.access()
        if access.users is None:
            return []
        return [name for name in names if name and access.user(name) is None]

    def permission_to_decide(
        self, decision: SubmitDecision, subject: Subject, people: Sequence[Known] = ()
    ) -> Permission:
        """The same for a decision, also of somebody's delegate."""
        return _may_decide(with_people(self.access(), people), decision, subject)

    def permission(
        self,
        verb: str,
        by: str,
        subject: Subject | None = None,
        people: Sequence[Known] = (),
    ) -> Permission:
        """Whether `by` may do `verb` now. `people`: those of the table of people who are asked
        about. PolicyError when the policy cannot be read."""
        return permission(with_people(self.access(), people), verb, by, subject)

    def terms(self, otherwise: Policy) -> Terms:
        """The rules of a request that is opened now: of the file as it is, not as it was when the
        worker began. While it cannot be read they are those of `otherwise`, and every decision is
        checked, which refuses it until the file is mended."""
        try:
            return terms_of(self._policy.current())
        except ReviewsError as error:
            _log.warning("requests are opened by the policy of before: %s", error.message)
            return terms_of(otherwise).model_copy(update={"checked": True})

    def sign(self, binding: Binding, expires: int, unique: str) -> str:
        """A token of one decision, by the first key. BadInputError when there is none."""
        from account_reviews.access.tokens import sign

        if self._keys is None:
            raise BadInputError(
                "there is no key to sign with",
                hint=f"set {NAME} or {NAME}_FILE, as its workers have",
            )
        return sign(Claims(binding=binding, expires=expires, unique=unique), self._keys)

    def link_path(self, request: ApprovalRequest, by: str) -> str | None:
        """The path at which `by` decides on a request as it is now; None where there are no keys,
        the policy has no such links, or cannot be read."""
        from account_reviews.access.links import sign_link

        try:
            if self._keys is None or not self.lets_decide(by):
                return None
        except ReviewsError:
            return None
        claims = LinkClaims(
            request_id=request.request_id,
            shown_hash=request.shown_hash,
            by=by,
            expires=int(request.deadline.timestamp()),
        )
        return f"/l/{sign_link(claims, self._keys)}"

    def read_link(self, token: str) -> LinkClaims | None:
        """What a link of ours says; None for any other text."""
        from account_reviews.access.links import read_link
        from account_reviews.access.tokens import BadTokenError

        try:
            return read_link(token, self._keys) if self._keys else None
        except BadTokenError:
            return None

    def lets_decide(self, by: str) -> bool:
        """Whether a link decides now as `by`: as the policy has it, and never as a group, which
        would hide who it was. PolicyError when it cannot be read."""
        policy = self._policy.current()
        links, signed = policy.approvals.links, policy.approvals.require_signed
        allowed = links == "always" or (links == "unless_signed" and not signed)
        return allowed and not is_empty_group(policy, by)

    def check(self, call: CheckSaid, people: Sequence[Known] = ()) -> Checked:
        """The answer for a review. It never raises: what cannot be checked is refused."""
        try:
            return self._checked(call, people)
        except ReviewsError as error:
            return _refused(RefusalCode.NOT_ALLOWED, f"it cannot be checked now: {error.message}")
        except Exception as error:  # noqa: BLE001  a review would wait for it for ever
            _log.exception("what was said to %s cannot be checked", call.review_id)
            why = f"it cannot be checked: {type(error).__name__}; see the log of the worker"
            return _refused(RefusalCode.NOT_ALLOWED, why)

    def _checked(self, call: CheckSaid, people: Sequence[Known]) -> Checked:
        policy = self._policy.current()
        access = with_people(policy.access, people)
        about = Subject(
            owner_id=call.owner_id, owner_name=call.owner_name, started_by=call.started_by
        )
        if call.decision is None:
            may = permission(access, call.verb, call.by, about)
        else:
            may = _may_decide(access, call.decision, about)
        known = Checked(allowed=True, roles=may.roles, person=may.person)
        if not may.allowed:
            deciding = call.verb == Verb.DECIDE
            code = RefusalCode.NOT_AN_APPROVER if deciding else RefusalCode.NOT_ALLOWED
            return _refused(code, may.why or "not allowed", known)
        if call.decision is None:
            return known
        gone = removed(policy, call, call.decision)
        if gone is not None:
            return _refused(RefusalCode.NOT_AN_APPROVER, gone, known)
        return self._signed(call, call.decision, known, required=policy.approvals.require_signed)

    def _signed(
        self, call: CheckSaid, decision: SubmitDecision, known: Checked, *, required: bool
    ) -> Checked:
        """A token is checked where there are keys, also while none is required."""
        if decision.token is None:
            if not required:
                return known
            why = f"decisions must be signed, and this one has no token; {_MAKE}"
            return _refused(RefusalCode.BAD_TOKEN, why, known)
        if self._keys is None:
            if not required:
                return known
            why = "the token cannot be checked: the worker has no REVIEWS_APPROVAL_KEYS"
            return _refused(RefusalCode.BAD_TOKEN, why, known)
        return _verified(call, decision, known, self._keys)


def _may_decide(access: Access, decision: SubmitDecision, about: Subject) -> Permission:
    by, other = decision.approver, decision.on_behalf_of
    if other is None:
        return permission(access, Verb.DECIDE, by, about)
    return permission_for_other(access, by, other, about)


def _verified(
    call: CheckSaid, decision: SubmitDecision, known: Checked, keys: ApprovalKeys
) -> Checked:
    from account_reviews.access.tokens import BadTokenError, read

    try:
        claims = read(decision.token or "", keys)
    except BadTokenError as error:
        return _refused(RefusalCode.BAD_TOKEN, f"the token is not valid: {error}", known)
    said = Binding.of(
        decision,
        call.item_hashes,
        tenant=call.tenant,
        review_id=call.review_id,
        run_id=call.run_id,
    )
    wrong = mismatch(claims.binding, said)
    if wrong is not None:
        return _refused(wrong.code, wrong.why, known)
    nonce = nonce_of(claims.expires, claims.unique)
    if nonce in call.used_nonces:
        return _refused(RefusalCode.TOKEN_USED, "the token was used already", known)
    if call.now.timestamp() >= claims.expires:
        return _refused(RefusalCode.TOKEN_EXPIRED, f"the token has expired; {_MAKE}", known)
    if is_full(call.used_nonces, call.now):
        why = "this review has taken as many signed decisions as it can"
        return _refused(RefusalCode.NOT_ALLOWED, why, known)
    return known.model_copy(update={"verified": True, "nonce": nonce})


def _refused(code: RefusalCode, why: str, known: Checked | None = None) -> Checked:
    answer = known or Checked(allowed=False)
    refusal = Refusal(code=code, message=why)
    return answer.model_copy(update={"allowed": False, "refusal": refusal})
