"""Signed decisions for tests: keys, tokens, and whoever checks them."""

from datetime import UTC, datetime
from typing import Any

from account_reviews.access.guard import Guard
from account_reviews.access.keys import ApprovalKeys, parse_keys
from account_reviews.access.policy_file import PolicyFile
from account_reviews.access.tokens import sign
from account_reviews.domain.access.signed import Binding, Claims
from account_reviews.domain.policy.model import Policy, parse_policy
from account_reviews.domain.review.checks import Checked, CheckSaid
from account_reviews.domain.review.messages import RefusalCode, SubmitDecision

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
HOUR = int(NOW.timestamp()) + 3600
OLD, NEW = "old:" + "o" * 24, "new:" + "n" * 24
HASHES = {"a": "1" * 64, "b": "2" * 64}


def keys(text: str = NEW) -> ApprovalKeys:
    found = parse_keys(text)
    assert found is not None
    return found


def guard(policy: str = "[approvals]\nrequire_signed = true", keyed: str | None = NEW) -> Guard:
    def load() -> Policy:
        return parse_policy(policy)

    return Guard(PolicyFile(None, load), parse_keys(keyed))


def decision(**fields: Any) -> SubmitDecision:
    given = {"request_id": "r-1", "decision": "approve", "approver": "Ann Lee", **fields}
    return SubmitDecision.model_validate(given)


def said(message: SubmitDecision, **fields: Any) -> CheckSaid:
    return CheckSaid(
        **{
            "tenant": "default",
            "review_id": "review/acc",
            "run_id": "run-1",
            "started_by": "cycle",
            "verb": "decide",
            "by": message.approver,
            "request_id": message.request_id,
            "decision": message,
            "item_hashes": HASHES,
            "now": NOW,
            **fields,
        }
    )


def token(
    message: SubmitDecision,
    hashes: dict[str, str] = HASHES,
    *,
    expires: int = HOUR,
    unique: str = "u",
    keyed: str = NEW,
) -> str:
    binding = Binding.of(message, hashes, tenant="default", review_id="review/acc", run_id="run-1")
    return sign(Claims(binding=binding, expires=expires, unique=unique), keys(keyed))


def answer(message: SubmitDecision, signed: str | None, by: Guard, **fields: Any) -> Checked:
    return by.check(said(message.model_copy(update={"token": signed}), **fields))


def code(checked: Checked) -> RefusalCode | None:
    assert checked.allowed == (checked.refusal is None)
    assert checked.allowed or not checked.verified
    return checked.refusal.code if checked.refusal else None
