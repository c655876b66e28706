"""What people call the words of the program, in sentences and on pages."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

UNKNOWN: Final = "unknown"
EMPTY: Final = "empty"
"""What a field holds that holds nothing."""
PLANNED: Final = "planned"
TERMS: Final[Mapping[str, str]] = {
    # Scores. "At Risk" is a status of the CRM; of risk itself there are levels.
    "at_risk": "fragile",
    # Writes.
    "create_task": "new task",
    "add_note": "new note",
    "update_account": "change of the account",
    "update_deal_stage": "change of a deal's stage",
    "change_owner": "change of owner",
    "update_contact": "change of a contact",
    # How a write, a request or a review stands.
    "initializing": "starting",
    "investigating": "reading the account",
    "executing": "being written",
    "validating": "being checked",
    "executed": "written",
    "adjusted": "approved with changes",
    "deferred": "put off",
    "superseded": "overtaken by newer facts",
    "skipped": "not written",
    "undone": "taken back",
    "mixed": "decided",
    "on_demand": "on demand",
    "nothing_to_do": "nothing to do",
    "adjust": "approve with changes",
    "defer": "put off",
    # What was found.
    "new_account": "first review",
    "owner_change": "new owner",
    "status_change": "new status",
    "revenue_change": "new revenue",
    "custom_field_modified": "field changed",
    "contact_added": "new contact",
    "deal_stage_change": "deal moved",
    "high_value_activity": "important meeting",
    "inactivity_threshold": "no contact",
    "inactivity": "no contact",
    "deal_stalled": "deal stands still",
    "engagement_drop": "less contact",
    "overdue_follow_ups": "overdue follow-ups",
    "status_at_risk": 'status "At Risk"',
    "inactive_owner": "owner has left",
    "re_engagement": "re-engagement",
    "follow_up": "follow-up",
    # Of policy and machinery.
    "n_of_m": "several of them",
    "one_time": "once",
    "buffer_one": "one after the other",
    "own_write": "our own write",
    "no_account": "of no account",
}
"""Words of the program that people call something else than the same with blanks."""
_SPELLED: Final[Mapping[str, str]] = {"crm": "CRM", "id": "number"}


def term_of(word: StrEnum | str | None) -> str:
    """A state, kind, level or outcome: "on demand", never `on_demand`."""
    if word is None:
        return UNKNOWN
    known = TERMS.get(str(word))
    if known is not None or "_" not in str(word):
        return known or str(word)
    return " ".join(_SPELLED.get(part, part) for part in str(word).split("_") if part)


def outcome_of(outcome: StrEnum | str | None, *, plan_only: bool = False) -> str | None:
    """How a review ended, in words; "planned" for one that was to change nothing. None: it is
    open."""
    if outcome is None:
        return None
    return PLANNED if plan_only and str(outcome) == "nothing_to_do" else term_of(outcome)


def status_of(status: StrEnum | str, *, plan_only: bool = False) -> str:
    """How a review stands, in words; "planned" for one that has ended and was to change nothing."""
    return PLANNED if plan_only and str(status) == "completed" else term_of(status)
