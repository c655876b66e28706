"""What a cycle is started with, by the policy."""

from typing import Any

from account_reviews.domain.cycle.state import CycleInput, CycleScope
from account_reviews.domain.policy.model import Policy


def cycle_by_policy(policy: Policy, kind: str, scope: CycleScope, **fields: Any) -> CycleInput:
    """The input of a cycle of this kind. KeyError for a kind that the policy does not name.

    The kind's conditions narrow `scope`; `fields` are everything else that `CycleInput` takes.
    """
    cycle = policy.cycle
    chosen = cycle.kinds[kind]
    within = chosen.changed_within
    narrowed = scope.model_copy(
        update={
            "statuses": scope.statuses or chosen.statuses,
            "changed_within_seconds": within.total_seconds() if within is not None else None,
        }
    )
    by_policy = {
        "window": cycle.window,
        "max_failed_share": cycle.max_failed_share,
        "min_finished": cycle.min_finished,
        "silent_after_seconds": cycle.silent_after.total_seconds(),
        "give_up_after_seconds": cycle.give_up_after.total_seconds(),
        "grace_seconds": policy.schedules.grace.total_seconds(),
    }
    return CycleInput(kind=kind, scope=narrowed, **{**by_policy, **fields})
