"""What recommends: a file per rule, a row of RULES each."""

from collections.abc import Callable
from dataclasses import dataclass

from account_reviews.domain.analysis.rules import (
    change_based,
    engagement,
    expansion,
    retention,
    risk,
)
from account_reviews.domain.analysis.rules.base import Context, Draft


@dataclass(frozen=True, slots=True)
class Rule:
    """`code` is part of the recommendation ids and never changes; `when` is for people."""

    name: str
    code: str
    when: str
    propose: Callable[[Context], list[Draft]]


RULES: tuple[Rule, ...] = (
    Rule("engagement", "eng", "no contact for a month", engagement.propose),
    Rule("expansion", "exp", "good health and enough revenue", expansion.propose),
    Rule("risk", "risk", "low health, or a high or critical risk", risk.propose),
    Rule("retention", "ret", "the contract ends soon", retention.propose),
    Rule("change_based", "chg", "something happened, or does not move", change_based.propose),
)
