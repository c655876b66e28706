"""The rules under which a request is decided, as they travel with it: fixed when it is opened."""

from typing import Final, Literal, Protocol

from pydantic import Field

from account_reviews.domain.base import Model
from account_reviews.domain.person_names import one_person, person
from account_reviews.domain.records import AccountSnapshot

OWNER: Final = "owner"
"""Stands in the policy for the account's owner."""


RACE: Final = (
    "this CRM takes no condition with a write: records are compared just before it, so what "
    "somebody changes in that moment is written over"
)
"""What people are told where versions are compared."""


class Routes(Model):
    """When an item also needs somebody of certain groups."""

    max_records: int = 10
    many_records: tuple[str, ...] = ()
    """Groups for a request about more distinct records than that."""
    personal_data: tuple[str, ...] = ()
    """Groups for items that touch what is known of a person."""
    min_confidence: float = 0.6
    low_confidence: tuple[str, ...] = ()
    """Groups for items of which the rules were less sure."""


class Escalation(Model):
    """Who hears of a request beside those who are asked: by risk at once, by silence later."""

    levels: tuple[str, ...] = ()
    """A group or `owner` per level, from the first up."""
    risk: tuple[int, ...] = (70, 80, 90)
    """A risk score below the first is level 1, below the second level 2, ..."""
    critical_risk: int = 85
    """From this score on those of `critical` hear of it at once."""
    critical: tuple[str, ...] = ()

    def level_at(self, score: int | None) -> int:
        """The level that a risk score begins at, from 1; 0 when there are no levels.

        An unknown score begins at the first.
        """
        crossed = 0 if score is None else sum(score >= limit for limit in self.risk)
        return min(1 + crossed, len(self.levels))

    def is_critical(self, score: int | None) -> bool:
        return bool(self.critical) and score is not None and score >= self.critical_risk


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
    approvers: tuple[str, ...] = (OWNER,)
    """Who is asked: `owner` and groups."""
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Members by the name of their group. One that is not here has none: it is only asked."""
    routes: Routes = Field(default_factory=Routes)
    delegates: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Who may decide for somebody who is away, by the name of who is."""
    escalation: Escalation = Field(default_factory=Escalation)
    version_check: Literal["atomic", "compared"] | None = None
    """How the CRM holds a write to the version that is shown, see `ApplyResult`; None: unknown."""
    spellings: dict[str, str] = Field(default_factory=dict)
    """Other words for a person, as `person` reads them -> the name that counts."""

    ids: dict[str, str] = Field(default_factory=dict)
    """Names of people of the CRM, as `person` reads them -> their id there: one person by both."""

    def known_as(self, name: str) -> str:
        """The name that counts for a person."""
        return self.spellings.get(person(name), name)

    def who(self, name: str) -> str:
        """What makes two spellings, or a name and what the CRM calls him, one person."""
        return one_person(name, self.spellings, self.ids)

    def people(self) -> set[str]:
        """All who are named in the rules, groups among them."""
        found = {*self.approvers, *self.escalation.levels, *self.escalation.critical}
        for lists in (self.groups, self.delegates):
            found |= {one for name, others in lists.items() for one in (name, *others)}
        return found


class TermsNow(Protocol):
    """Gives the rules of a request that is opened now."""

    async def __call__(self, tenant: str, snapshot: AccountSnapshot, /, *people: str) -> Terms:
        """`people`: who is in the request beside those whom the rules and the snapshot name."""
        ...
