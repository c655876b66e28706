"""Twenty decisions on one request: eighteen that must not count, and two that must.

The policy: signed decisions, two of Ann, Ben and Cara, whoever started the review decides nothing,
and Ann may decide for Cara.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from account_reviews.access.keys import ApprovalKeys, parse_keys
from account_reviews.access.tokens import sign
from account_reviews.domain.access.signed import Binding, Claims
from account_reviews.domain.base import Timestamp
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.messages import SubmitDecision

STARTER: Final = "driver"
KEYS_TEXT: Final = "k1:bench-secret-of-enough-bytes-0123456789"
POLICY: Final = """
version = "hostile"

[approvals]
requirement = "n_of_m"
n = 2
approvers = ["leads"]
four_eyes = "always"
require_signed = true

[approvals.groups]
leads = [{leads}]

[approvals.delegates]
Cara = ["Ann"]

[access.users]
Ann = ["approver"]
Ben = ["approver"]
Cara = ["approver"]
driver = ["approver"]
Mallory = ["analyst"]
"""
EVERYBODY: Final = POLICY.format(leads='"Ann", "Ben", "Cara"')
WITHOUT_CARA: Final = POLICY.format(leads='"Ann", "Ben"')


def keys_of(text: str) -> ApprovalKeys:
    found = parse_keys(text)
    assert found is not None
    return found


KEYS: Final = keys_of(KEYS_TEXT)
FORGERS: Final = keys_of("k1:another-secret-of-enough-bytes-9876543210")


@dataclass(frozen=True)
class Move:
    """One message, and whether it has to count. `rival` is sent at the same time."""

    kind: str
    said: dict[str, Any]
    counts: bool = False
    rival: dict[str, Any] | None = None
    without_cara: bool = False
    """While Cara is not among the approvers any more."""


@dataclass
class Script:
    """What is said to one request, one after the other. `look` gives it as it stands now."""

    tenant: str
    run_id: str
    look: Callable[[], ApprovalRequest]
    now: Timestamp
    used: list[dict[str, Any]] = field(default_factory=list)

    def hostile_first(self) -> list[Move]:
        """Before anybody has decided."""
        said, edited = self.signed("approve", "Ann"), self.adjustment("Ann")
        late = rfc3339(self.look().deadline + timedelta(hours=1))
        return [
            Move("forged", self.signed("approve", "Ann", keys=FORGERS)),
            Move("other review", self.signed("approve", "Ann", run_id="another-run")),
            Move("other request", {**said, "request_id": str(uuid4())}),
            Move("edited arguments", {**edited, "token": said["token"]}),
            Move("edited arguments", {**said, "approver": "Ben"}),
            Move("expired", self.signed("approve", "Ann", seconds=-60)),
            Move("expired", {**self.signed("approve", "Ann"), "decided_at": late}),
            Move("own item", self.signed("approve", STARTER)),
            Move("not an approver", self.signed("approve", "Mallory")),
            Move("not a delegate", self.signed("approve", "Ben", on_behalf_of="Cara")),
            Move("stale hash", self.signed("approve", "Ann", shown_hash="0" * 64)),
            Move("removed", self.signed("approve", "Cara"), without_cara=True),
        ]

    def first_valid(self) -> list[Move]:
        """Ann changes it, who is the first to approve it so; and what must not follow."""
        stale = self.signed("approve", "Ben")
        adjusted = self.adjustment("Ann")
        self.used.append(adjusted)
        return [
            Move("valid", adjusted, counts=True),
            Move("replay", {**adjusted, "decision_id": uuid4().hex}),
            Move("stale hash", stale),
        ]

    def hostile_second(self) -> list[Move]:
        """Ann once more, by another spelling and for somebody else."""
        return [
            Move("same person twice", self.signed("approve", " ANN ")),
            Move("same person twice", self.signed("approve", "Ann", on_behalf_of="Cara")),
        ]

    def race(self) -> Move:
        """Two at once for the one place that is left."""
        return Move(
            "two at once",
            self.signed("approve", "Ben"),
            counts=True,
            rival=self.signed("approve", "Cara"),
        )

    def last(self) -> Move:
        return Move("replay", {**self.used[0], "decision_id": uuid4().hex})

    def adjustment(self, by: str) -> dict[str, Any]:
        item = self.look().items[0]
        title = {"subject": f"{item.change.after.get('subject', 'Call')} (agreed)"}
        return self.signed("adjust", by, item_ids=[item.item_id], changes=title)

    def signed(
        self,
        decision: str,
        by: str,
        *,
        keys: ApprovalKeys = KEYS,
        run_id: str | None = None,
        seconds: int = 3600,
        **more: Any,
    ) -> dict[str, Any]:
        """A message with a token for exactly this decision on what is shown now."""
        request = self.look()
        body = {"request_id": request.request_id, "decision": decision, "approver": by, **more}
        said = SubmitDecision.model_validate(body)
        binding = Binding.of(
            said,
            _hashes(request),
            tenant=self.tenant,
            review_id=request.review_id,
            run_id=run_id or self.run_id,
        )
        expires = int(self.now.timestamp()) + seconds
        token = sign(Claims(binding=binding, expires=expires, unique=uuid4().hex), keys)
        return {**body, "token": token, "decision_id": uuid4().hex}


def _hashes(request: ApprovalRequest) -> Mapping[str, str]:
    return {item.item_id: item.change.hash for item in request.items}
